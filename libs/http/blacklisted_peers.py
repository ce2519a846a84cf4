"""`/v1/blacklisted-peers`: peers that are refused for a while; one shape in every service that has such a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from libs.http.auth import ADMIN, require
from libs.http.pages import After, Cursor, Page, PageLimit
from libs.http.problems import Problem
from libs.http.requests import RequestBody, example
from libs.http.resources import created
from libs.network import banned_network, shown

TAG = "blacklisted peers"
TAG_TEXT = "Peers and networks that are refused for a while. A change is told to all services and replicas."
_LONGEST = timedelta(days=30)
_PAGES = Cursor("peers")


@dataclass(frozen=True, slots=True)
class PeerBan:
    """`address` is a network in normal form; the ban is over at `expires_at`."""

    address: str
    expires_at: datetime
    reason: str


class BanStore(Protocol):
    """The bans that a service stores. All methods raise `Temporary`."""

    async def page(self, *, after: str, limit: int) -> Sequence[PeerBan]:
        """Return the bans in force, ordered by address, behind `after`."""

    async def holds(self, address: str) -> bool:
        """Tell whether a ban of exactly this address is in force."""

    async def put(self, ban: PeerBan) -> None:
        """Keep the ban and tell all replicas; a moment that is over ends the ban."""


class NewBlacklistedPeer(RequestBody):
    """A peer to refuse."""

    model_config = example({"address": "192.0.2.1", "seconds": 3600, "reason": "dictionary attack"})

    address: str = Field(max_length=64, description="An IP address or a network; an IPv6 address stands for its /64.")
    seconds: int = Field(
        3600, ge=1, le=int(_LONGEST.total_seconds()), description="How long the peer is refused, from now on."
    )
    reason: str = Field("", max_length=200, description="Note for people.")


class BlacklistedPeerView(BaseModel):
    """A refused peer."""

    address: str = Field(description="Network of the peer; an IPv6 address stands for its /64.")
    expires_at: datetime = Field(description="When the refusal ends.")
    reason: str = Field(description="Note for people.")


InPath = Annotated[str, Path(description="IP address or network.")]


def blacklisted_peer_routes(bans: BanStore, clock: Callable[[], datetime]) -> APIRouter:
    """Create the routes of the resource for `bans`."""
    router = APIRouter(prefix="/v1/blacklisted-peers", tags=[TAG], dependencies=[Depends(require(ADMIN))])

    @router.get("", summary="List blacklisted peers")
    async def list_blacklisted_peers(after: After = None, limit: PageLimit = 50) -> Page[BlacklistedPeerView]:
        """Lists the peers that are refused now, in the order of their addresses."""
        found = await bans.page(after=_PAGES.text(after), limit=limit)
        return Page(items=[_view(ban) for ban in found], next=_PAGES.behind(found, limit, lambda ban: ban.address))

    @router.post(
        "",
        status_code=201,
        summary="Blacklist a peer",
        responses={200: {"model": BlacklistedPeerView, "description": "The peer was refused already."}},
    )
    async def create_blacklisted_peer(new: NewBlacklistedPeer, response: Response) -> BlacklistedPeerView:
        """Refuses a peer or a network for a while. A peer that is refused already gets the new time; that is 200."""
        ban = PeerBan(_normal(new.address), clock() + timedelta(seconds=new.seconds), new.reason)
        is_new = not await bans.holds(ban.address)
        await bans.put(ban)
        created(response, "/v1/blacklisted-peers", ban.address, is_new=is_new)
        return _view(ban)

    @router.delete("/{address:path}", status_code=204, summary="Delete a blacklisted peer")
    async def delete_blacklisted_peer(address: InPath) -> Response:
        """Ends the ban; the peer may connect again."""
        network = _normal(address)
        if not await bans.holds(network):
            raise Problem(404, "this peer is not refused")
        await bans.put(PeerBan(network, clock(), ""))
        return Response(status_code=204)

    return router


def _normal(address: str) -> str:
    network = banned_network(address)
    if network is None:
        raise Problem(422, "an IP address is needed, or a network of at most a /8 (IPv6: a /16)")
    return shown(network)


def _view(ban: PeerBan) -> BlacklistedPeerView:
    return BlacklistedPeerView(address=ban.address, expires_at=ban.expires_at, reason=ban.reason)
