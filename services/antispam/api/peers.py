"""`/v1/blacklisted-peers`: peers that are refused for a short time (R-SPAM-01)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.http import ADMIN, After, Cursor, Page, PageLimit, Problem, RequestBody, require
from libs.network import banned_network, shown
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers
from services.antispam.reputation.peer_blacklist import PeerBlacklist

_PAGES = Cursor("peers")


class NewBlacklistedPeer(RequestBody):
    """Whom to refuse, for how long, and why."""

    address: str = Field(max_length=64, description="An IP address or a network; an IPv6 address stands for its /64.")
    seconds: int = Field(3600, ge=1, le=30 * 86400, description="Seconds from now on.")
    reason: str = Field("", max_length=200, description="Note for people.")


class BlacklistedPeerView(BaseModel):
    """A refused peer; `until` in UTC."""

    address: str = Field(description="Network of the peer; an IPv6 address stands for its /64.")
    until: datetime = Field(description="When the refusal ends.")
    reason: str = Field(description="Note for people.")


def peer_routes(peers: PeerBlacklist, store: MongoBlacklistedPeers, clock: Callable[[], datetime]) -> APIRouter:
    """Every change is told to all services, ingress among them."""
    router = APIRouter(prefix="/v1/blacklisted-peers", tags=["blacklisted peers"])
    admin = Depends(require(ADMIN))

    @router.get("", dependencies=[admin], summary="Peers refused now, by address")
    async def list_blacklisted_peers(after: After = None, limit: PageLimit = 50) -> Page[BlacklistedPeerView]:
        found = await store.page(clock(), after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(peer) for peer in found], next=_PAGES.behind(found, limit, lambda item: item.address))

    @router.post("", status_code=201, dependencies=[admin], summary="Refuse a peer for a time; again: for that time")
    async def create_blacklisted_peer(new: NewBlacklistedPeer) -> BlacklistedPeerView:
        peer = BlacklistedPeer(_normal(new.address), clock() + timedelta(seconds=new.seconds), new.reason)
        await peers.blacklist(peer)
        return _view(peer)

    @router.delete("/{address:path}", status_code=204, dependencies=[admin], summary="Take a refusal back, everywhere")
    async def delete_blacklisted_peer(address: Annotated[str, Path(description="IP address or network.")]) -> Response:
        await peers.blacklist(BlacklistedPeer(_normal(address), clock(), ""))
        return Response(status_code=204)

    return router


def _normal(address: str) -> str:
    network = banned_network(address)
    if network is None:
        raise Problem(422, "that is no IP address, and no network of at most a /8 (IPv6: a /16)")
    return shown(network)


def _view(peer: BlacklistedPeer) -> BlacklistedPeerView:
    return BlacklistedPeerView(address=peer.address, until=peer.until, reason=peer.reason)
