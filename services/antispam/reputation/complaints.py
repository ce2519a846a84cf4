"""Peers, senders and domains that recipients complained about (R-SPAM-13, R-SPAM-28), in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.network import Ip, network_of, parsed

SubjectKind = Literal["peer", "sender", "domain"]


@dataclass(frozen=True, slots=True)
class ComplaintSubject:
    """What a complaint is about; `value` in lower case, an IPv6 peer as its /64."""

    kind: SubjectKind
    value: str


@dataclass(frozen=True, slots=True)
class ComplaintThresholds:
    """Distinct complainants from which on a subject counts as bad."""

    peer: int
    sender: int
    domain: int

    def of(self, kind: SubjectKind) -> int:
        return {"peer": self.peer, "sender": self.sender, "domain": self.domain}[kind]


def subjects_of(*, sender: str, peer: str) -> Sequence[ComplaintSubject]:
    """What a complaint about a message with this envelope is about."""
    sender, address = sender.lower(), parsed(peer) if peer else None
    found = (
        [ComplaintSubject("sender", sender), ComplaintSubject("domain", sender.rpartition("@")[2])]
        if "@" in sender
        else []
    )
    return [*found, ComplaintSubject("peer", network_of(address))] if address else found


class ReportedSubjects:
    """Those over their threshold only, as they were read last: few, so that asking costs a look into a dictionary."""

    def __init__(self, thresholds: ComplaintThresholds) -> None:
        self.thresholds = thresholds
        self._condemned: Mapping[ComplaintSubject, int] = {}

    def replace(self, over_threshold: Mapping[ComplaintSubject, int]) -> None:
        """What was read just now: complainants by subject."""
        self._condemned = over_threshold

    def about_peer(self, peer: Ip) -> int:
        """Complainants, 0 below the threshold."""
        return self._condemned.get(ComplaintSubject("peer", network_of(peer)), 0) if self._condemned else 0

    def about_sender(self, address: str) -> int:
        """Likewise, about a sender's address."""
        return self._condemned.get(ComplaintSubject("sender", address), 0) if self._condemned else 0

    def about_domain(self, domain: str) -> int:
        """Likewise, about a sender's domain."""
        return self._condemned.get(ComplaintSubject("domain", domain), 0) if self._condemned else 0

    def strength(self, kind: SubjectKind, complainants: int) -> float:
        """1 at the threshold, 2 from twice as many on."""
        return min(complainants / self.thresholds.of(kind), 2.0)
