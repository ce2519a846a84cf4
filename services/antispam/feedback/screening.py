"""Screening of recipients for ingress at RCPT: special addresses of antispam, and greylisting (RFC 6647 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from libs.network import parsed
from services.antispam.filtering.context import FilterEnvironment
from services.antispam.filtering.rulebook_cache import DomainRules, RulebookCache
from services.antispam.learning.samples import TRAINING_ADDRESSES
from services.antispam.reputation.greylist import GreylistState, GreylistTimes, Triplet, greylisted_network

HONEYPOT, TRAINING = "honeypot", "training"  # purposes of a recipient
PURPOSES = ("", HONEYPOT, TRAINING)

_ACCEPT_TTL = timedelta(minutes=10)  # how long ingress may keep the decision to accept


@dataclass(frozen=True, slots=True)
class RcptQuery:
    """A recipient at RCPT. `account` is the authenticated one, None without authentication."""

    peer: str
    sender: str
    recipient: str
    domain: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class RcptDecision:
    """The answer for a recipient, explained by `note`. Ingress may keep it for `keep`, also for the `whole_network`."""

    decision: Literal["accept", "defer", "refuse"]
    note: str = ""
    retry_at: datetime | None = None
    keep: timedelta = timedelta()
    whole_network: bool = False


class GreylistStore(Protocol):
    """The stored triplets and networks. All methods raise `Temporary`."""

    async def network_passes(self, network: str, now: datetime) -> int: ...
    async def record_attempt(self, triplet: Triplet, now: datetime) -> GreylistState: ...


class HoneypotAddresses(Protocol):
    """The stored honeypots."""

    async def addresses_of(self, domain: str) -> Sequence[str]:
        """Return the honeypots of a domain. Raises `Temporary`."""


class AccountProfiles(Protocol):
    """The accounts of the router."""

    async def profile(self, account: str) -> str | None:
        """Return the profile of an account, or None when it does not exist. Raises `Temporary`."""


class RecipientScreening:
    """Decides whether a recipient is accepted, deferred or refused.

    All methods raise `Temporary`; ingress accepts the recipient then.
    """

    def __init__(
        self,
        *,
        rulebooks: RulebookCache,
        environment: FilterEnvironment,
        greylist: GreylistStore,
        honeypots: HoneypotAddresses,
        accounts: AccountProfiles,
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

    async def is_greylisting(self, domain: str) -> bool:
        """Return whether the domain greylists at all."""
        return _is_on(await self._rulebooks.rules_for(domain), "greylisting")

    async def special_addresses(self, domain: str) -> Mapping[str, str]:
        """Return the addresses of the domain whose mail goes to antispam instead of a mailbox, with their purposes."""
        rules = await self._rulebooks.rules_for(domain)
        found: dict[str, str] = {}
        if rules.policy.training:
            found |= dict.fromkeys((f"{name}@{domain}" for name in TRAINING_ADDRESSES), TRAINING)
        if _is_on(rules, "honeypot"):
            found |= dict.fromkeys(await self._honeypots.addresses_of(domain), HONEYPOT)
        return found

    async def screen(self, query: RcptQuery) -> RcptDecision:
        """Decide about a recipient: an authenticated account may only train, other peers may be greylisted."""
        if query.account is not None:
            return await self._screen_trainer(query, query.account)
        rules = await self._rulebooks.rules_for(query.domain)
        peer = parsed(query.peer)
        if peer is None or not _is_on(rules, "greylisting") or self._environment.trusts(peer):
            return RcptDecision("accept", keep=_ACCEPT_TTL)
        sender = query.sender.lower()
        if any(book.white.entry_for_peer(peer) for book in rules.books):
            return RcptDecision("accept", "peer is on a whitelist", keep=_ACCEPT_TTL)
        if sender and any(book.white.entry_for_sender(sender) for book in rules.books):
            return RcptDecision("accept", "sender is on a whitelist", keep=_ACCEPT_TTL)
        recipient = query.domain if self._times.per == "domain" else query.recipient.lower()
        return await self._greylisted(Triplet(greylisted_network(peer), sender, recipient))

    async def _greylisted(self, triplet: Triplet) -> RcptDecision:
        now = self._clock()
        passes = await self._greylist.network_passes(triplet.network, now)
        if passes >= self._times.network_passes:
            note = f"network is known, {passes} passed before"
            return RcptDecision("accept", note, keep=_ACCEPT_TTL, whole_network=True)
        state = await self._greylist.record_attempt(triplet, now)
        if state.waited is None:
            return RcptDecision("defer", "greylisted", retry_at=state.first_at + self._times.delay)
        return RcptDecision("accept", f"passed after {state.waited.total_seconds():.0f} s", keep=_ACCEPT_TTL)

    async def _screen_trainer(self, query: RcptQuery, account: str) -> RcptDecision:
        """Accept only managers, and only for their own domain."""
        if account.rpartition("@")[2] == query.domain and await self._accounts.profile(account) == "manager":
            return RcptDecision("accept")
        return RcptDecision("refuse", "Only managers of the domain train its filters")


def _is_on(rules: DomainRules, name: str) -> bool:
    return rules.policy.enabled and any(planned.on for planned in rules.plan if planned.step.name == name)
