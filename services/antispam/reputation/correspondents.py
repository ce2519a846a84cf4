"""The correspondents of a domain: senders that validated themselves, and addresses that its users wrote to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correspondent:
    """A known sender. `times` counts messages to it that its server accepted; `validated` means by the link."""

    validated: bool
    times: int

    @property
    def strength(self) -> float:
        """Return a weight below certainty: an address can be forged, and one message may be a mistake."""
        return 1.0 if self.validated or self.times >= 3 else 0.7

    def __str__(self) -> str:
        wrote = f"local users wrote to it {self.times} times" if self.times else ""
        return " and ".join(part for part in ("it validated itself" if self.validated else "", wrote) if part)


@dataclass(frozen=True, slots=True)
class CorrespondentKey:
    """The address of a correspondent and the local domain that knows it, both in lower case."""

    domain: str
    address: str


def is_eligible(domain: str, address: str) -> bool:
    """Return whether an address may be whitelisted: never one of the domain itself, which spam often forges."""
    return bool(address) and address.rpartition("@")[2] != domain
