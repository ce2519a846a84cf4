"""`mail.antispam`: judge, then send on: to the router, or to the quarantine where the policy of the domain says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from libs.envelope import Envelope, Mail, Recipient, Verdict, queues, understood
from libs.events import (
    AccountDeleted,
    BayesLearned,
    JunkMoved,
    MailQuarantined,
    MailRelayed,
    MailReleased,
    PeerBlacklisted,
    PolicyChanged,
    SenderTrusted,
    SenderValidated,
)
from libs.runtime import EventHandler, QueueHandler, Route
from services.antispam.feedback.compose import FeedbackSlice
from services.antispam.feedback.screening import PURPOSES, TRAINER
from services.antispam.feedback.special_recipients import SpecialRecipients, is_special, without_special
from services.antispam.filtering.authentication_results import authentication_results_of
from services.antispam.filtering.compose import FilteringSlice
from services.antispam.filtering.context import Context, FilterEnvironment
from services.antispam.filtering.counters import Counters
from services.antispam.filtering.rulebook_cache import DomainRules, RulebookCache
from services.antispam.filtering.runner import Judgement, Runner
from services.antispam.filtering.verdicts import verdict_of
from services.antispam.learning.compose import LearningSlice
from services.antispam.learning.learner import Learner
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT, OUTGOING
from services.antispam.reputation.compose import ReputationSlice

_LARGE_OCTETS = 256 * 1024  # above it a message is read in a thread, so that the others do not wait


class Judge:
    """One verdict for each domain of ours that a message is for."""

    def __init__(
        self,
        *,
        rulebooks: RulebookCache,
        runner: Runner,
        environment: FilterEnvironment,
        learner: Learner,
        counters: Counters,
        special_recipients: SpecialRecipients,
        clock: Callable[[], datetime],
    ) -> None:
        self._special_recipients = special_recipients
        self._learner = learner
        self._rulebooks = rulebooks
        self._runner = runner
        self._environment = environment
        self._counters = counters
        self._clock = clock

    async def judge(self, mail: Mail) -> Iterable[Route]:
        """The handler. Raises `Temporary` for a policy that cannot be read and a purpose that is not known."""
        for recipient in mail.envelope.recipients:
            understood(recipient.purpose, PURPOSES, "purpose")
        # Someone looked at it and let it go; or it is a letter of ours, which quotes the spam that it is about.
        if mail.envelope.released or _is_our_letter(mail.envelope):
            return (Route(queues.ROUTER, mail),)
        verdicts, authentication = await self._verdicts(mail)
        found = {"verdicts": verdicts, "authentication": authentication}
        judged = mail.with_envelope(mail.envelope.model_copy(update=found)) if verdicts else mail
        if not is_special(mail.envelope):
            return _parted(judged)
        ours = await self._special_recipients.process(judged)
        others = without_special(judged.envelope)
        return (*ours, *_parted(judged.with_envelope(others))) if others else ours

    async def explain(
        self, mail: Mail, scope: str, *, unknown: frozenset[str] = frozenset()
    ) -> tuple[DomainRules, Judgement]:
        """What the chain finds under the policy of `scope` (a domain, `default`, `outgoing`); nothing is counted.

        `unknown` are parts of the envelope that are not judged.
        """
        rules = await self._rulebooks.rules_for(scope)
        domain = "" if scope in (DEFAULT, OUTGOING) else scope
        await self._learner.load_domain(domain)
        context = Context(domain, rules.policy, rules.books, self._environment.without_counting(), self._clock())
        return rules, await self._runner.without_counting().run(await _viewed(mail, unknown), context, rules.plan)

    async def _verdicts(self, mail: Mail) -> tuple[Mapping[str, Verdict], str | None]:
        """By domain, and what was found out about the sender on the way."""
        recipients = mail.envelope.recipients
        domains = dict.fromkeys(to.domain for to in recipients if to.purpose != TRAINER)
        rules_by_domain = {domain: await self._rulebooks.rules_for(domain or OUTGOING) for domain in domains}
        rules_by_domain = {domain: rules for domain, rules in rules_by_domain.items() if rules.policy.enabled}
        if not rules_by_domain:
            return {}, None
        verdicts: dict[str, Verdict] = {}
        view = await _viewed(mail)
        async with self._runner.open_run(view) as chain_run:
            for domain, rules in rules_by_domain.items():
                await self._learner.load_domain(domain)
                context = Context(domain, rules.policy, rules.books, self._environment, self._clock())
                judgement = await chain_run.run(context, rules.plan)
                verdict = verdict_of(judgement, rules.policy)
                verdicts[domain] = verdict if domain else _leaving(verdict)
                accounts = {to.account for to in recipients if to.account and to.domain == domain}
                self._counters.count(domain, judgement, verdicts[domain], id=mail.envelope.id, accounts=accounts)
        return verdicts, authentication_results_of(view)


def _is_our_letter(envelope: Envelope) -> bool:
    """Notices, digests, delivery reports: only services hand in mail of the null sender over HTTP for no account."""
    return envelope.listener == "http" and not envelope.mail_from and not envelope.peer.account


async def _viewed(mail: Mail, unknown: frozenset[str] = frozenset()) -> MailView:
    view = MailView(mail, unknown)
    if mail.envelope.size_bytes > _LARGE_OCTETS:
        await asyncio.to_thread(view.read)
    return view


def _leaving(verdict: Verdict) -> Verdict:
    """R-SPAM-41: no subject is changed and no folder chosen in copies for other servers; they can only be held."""
    if verdict.action == "quarantine":
        return verdict
    return verdict.model_copy(update={"action": "none", "subject_prefix": ""})


def _parted(mail: Mail) -> Sequence[Route]:
    """Recipients whose domain quarantines leave on their own queue; the others go on."""
    envelope = mail.envelope
    held = tuple(to for to in envelope.recipients if _action(envelope, to) == "quarantine")
    if not held:
        return (Route(queues.ROUTER, mail),)
    quarantine = Route(queues.QUARANTINE, mail.with_envelope(_held(envelope, held)))
    free = tuple(to for to in envelope.recipients if to not in held)
    if not free:
        return (quarantine,)
    return (quarantine, Route(queues.ROUTER, mail.with_envelope(envelope.to(free))))


def _action(envelope: Envelope, recipient: Recipient) -> str:
    verdict = envelope.verdicts.get(recipient.domain)
    return verdict.action if verdict else "none"


def _held(envelope: Envelope, recipients: tuple[Recipient, ...]) -> Envelope:
    verdict = envelope.verdicts[recipients[0].domain]
    reason = f"spam: score {verdict.score:g}, required {verdict.required:g}"
    return envelope.model_copy(update={"recipients": recipients, "quarantine_reason": reason})


def handles(judge: Judge) -> Sequence[QueueHandler]:
    """The table of queues."""
    return (QueueHandler(queue=queues.ANTISPAM, handle=judge.judge, needs_raw=True, prefetch=50),)


def hears(
    filtering: FilteringSlice, learning: LearningSlice, reputation: ReputationSlice, feedback: FeedbackSlice
) -> Sequence[EventHandler[Any]]:
    """The table of events. Every replica drops what it holds in memory; one of them stores what must be kept."""
    return (
        EventHandler(PolicyChanged, filtering.policy_changed),
        EventHandler(PeerBlacklisted, reputation.peers.peer_blacklisted),
        EventHandler(PeerBlacklisted, reputation.peers.store_peer, group="antispam", name="peers"),
        EventHandler(BayesLearned, learning.learner.bayes_learned),
        EventHandler(SenderTrusted, reputation.correspondents.sender_trusted),
        EventHandler(MailRelayed, reputation.correspondents.mail_relayed, group="antispam", name="relayed"),
        EventHandler(SenderValidated, reputation.correspondents.sender_validated, group="antispam", name="validated"),
        EventHandler(JunkMoved, feedback.user_feedback.junk_moved, group="antispam", name="junk"),
        EventHandler(MailQuarantined, filtering.counters.held, group="antispam", name="quarantined"),
        EventHandler(MailReleased, filtering.counters.released, group="antispam", name="released"),
        # Each replica drops what it has not written yet, and the deletion may be done twice.
        EventHandler(AccountDeleted, filtering.counters.account_deleted),
        EventHandler(AccountDeleted, filtering.counters.account_deleted, group="antispam", name="accounts"),
    )
