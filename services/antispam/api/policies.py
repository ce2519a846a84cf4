"""`/v1/policies/{domain}`: what becomes of spam, from which score on, with which filters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ValidationError

from libs.http import ADMIN, Problem, require
from services.antispam.adapters.policies import MongoPolicies, StoredPolicy
from services.antispam.api.scopes import scope_of
from services.antispam.chain import CHAIN
from services.antispam.domain.policy import (
    DEFAULT,
    DEFAULT_OUTGOING_POLICY,
    DEFAULT_POLICY,
    OUTGOING,
    Policy,
    layered,
)

Changed = Callable[[str], Awaitable[None]]


class PolicyView(BaseModel):
    """The policy in force; `own` names the fields that were set for this very domain, the others are inherited."""

    domain: str
    own: list[str]
    policy: Policy


class PolicyPatch(BaseModel):
    """RFC 7396: a field that is null is inherited again; within `filters` and `scores` likewise."""

    model_config = {"extra": "allow"}


def policy_routes(policies: MongoPolicies, changed: Changed) -> APIRouter:
    """`changed(scope)` tells all replicas."""
    router = APIRouter(prefix="/v1/policies", tags=["policies"])
    editor = _Editor(policies, changed)
    admin = Depends(require(ADMIN))
    match = Header(None, alias="If-Match", description="ETag that the change is based on; 412 when another came first.")

    @router.get(
        "/{domain}",
        dependencies=[Depends(require(ADMIN, "store"))],
        summary="The policy in force for a domain, for `default` (all domains) or for `outgoing` mail",
    )
    async def read(domain: str, response: Response) -> PolicyView:
        return await editor.view(await policies.read(scope_of(domain)), response)

    @router.put("/{domain}", dependencies=[admin], summary="Set the fields given, inherit the rest")
    async def replace(domain: str, policy: Policy, response: Response, if_match: str | None = match) -> PolicyView:
        given = policy.model_dump(mode="json", exclude_unset=True)
        return await editor.change(scope_of(domain), lambda own: given, if_match, response)

    @router.patch("/{domain}", dependencies=[admin], summary="Change some fields (RFC 7396)")
    async def patch(domain: str, change: PolicyPatch, response: Response, if_match: str | None = match) -> PolicyView:
        given = change.model_extra or {}
        return await editor.change(scope_of(domain), lambda own: _patched(own, given), if_match, response)

    @router.delete("/{domain}", status_code=204, dependencies=[admin], summary="Inherit everything")
    async def reset(domain: str, response: Response, if_match: str | None = match) -> Response:
        await editor.change(scope_of(domain), lambda own: {}, if_match, response)
        return Response(status_code=204)

    return router


class _Editor:
    """Changes are checked as a whole policy before they are stored."""

    def __init__(self, policies: MongoPolicies, changed: Changed) -> None:
        self._policies = policies
        self._changed = changed

    async def view(self, stored: StoredPolicy, response: Response) -> PolicyView:
        response.headers["ETag"] = _etag(stored.revision)
        policy = layered(stored.own, await self._under(stored.scope))
        return PolicyView(domain=stored.scope, own=sorted(stored.own), policy=policy)

    async def change(
        self,
        scope: str,
        edit: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        if_match: str | None,
        response: Response,
    ) -> PolicyView:
        stored = await self._policies.read(scope)
        if if_match is not None and if_match not in ("*", _etag(stored.revision)):
            raise Problem(412, "the policy was changed meanwhile; read it again")
        own = edit(stored.own)
        _check(own, await self._under(scope))
        if not await self._policies.write(scope, own, over=stored.revision):
            raise Problem(412, "the policy was changed meanwhile; read it again")
        await self._changed(scope)
        return await self.view(StoredPolicy(scope, own, stored.revision + 1), response)

    async def _under(self, scope: str) -> Policy:
        if scope == OUTGOING:
            return DEFAULT_OUTGOING_POLICY
        if scope == DEFAULT:
            return DEFAULT_POLICY
        return layered((await self._policies.read(DEFAULT)).own, DEFAULT_POLICY)


def _check(own: Mapping[str, Any], under: Policy) -> None:
    """Raises `Problem` 422 that names the field."""
    try:
        policy = layered(own, under)
    except (ValidationError, TypeError) as error:
        errors = error.errors() if isinstance(error, ValidationError) else []
        shown = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in errors]
        raise Problem(422, "the policy does not fit", errors=shown) from None
    for step in CHAIN:
        if step.always and not policy.filters.get(step.name, True):
            raise Problem(422, f"{step.name} is on while antispam is on; a whitelist beats it")
    known = {step.name for step in CHAIN}
    for name in (*policy.filters, *policy.scores):
        if name not in known:
            raise Problem(422, f"there is no filter {name}; GET /v1/filters lists them")


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


def _etag(revision: int) -> str:
    return f'"{revision}"'
