"""`/v1/rules/{kind}`: keywords, exceptions to them, logic. A rule is tested before it is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, Page, Problem, require
from services.antispam.adapters.rules import MongoRules, StoredRule
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.chain import CHAIN
from services.antispam.domain.expressions import compile_expression
from services.antispam.domain.facts import FACTS
from services.antispam.domain.policy import DEFAULT
from services.antispam.domain.rules import AnyRule, ExceptionRule, KeywordRule, LogicRule

Changed = Callable[[str], Awaitable[None]]
Kind = Literal["keyword", "exception", "logic"]


class RuleView(BaseModel):
    """A stored rule; `hits` counts the messages that it matched."""

    name: str
    domain: str
    hits: int
    rule: KeywordRule | ExceptionRule | LogicRule = Field(discriminator="kind")


def rule_routes(rules: MongoRules, changed: Changed) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/rules", tags=["rules"], dependencies=[Depends(require(ADMIN))])
    named = Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")
    match = Header(None, alias="If-Match", description="ETag that the change is based on; 412 when another came first.")

    @router.get("/{kind}", summary="Rules of one kind, of all domains or of one, by name")
    async def listing(
        kind: Kind, domain: str | None = None, after: str = "", limit: int = Query(50, ge=1, le=500)
    ) -> Page[RuleView]:
        scope = None if domain is None else scope_of(domain)
        found = await rules.page(kind, scope, after=after, limit=limit)
        return Page(items=[_view(rule) for rule in found], next=found[-1].name if len(found) == limit else None)

    @router.get("/{kind}/{name}", summary="One rule")
    async def read(kind: Kind, response: Response, name: str = named) -> RuleView:
        return _tagged(_there(await rules.get(kind, name)), response)

    @router.delete("/{kind}/{name}", status_code=204, summary="Delete a rule")
    async def delete(kind: Kind, name: str = named) -> Response:
        rule = _there(await rules.delete(kind, name))
        await changed(rule.scope)
        return Response(status_code=204)

    async def put(name: str, domain: str, rule: AnyRule, if_match: str | None, response: Response) -> RuleView:
        scope = scope_of(domain)
        over = await rules.get(rule.kind, name)
        revision = over.revision if over else 0
        if if_match is not None and if_match not in ("*", _etag(revision)):
            raise Problem(412, "the rule was changed meanwhile; read it again")
        if over is not None and over.scope != scope:
            raise Problem(409, f"a rule of this name exists for {domain_of(over.scope) or 'all domains'}")
        stored = await rules.write(name, scope, rule, over=revision)
        if stored is None:
            raise Problem(409, "another rule has this name, or it was changed meanwhile")
        await changed(scope)
        return _tagged(stored, response)

    domain_query = Query("", description="Domain of ours that it counts for; empty: all.")

    @router.put("/keyword/{name}", summary="Make or replace a keyword rule (RE2); 422 when its examples do not hold")
    async def keyword(
        rule: KeywordRule,
        response: Response,
        name: str = named,
        domain: str = domain_query,
        if_match: str | None = match,
    ) -> RuleView:
        return await put(name, domain, rule, if_match, response)

    @router.put("/exception/{name}", summary="Make or replace an exception, which counts for all domains")
    async def exception(
        rule: ExceptionRule, response: Response, name: str = named, if_match: str | None = match
    ) -> RuleView:
        return await put(name, DEFAULT, rule, if_match, response)

    @router.put("/logic/{name}", summary="Make or replace a logic rule; 422 when it names what does not exist")
    async def logic(
        rule: LogicRule,
        response: Response,
        name: str = named,
        domain: str = domain_query,
        if_match: str | None = match,
    ) -> RuleView:
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
    response.headers["ETag"] = _etag(rule.revision)
    return _view(rule)


def _view(rule: StoredRule) -> RuleView:
    return RuleView(name=rule.name, domain=domain_of(rule.scope), hits=rule.hits, rule=rule.rule)


def _etag(revision: int) -> str:
    return f'"{revision}"'
