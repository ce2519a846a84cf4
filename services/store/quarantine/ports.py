"""What the quarantine needs from outside, in its own words. Every method raises `Temporary`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import Literal, Protocol

from libs.envelope import Mail
from services.store.quarantine.digest import Period
from services.store.quarantine.model import Held
from services.store.quarantine.notice import Claim, NoticePolicy, Plan


class HeldMail(Protocol):
    """The entries."""

    async def get(self, id: str) -> Held:
        """Raises `NotThere`."""

    async def take(self, id: str, addresses: Collection[str]) -> None:
        """These recipients wait no more; with the last of them the entry goes."""


class Bodies(Protocol):
    async def raw(self, id: str) -> bytes:
        """The message as it came."""


class SenderLists(Protocol):
    async def add(self, colour: Literal["white", "black"], value: str, *, domain: str, comment: str) -> None:
        """Once, however often. Raises `Unfit`."""


class Policies(Protocol):
    async def of(self, domain: str) -> NoticePolicy:
        """What the administrator of a domain decided. Raises `Permanent` where there is no such domain."""


class Post(Protocol):
    async def send(self, letter: bytes, *, to: str, key: str) -> None:
        """Once for a `key`, however often, within a day. Raises `Permanent` when it is not taken."""


class Rates(Protocol):
    async def take(self, what: str, whom: str, *, limit: int, window: timedelta) -> bool:
        """Count one more; False beyond the limit."""

    async def once(self, nonce: str, *, until: datetime) -> bool:
        """Whether this is the first time."""


class NoticeLedger(Protocol):
    async def claim(self) -> Claim | None:
        """One that is due, for this replica alone, for a while."""

    async def decided(self, id: str, plan: Plan) -> bool:
        """There will be a notice, and it is this one; False when somebody else decided, or the entry is gone."""

    async def ended(self, id: str, *, state: str, reason: str = "") -> None:
        """`sent`, or `refused` for a reason."""

    async def plan_of(self, id: str) -> Plan | None:
        """What was decided."""

    async def has_sibling(self, held: Held) -> bool:
        """Whether the sender has a notice for the same message already."""


class DigestLedger(Protocol):
    async def domains(self) -> list[str]:
        """Those for which something waits."""

    async def told_until(self, domain: str) -> datetime | None:
        """Up to when its accounts were told."""

    async def claim(self, domain: str, period: Period) -> bool:
        """Whether it is this replica's turn."""

    async def done(self, domain: str, period: Period) -> None:
        """All accounts were told."""

    async def was_told(self, account: str, domain: str, period: Period) -> bool:
        """Whether this one was told what waits for its addresses in `domain`."""

    async def told(self, account: str, domain: str, period: Period) -> None:
        """This one was."""

    def entries(self, domain: str, period: Period) -> AsyncIterator[Held]:
        """What came in the period and waits still."""


class Outbox(Protocol):
    """The queues of the cluster."""

    async def send(self, queue: str, mail: Mail) -> None:
        """Returns when the mail is durable in `queue`. Raises `Temporary`."""
