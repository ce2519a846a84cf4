"""Peers, senders and domains that recipients complain about, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.network import Ip, network_of, parsed

SubjectKind = Literal["peer", "sender", "domain"]


@dataclass(frozen=True, slots=True)
class ComplaintSubject:
    """The subject of a complaint; `value` is in lower case, and an IPv6 peer is its /64."""

    kind: SubjectKind
    value: str


@dataclass(frozen=True, slots=True)
class ComplaintThresholds:
    """Numbers of distinct complainants from which on a subject has a bad reputation."""

    peer: int
    sender: int
    domain: int

    def of(self, kind: SubjectKind) -> int:
        return {"peer": self.peer, "sender": self.sender, "domain": self.domain}[kind]


def subjects_of(*, sender: str, peer: str) -> Sequence[ComplaintSubject]:
    """Return the subjects of a complaint about a message with this envelope."""
    sender, address = sender.lower(), parsed(peer) if peer else None
    found = (
        [ComplaintSubject("sender", sender), ComplaintSubject("domain", sender.rpartition("@")[2])]
        if "@" in sender
        else []
    )
    return [*found, ComplaintSubject("peer", network_of(address))] if address else found


class ReportedSubjects:
    """The subjects over their threshold, as they were read last. They are few, and a lookup is one of a dictionary."""

    def __init__(self, thresholds: ComplaintThresholds) -> None:
        self.thresholds = thresholds
        self._condemned: Mapping[ComplaintSubject, int] = {}

    def replace(self, over_threshold: Mapping[ComplaintSubject, int]) -> None:
        """Replace all subjects over the threshold, with their numbers of complainants."""
        self._condemned = over_threshold

    def about_peer(self, peer: Ip) -> int:
        """Return the number of complainants about a peer, 0 below the threshold."""
        return self._condemned.get(ComplaintSubject("peer", network_of(peer)), 0) if self._condemned else 0

    def about_sender(self, address: str) -> int:
        """Return the number of complainants about a sender's address, 0 below the threshold."""
        return self._condemned.get(ComplaintSubject("sender", address), 0) if self._condemned else 0

    def about_domain(self, domain: str) -> int:
        """Return the number of complainants about a sender's domain, 0 below the threshold."""
        return self._condemned.get(ComplaintSubject("domain", domain), 0) if self._condemned else 0

    def strength(self, kind: SubjectKind, complainants: int) -> float:
        """Return the weight of complaints: 1 at the threshold, up to 2 at twice the threshold."""
        return min(complainants / self.thresholds.of(kind), 2.0)
