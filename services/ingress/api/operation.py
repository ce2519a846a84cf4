"""What operators see and do: connections now, and the peers that are refused at connect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, Problem, RequestBody, require
from libs.network import banned_network, shown
from services.ingress.domain.blacklist import Blacklist, BlacklistEntry


class SessionsView(BaseModel):
    """SMTP connections of this process now, by listener."""

    listeners: Mapping[str, int] = Field(description="Number of connections by listener.")
    total: int = Field(description="Number of all connections.")


class RefusedPeerView(BaseModel):
    """A peer or a network that is refused; an IPv6 peer stands for its /64."""

    address: str = Field(description="Network of the peer; an IPv6 address stands for its /64.")
    until: datetime = Field(description="When the refusal ends.")
    reason: str = Field(description="Note for people.")


class RefusedPeers(BaseModel):
    """The refused peers."""

    items: list[RefusedPeerView] = Field(description="The refused peers.")
    next: None = Field(None, description="Always null: there is no next page.")


class PeerRefusal(RequestBody):
    """How long, from now on."""

    seconds: int = Field(3600, ge=1, le=30 * 86400, description="How long the peer is refused, from now on.")
    reason: str = Field("by hand", max_length=200, description="Note for people.")


def operation_routes(
    sessions: Callable[[], Mapping[str, int]],
    blacklist: Blacklist,
    *,
    clock: Callable[[], datetime],
    tell: Callable[[BlacklistEntry], Awaitable[None]],
) -> APIRouter:
    """`tell` makes a change known to all replicas, this one too."""
    router = APIRouter(prefix="/v1", tags=["operation"], dependencies=[Depends(require(ADMIN))])

    @router.get("/sessions", summary="Count the SMTP connections")
    async def get_sessions() -> SessionsView:
        """The connections of this process now, by listener."""
        now = sessions()
        return SessionsView(listeners=now, total=sum(now.values()))

    @router.get("/blacklist", summary="Peers that are refused at connect for a while")
    async def list_refused_peers() -> RefusedPeers:
        items = [
            RefusedPeerView(address=e.address, until=datetime.fromtimestamp(e.until_epoch, UTC), reason=e.reason)
            for e in blacklist.entries()
        ]
        return RefusedPeers(items=items)

    @router.put("/blacklist/{address:path}", summary="Refuse a peer or a network for a while")
    async def replace_refused_peer(
        address: Annotated[str, Path(description="IP address or network.")], ban: PeerRefusal
    ) -> RefusedPeerView:
        until = clock() + timedelta(seconds=ban.seconds)
        entry = BlacklistEntry(_key(address), until.timestamp(), ban.reason)
        await tell(entry)
        return RefusedPeerView(address=entry.address, until=until, reason=entry.reason)

    @router.delete("/blacklist/{address:path}", status_code=204, summary="Let a peer in again")
    async def delete_refused_peer(address: Annotated[str, Path(description="IP address or network.")]) -> Response:
        key = _key(address)
        if not blacklist.has_entry(key):
            raise Problem(404, "this peer is not refused")
        await tell(BlacklistEntry(key, 0.0, ""))
        return Response(status_code=204)

    return router


def _key(address: str) -> str:
    network = banned_network(address)
    if network is None:
        raise Problem(422, "that is no IP address, and no network of at most a /8 (IPv6: a /16)")
    return shown(network)
