"""Storage limits: the account's own beats its domain's, which beats its profile's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Usage:
    """What a mailbox holds and may hold, bytes."""

    address: str
    used_bytes: int
    messages: int
    limit_bytes: int

    @property
    def percent(self) -> float:
        """Of the limit, to a tenth."""
        return round(100 * self.used_bytes / self.limit_bytes, 1) if self.limit_bytes else 100.0

    @property
    def over(self) -> bool:
        """Whether the mailbox is full."""
        return self.used_bytes >= self.limit_bytes


def limit_of(
    *, own: int | None, domain: int | None, profile: str | None, profiles: Mapping[str, int], default_profile: str
) -> int:
    """The limit that counts, bytes."""
    if own is not None:
        return own
    if domain is not None:
        return domain
    return profiles.get(profile or default_profile, profiles[default_profile])


def should_warn(usage: Usage, *, warned_at: datetime | None, now: datetime, percent: float, again: timedelta) -> bool:
    """Whether a warning is due: above `percent`, at most once in `again`."""
    return usage.percent >= percent and (warned_at is None or now - warned_at >= again)


def warning_text(usage: Usage) -> tuple[str, str]:
    """Subject and text of the warning."""
    used, limit = usage.used_bytes / 1024**2, usage.limit_bytes / 1024**2
    return (
        f"Your mailbox is {usage.percent:.0f} % full",
        f"Your mailbox {usage.address} holds {used:.1f} MB of {limit:.1f} MB in {usage.messages} messages.\n\n"
        "When it is full, new mail waits or is returned to its senders. To make room: empty the folders Trash and\n"
        "Junk, which count as well, and delete or save elsewhere the largest messages.\n",
    )
