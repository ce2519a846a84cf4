"""What ingress asks at RCPT: whether an address is antispam's own, and whether a stranger has to wait (R-IN-14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from libs.network import parsed
from services.antispam.filtering.context import FilterEnvironment
from services.antispam.filtering.rulebook_cache import DomainRules, RulebookCache
from services.antispam.learning.samples import TRAINING
from services.antispam.reputation.greylist import Meeting, Patience, Triplet, greylisted_network

HONEYPOT, TRAINER = "honeypot", "training"  # purposes of a recipient
PURPOSES = ("", HONEYPOT, TRAINER)

_KNOWN = timedelta(minutes=10)  # what passed needs no second question so soon


@dataclass(frozen=True, slots=True)
class Arrival:
    """A recipient at RCPT. `account` is whoever authenticated, None for strangers."""

    peer: str
    sender: str
    recipient: str
    domain: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`note` is what became of greylisting. An answer is good for `keep`, with `whole_network` for all of it."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None
    keep: timedelta = timedelta()
    whole_network: bool = False


class Greylist(Protocol):
    """Who came before. All methods raise `Temporary`."""

    async def passes(self, network: str, now: datetime) -> int: ...
    async def meet(self, triplet: Triplet, now: datetime) -> Meeting: ...


class Honeypots(Protocol):
    """Hidden addresses."""

    async def of(self, domain: str) -> Sequence[str]:
        """Raises `Temporary`."""


class Accounts(Protocol):
    """The router."""

    async def profile(self, account: str) -> str | None:
        """None when there is no such account. Raises `Temporary`."""


class Reception:
    """All methods raise `Temporary`; ingress lets in then."""

    def __init__(
        self,
        *,
        rulebooks: RulebookCache,
        environment: FilterEnvironment,
        greylist: Greylist,
        honeypots: Honeypots,
        accounts: Accounts,
        patience: Patience,
        clock: Callable[[], datetime],
    ) -> None:
        self._rulebooks = rulebooks
        self._environment = environment
        self._greylist = greylist
        self._honeypots = honeypots
        self._accounts = accounts
        self._patience = patience
        self._clock = clock

    async def greylists(self, domain: str) -> bool:
        """Whether strangers have to wait at all."""
        return _is_on(await self._rulebooks.rules_for(domain), "greylisting")

    async def purposes(self, domain: str) -> Mapping[str, str]:
        """What addresses of the domain are for that nobody reads."""
        rules = await self._rulebooks.rules_for(domain)
        found = dict.fromkeys((f"{name}@{domain}" for name in TRAINING), TRAINER) if rules.policy.training else {}
        if _is_on(rules, "honeypot"):
            found |= dict.fromkeys(await self._honeypots.of(domain), HONEYPOT)
        return found

    async def admit(self, arrival: Arrival) -> Answer:
        """May it come in now?"""
        if arrival.account is not None:
            return await self._trainer(arrival, arrival.account)
        rules = await self._rulebooks.rules_for(arrival.domain)
        peer = parsed(arrival.peer)
        if peer is None or not _is_on(rules, "greylisting") or self._environment.trusts(peer):
            return Answer("accept", keep=_KNOWN)
        sender = arrival.sender.lower()
        if any(book.white.entry_for_peer(peer) for book in rules.books):
            return Answer("accept", "peer is on a white list", keep=_KNOWN)
        if sender and any(book.white.entry_for_sender(sender) for book in rules.books):
            return Answer("accept", "sender is on a white list", keep=_KNOWN)
        recipient = arrival.domain if self._patience.by == "domain" else arrival.recipient.lower()
        return await self._greeted(Triplet(greylisted_network(peer), sender, recipient))

    async def _greeted(self, triplet: Triplet) -> Answer:
        now = self._clock()
        passes = await self._greylist.passes(triplet.network, now)
        if passes >= self._patience.successes:
            return Answer("accept", f"network is known, {passes} passed before", keep=_KNOWN, whole_network=True)
        met = await self._greylist.meet(triplet, now)
        if met.waited is None:
            return Answer("defer", "greylisted", retry_at=met.first_at + self._patience.delay)
        return Answer("accept", f"passed after {met.waited.total_seconds():.0f} s", keep=_KNOWN)

    async def _trainer(self, arrival: Arrival, account: str) -> Answer:
        """R-SPAM-43: managers only, and for their own domain."""
        if account.rpartition("@")[2] == arrival.domain and await self._accounts.profile(account) == "manager":
            return Answer("accept")
        return Answer("refuse", "Only managers of the domain train its filters")


def _is_on(rules: DomainRules, name: str) -> bool:
    return rules.policy.enabled and any(planned.on for planned in rules.plan if planned.step.name == name)
