"""`/v1/rules/{kind}`: keywords, exceptions to them, logic. A rule is tested before it is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from libs.envelope import Temporary
from libs.http import ADMIN, After, Cursor, IfMatch, Page, PageLimit, Precondition, Problem, entity_tag, require
from libs.http.openapi import CONFLICT
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.chain import CHAIN
from services.antispam.filtering.facts import FACTS
from services.antispam.policy.expressions import compile_expression
from services.antispam.policy.mongo_rules import MongoRules, StoredRule
from services.antispam.policy.policy import DEFAULT
from services.antispam.policy.rules import AnyRule, ExceptionRule, KeywordRule, LogicRule

Changed = Callable[[str], Awaitable[None]]
Kind = Literal["keyword", "exception", "logic"]

_PAGES = Cursor("rules")
_TRIES = 50


class RuleView(BaseModel):
    """A stored rule."""

    name: str = Field(description="Name of the rule.")
    domain: str = Field(description="Domain for which it counts; empty: all domains.")
    rule: KeywordRule | ExceptionRule | LogicRule = Field(discriminator="kind", description="The rule.")


class RuleCounts(BaseModel):
    """What changes without a change of the rule: `hits` counts the messages that it matched."""

    hits: int = Field(description="Number of messages that the rule matched.")


class RuleWithCounts(RuleView, RuleCounts):
    """A rule in a list."""


def rule_routes(rules: MongoRules, changed: Changed) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/rules", tags=["rules"], dependencies=[Depends(require(ADMIN))])
    named = Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$", description="Name of the rule.")

    @router.get("/{kind}", summary="List rules")
    async def list_rules(
        kind: Annotated[Kind, Path(description="Kind of the rule.")],
        domain: Annotated[
            str | None, Query(description="Only rules of this domain; empty: those of all domains.")
        ] = None,
        after: After = None,
        limit: PageLimit = 50,
    ) -> Page[RuleWithCounts]:
        """Rules of one kind, of one domain or of all, in the order of their names."""
        scope = None if domain is None else scope_of(domain)
        found = await rules.page(kind, scope, after=_PAGES.text(after), limit=limit)
        return Page(items=[_row(rule) for rule in found], next=_PAGES.behind(found, limit, lambda item: item.name))

    @router.get("/{kind}/{name}", summary="Get a rule")
    async def get_rule(
        kind: Annotated[Kind, Path(description="Kind of the rule.")], response: Response, name: str = named
    ) -> RuleView:
        """Returns one rule."""
        return _tagged(_there(await rules.get(kind, name)), response)

    @router.get("/{kind}/{name}/counts", summary="Count the hits of a rule")
    async def get_rule_counts(
        kind: Annotated[Kind, Path(description="Kind of the rule.")], name: str = named
    ) -> RuleCounts:
        """Counts the messages that the rule matched."""
        return RuleCounts(hits=_there(await rules.get(kind, name)).hits)

    @router.delete("/{kind}/{name}", status_code=204, summary="Delete a rule")
    async def delete_rule(
        kind: Annotated[Kind, Path(description="Kind of the rule.")], if_match: IfMatch, name: str = named
    ) -> Response:
        """Deletes one rule."""
        for _ in range(_TRIES):
            rule = _there(await rules.get(kind, name))
            if_match.check(_tag_of(rule))
            if await rules.delete(rule):
                await changed(rule.scope)
                return Response(status_code=204)
        raise Temporary(f"rule {name}: too many writers")

    async def put(name: str, domain: str, rule: AnyRule, if_match: Precondition, response: Response) -> RuleView:
        """A change that another one overtakes is made anew over that one, if the caller takes any version."""
        scope = scope_of(domain)
        for _ in range(_TRIES):
            over = await rules.get(rule.kind, name)
            if_match.check(_tag_of(over) if over else None)
            if over is not None and over.scope != scope:
                raise Problem(409, f"a rule of this name exists for {domain_of(over.scope) or 'all domains'}")
            stored = await rules.write(name, scope, rule, over=over.revision if over else 0)
            if stored is not None:
                await changed(scope)
                return _tagged(stored, response)
            if over is None and await rules.get(rule.kind, name) is None:
                raise Problem(409, "another kind of rule has this name")
        raise Temporary(f"rule {name}: too many writers")

    domain_query = Query("", description="Main domain for which it counts; empty: all domains.")

    @router.put("/keyword/{name}", summary="Create or replace a keyword rule", responses=CONFLICT)
    async def replace_keyword_rule(
        rule: KeywordRule,
        response: Response,
        if_match: IfMatch,
        name: str = named,
        domain: str = domain_query,
    ) -> RuleView:
        """A keyword rule adds its score when its regular expression (RE2) matches. It is refused when an example of
        `hits` does not match, or one of `misses` does.
        """
        return await put(name, domain, rule, if_match, response)

    @router.put("/exception/{name}", summary="Create or replace an exception", responses=CONFLICT)
    async def replace_exception_rule(
        rule: ExceptionRule, response: Response, if_match: IfMatch, name: str = named
    ) -> RuleView:
        """An exception keeps other rules from a text that its regular expression matches. It counts for all domains."""
        return await put(name, DEFAULT, rule, if_match, response)

    @router.put("/logic/{name}", summary="Create or replace a logic rule", responses=CONFLICT)
    async def replace_logic_rule(
        rule: LogicRule,
        response: Response,
        if_match: IfMatch,
        name: str = named,
        domain: str = domain_query,
    ) -> RuleView:
        """A logic rule adds its score when its expression is true. It is refused when the expression names a filter or
        a fact that does not exist.
        """
        _check_names(rule)
        return await put(name, domain, rule, if_match, response)

    return router


def _check_names(rule: LogicRule) -> None:
    known = {*FACTS, *(step.name for step in CHAIN if step.name != "logic")}
    unknown = sorted(compile_expression(rule.expression).names - known)
    if unknown:
        raise Problem(422, f"there is no filter or fact {', '.join(unknown)}", known=sorted(known))


def _there(rule: StoredRule | None) -> StoredRule:
    if rule is None:
        raise Problem(404, "there is no such rule")
    return rule


def _tagged(rule: StoredRule, response: Response) -> RuleView:
    response.headers["ETag"] = _tag_of(rule)
    return _view(rule)


def _view(rule: StoredRule) -> RuleView:
    return RuleView(name=rule.name, domain=domain_of(rule.scope), rule=rule.rule)


def _row(rule: StoredRule) -> RuleWithCounts:
    return RuleWithCounts(name=rule.name, domain=domain_of(rule.scope), hits=rule.hits, rule=rule.rule)


def _tag_of(rule: StoredRule) -> str:
    return entity_tag(rule.revision, rule.birth)
