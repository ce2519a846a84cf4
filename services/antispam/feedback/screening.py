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
from services.antispam.reputation.greylist import GreylistState, GreylistTimes, Triplet, greylisted_network

HONEYPOT, TRAINER = "honeypot", "training"  # purposes of a recipient
PURPOSES = ("", HONEYPOT, TRAINER)

_KNOWN = timedelta(minutes=10)  # what passed needs no second question so soon


@dataclass(frozen=True, slots=True)
class RcptQuery:
    """A recipient at RCPT. `account` is whoever authenticated, None for strangers."""

    peer: str
    sender: str
    recipient: str
    domain: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class RcptDecision:
    """`note` is what became of greylisting. An answer is good for `keep`, with `whole_network` for all of it."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None
    keep: timedelta = timedelta()
    whole_network: bool = False


class Greylist(Protocol):
    """Who came before. All methods raise `Temporary`."""

    async def network_passes(self, network: str, now: datetime) -> int: ...
    async def record_attempt(self, triplet: Triplet, now: datetime) -> GreylistState: ...


class Honeypots(Protocol):
    """Hidden addresses."""

    async def addresses_of(self, domain: str) -> Sequence[str]:
        """Raises `Temporary`."""


class Accounts(Protocol):
    """The router."""

    async def profile(self, account: str) -> str | None:
        """None when there is no such account. Raises `Temporary`."""


class RecipientScreening:
    """All methods raise `Temporary`; ingress lets in then."""

    def __init__(
        self,
        *,
        rulebooks: RulebookCache,
        environment: FilterEnvironment,
        greylist: Greylist,
        honeypots: Honeypots,
        accounts: Accounts,
        times: GreylistTimes,
        clock: Callable[[], datetime],
    ) -> None:
        self._rulebooks = rulebooks
        self._environment = environment
        self._greylist = greylist
        self._honeypots = honeypots
        self._accounts = accounts
        self._times = times
        self._clock = clock

    async def greylists(self, domain: str) -> bool:
        """Whether strangers have to wait at all."""
        return _is_on(await self._rulebooks.rules_for(domain), "greylisting")

    async def purposes(self, domain: str) -> Mapping[str, str]:
        """What addresses of the domain are for that nobody reads."""
        rules = await self._rulebooks.rules_for(domain)
        found = dict.fromkeys((f"{name}@{domain}" for name in TRAINING), TRAINER) if rules.policy.training else {}
        if _is_on(rules, "honeypot"):
            found |= dict.fromkeys(await self._honeypots.addresses_of(domain), HONEYPOT)
        return found

    async def screen(self, query: RcptQuery) -> RcptDecision:
        """May it come in now?"""
        if query.account is not None:
            return await self._trainer(query, query.account)
        rules = await self._rulebooks.rules_for(query.domain)
        peer = parsed(query.peer)
        if peer is None or not _is_on(rules, "greylisting") or self._environment.trusts(peer):
            return RcptDecision("accept", keep=_KNOWN)
        sender = query.sender.lower()
        if any(book.white.entry_for_peer(peer) for book in rules.books):
            return RcptDecision("accept", "peer is on a white list", keep=_KNOWN)
        if sender and any(book.white.entry_for_sender(sender) for book in rules.books):
            return RcptDecision("accept", "sender is on a white list", keep=_KNOWN)
        recipient = query.domain if self._times.per == "domain" else query.recipient.lower()
        return await self._greeted(Triplet(greylisted_network(peer), sender, recipient))

    async def _greeted(self, triplet: Triplet) -> RcptDecision:
        now = self._clock()
        passes = await self._greylist.network_passes(triplet.network, now)
        if passes >= self._times.network_passes:
            return RcptDecision("accept", f"network is known, {passes} passed before", keep=_KNOWN, whole_network=True)
        met = await self._greylist.record_attempt(triplet, now)
        if met.waited is None:
            return RcptDecision("defer", "greylisted", retry_at=met.first_at + self._times.delay)
        return RcptDecision("accept", f"passed after {met.waited.total_seconds():.0f} s", keep=_KNOWN)

    async def _trainer(self, query: RcptQuery, account: str) -> RcptDecision:
        """R-SPAM-43: managers only, and for their own domain."""
        if account.rpartition("@")[2] == query.domain and await self._accounts.profile(account) == "manager":
            return RcptDecision("accept")
        return RcptDecision("refuse", "Only managers of the domain train its filters")


def _is_on(rules: DomainRules, name: str) -> bool:
    return rules.policy.enabled and any(planned.on for planned in rules.plan if planned.step.name == name)
