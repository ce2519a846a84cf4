"""Operation of ingress: present connections, and peers that are refused at connect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from libs.http import ADMIN, require
from libs.http.blacklisted_peers import PeerBan, blacklisted_peer_routes
from services.ingress.domain.blacklist import Blacklist, BlacklistEntry


class SessionsView(BaseModel):
    """SMTP connections of this process now, by listener."""

    listeners: Mapping[str, int] = Field(description="Number of connections by listener.")
    total: int = Field(description="Number of all connections.")


def operation_routes(sessions: Callable[[], Mapping[str, int]]) -> APIRouter:
    """The state of this process."""
    router = APIRouter(prefix="/v1", tags=["operation"], dependencies=[Depends(require(ADMIN))])

    @router.get("/sessions", summary="Count the SMTP connections")
    async def get_sessions() -> SessionsView:
        """Counts the present connections of this process by listener."""
        now = sessions()
        return SessionsView(listeners=now, total=sum(now.values()))

    return router


def peer_routes(
    blacklist: Blacklist, *, clock: Callable[[], datetime], tell: Callable[[BlacklistEntry], Awaitable[None]]
) -> APIRouter:
    """`tell` makes a change known to all replicas, this one too."""
    return blacklisted_peer_routes(_Bans(blacklist, tell), clock)


class _Bans:
    def __init__(self, blacklist: Blacklist, tell: Callable[[BlacklistEntry], Awaitable[None]]) -> None:
        self._blacklist = blacklist
        self._tell = tell

    async def page(self, *, after: str, limit: int) -> Sequence[PeerBan]:
        found = [entry for entry in self._blacklist.entries() if entry.address > after][:limit]
        return [PeerBan(e.address, datetime.fromtimestamp(e.until_epoch, UTC), e.reason) for e in found]

    async def holds(self, address: str) -> bool:
        return self._blacklist.has_entry(address)

    async def put(self, ban: PeerBan) -> None:
        await self._tell(BlacklistEntry(ban.address, ban.expires_at.timestamp(), ban.reason))
