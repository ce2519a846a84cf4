"""`/v1/policies/{domain}`: what becomes of spam, from which score on, with which filters."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from libs.envelope import Temporary
from libs.http import ADMIN, IfMatch, Precondition, Problem, RequestBody, entity_tag, require
from libs.http.problems import invalid_body
from services.antispam.api.scopes import scope_of
from services.antispam.chain import CHAIN
from services.antispam.policy.mongo_policies import MongoPolicies, StoredPolicy
from services.antispam.policy.policy import (
    DEFAULT,
    DEFAULT_OUTGOING_POLICY,
    DEFAULT_POLICY,
    OUTGOING,
    Policy,
    inherit,
)

Changed = Callable[[str], Awaitable[None]]


class EffectivePolicy(BaseModel):
    """The policy in force; `own` names the fields that were set for this very domain, the others are inherited."""

    domain: str = Field(description="Domain name, `default` or `outgoing`.")
    own: list[str] = Field(description="Names of the fields that are set for this domain; the others are inherited.")
    policy: Policy = Field(description="The policy in force.")


def _describe_changes(schema: dict[str, Any]) -> None:
    """The members of a policy; each of them may be null, as may the members of its objects."""
    members: dict[str, Any] = Policy.model_json_schema()["properties"]
    for member in members.values():
        member.pop("default", None)
        if isinstance(values := member.get("additionalProperties"), dict):
            member["additionalProperties"] = {"anyOf": [values, {"type": "null"}]}
    schema["properties"] = {
        name: {"anyOf": [member, {"type": "null"}], "description": member.pop("description", "")}
        for name, member in members.items()
    }
    schema["additionalProperties"] = False
    schema["examples"] = [{"action": "quarantine", "scores": {"html_only": 1.5, "bayes": None}}]


class PolicyChanges(RequestBody):
    """RFC 7396: a field that is null is inherited again; within `filters` and `scores` likewise."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_describe_changes)


def policy_routes(policies: MongoPolicies, changed: Changed) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/policies", tags=["policies"])
    editor = _Editor(policies, changed)
    admin = Depends(require(ADMIN))

    @router.get(
        "/{domain}",
        dependencies=[Depends(require(ADMIN, "store"))],
        summary="Get a policy",
    )
    async def get_policy(
        domain: Annotated[str, Path(description="Domain name, `default` or `outgoing`.")], response: Response
    ) -> EffectivePolicy:
        """Returns the policy in force for a domain, for `default` (all domains) or for `outgoing` mail."""
        return await editor.view(await policies.read(scope_of(domain)), response)

    @router.put("/{domain}", dependencies=[admin], summary="Replace a policy")
    async def replace_policy(
        domain: Annotated[str, Path(description="Domain name, `default` or `outgoing`.")],
        policy: Policy,
        response: Response,
        if_match: IfMatch,
    ) -> EffectivePolicy:
        """Sets the given fields for the domain; it inherits all others."""
        given = policy.model_dump(mode="json", exclude_unset=True)
        return await editor.change(scope_of(domain), lambda own: given, if_match, response)

    @router.patch("/{domain}", dependencies=[admin], summary="Change a policy")
    async def update_policy(
        domain: Annotated[str, Path(description="Domain name, `default` or `outgoing`.")],
        change: PolicyChanges,
        response: Response,
        if_match: IfMatch,
    ) -> EffectivePolicy:
        """Changes the given fields (RFC 7396); a field that is null is inherited again."""
        given = change.model_extra or {}
        return await editor.change(scope_of(domain), lambda own: _patched(own, given), if_match, response)

    @router.delete("/{domain}", status_code=204, dependencies=[admin], summary="Reset a policy")
    async def reset_policy(
        domain: Annotated[str, Path(description="Domain name, `default` or `outgoing`.")],
        response: Response,
        if_match: IfMatch,
    ) -> Response:
        """Deletes the fields of the domain; it inherits all of them again."""
        await editor.change(scope_of(domain), lambda own: {}, if_match, response)
        return Response(status_code=204)

    return router


class _Editor:
    """Changes are checked as a whole policy before they are stored."""

    def __init__(self, policies: MongoPolicies, changed: Changed) -> None:
        self._policies = policies
        self._changed = changed

    async def view(self, stored: StoredPolicy, response: Response) -> EffectivePolicy:
        under = await self._inherited(stored.scope)
        response.headers["ETag"] = _tag_of(stored, under)
        return EffectivePolicy(
            domain=stored.scope, own=sorted(stored.own), policy=inherit(stored.own, self._policy(under))
        )

    async def change(
        self,
        scope: str,
        edit: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        if_match: Precondition,
        response: Response,
    ) -> EffectivePolicy:
        """A change that another one overtakes is made anew on what that one left, if the caller takes any version."""
        for _ in range(_TRIES):
            stored, under = await self._policies.read(scope), await self._inherited(scope)
            if_match.check(_tag_of(stored, under))
            own = edit(stored.own)
            _check(own, self._policy(under))
            if (after := await self._policies.write(own, over=stored)) is not None:
                await self._changed(scope)
                return await self.view(after, response)
        raise Temporary(f"policy {scope}: too many writers")

    async def _inherited(self, scope: str) -> StoredPolicy:
        """Return the policy from which `scope` inherits, under its own name; a built-in constant has revision 0."""
        if scope in (OUTGOING, DEFAULT):
            return StoredPolicy(scope, {}, 0)
        return await self._policies.read(DEFAULT)

    def _policy(self, under: StoredPolicy) -> Policy:
        if under.scope == OUTGOING:
            return DEFAULT_OUTGOING_POLICY
        return inherit(under.own, DEFAULT_POLICY)


_TRIES = 50


def _tag_of(stored: StoredPolicy, under: StoredPolicy) -> str:
    """Return the ETag, which covers the inherited policy: it is a part of the answer."""
    return entity_tag(stored.revision, stored.birth, str(under.revision), under.birth)


def _check(own: Mapping[str, Any], under: Policy) -> None:
    """Raises `Problem` 422 that names the field."""
    try:
        policy = _strictly(own, under)
    except (ValidationError, TypeError) as error:
        errors = error.errors() if isinstance(error, ValidationError) else []
        raise invalid_body(errors, "the policy is not valid") from None
    for step in CHAIN:
        if step.mandatory and not policy.filters.get(step.name, True):
            raise Problem(422, f"{step.name} is on while antispam is on; a whitelist beats it")
    known = {step.name for step in CHAIN}
    for name in (*policy.filters, *policy.scores):
        if name not in known:
            raise Problem(422, f"there is no filter {name}; GET /v1/filters lists them")


def _strictly(own: Mapping[str, Any], under: Policy) -> Policy:
    """A number is no boolean and a text no number, whatever the validator would make of them."""
    Policy.model_validate_json(json.dumps(dict(own)), strict=True)
    return inherit(own, under)


def _patched(own: Mapping[str, Any], change: Mapping[str, Any]) -> Mapping[str, Any]:
    result = dict(own)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name, {}), dict):
            result[name] = {k: v for k, v in {**result.get(name, {}), **value}.items() if v is not None}
        else:
            result[name] = value
    return result
