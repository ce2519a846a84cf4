"""Whom the people of a domain know (R-SPAM-06): senders that validated themselves, whom our users wrote to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correspondent:
    """`times` counts messages of ours that were taken without a bounce, `validated` says that a person proved to be."""

    validated: bool
    times: int

    @property
    def strength(self) -> float:
        """A weight, not an absolute: an address can be forged, and one message may be a mistake."""
        return 1.0 if self.validated or self.times >= 3 else 0.7

    def __str__(self) -> str:
        wrote = f"our users wrote to it {self.times} times" if self.times else ""
        return " and ".join(part for part in ("it validated itself" if self.validated else "", wrote) if part)


@dataclass(frozen=True, slots=True)
class CorrespondentKey:
    """An address as one domain of ours knows it; both in lower case."""

    domain: str
    address: str


def is_eligible(domain: str, address: str) -> bool:
    """Never addresses of one's own domain: spam pretends to come from there."""
    return bool(address) and address.rpartition("@")[2] != domain
