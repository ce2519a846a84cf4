"""Peers that are refused for a short time, in memory (R-SPAM-01)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime

from services.antispam.domain.mail_view import Ip, parsed_ip


@dataclass(frozen=True, slots=True)
class _Refused:
    until: datetime
    reason: str


class PeersInMemory:
    """At most `capacity`; when there are more, those go first whose time is over first."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._peers: dict[Ip, _Refused] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def reason(self, peer: Ip, now: datetime) -> str | None:
        """Why `peer` is refused now; None if it is not."""
        refused = self._peers.get(peer) if self._peers else None
        return refused.reason if refused is not None and refused.until > now else None

    def refuse(self, address: str, until: datetime, reason: str, now: datetime) -> None:
        """Refuse it until then; a moment that is over takes the refusal back. What is no IP address is left out."""
        peer = parsed_ip(address)
        if peer is None:
            return
        if until <= now:
            self._peers.pop(peer, None)
            return
        self._peers[peer] = _Refused(until, reason)
        if len(self._peers) > self._capacity:
            self._make_room(now)

    def _make_room(self, now: datetime) -> None:
        self._peers = {peer: refused for peer, refused in self._peers.items() if refused.until > now}
        surplus = len(self._peers) - self._capacity * 9 // 10
        for peer in heapq.nsmallest(max(surplus, 0), self._peers, key=lambda peer: self._peers[peer].until):
            del self._peers[peer]
