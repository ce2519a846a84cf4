"""Handlers of antispam: the queue `mail.antispam` is judged and goes to the router or the quarantine; the events."""

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
from services.antispam.feedback.screening import PURPOSES, TRAINING
from services.antispam.feedback.special_recipients import SpecialRecipients, is_special, without_special
from services.antispam.filtering.authentication_results import authentication_results_of
from services.antispam.filtering.compose import FilteringSlice
from services.antispam.filtering.context import FilterContext, FilterEnvironment
from services.antispam.filtering.counters import Counters
from services.antispam.filtering.rulebook_cache import DomainRules, RulebookCache
from services.antispam.filtering.runner import Judgement, Runner
from services.antispam.filtering.verdicts import verdict_of
from services.antispam.learning.compose import LearningSlice
from services.antispam.learning.learner import Learner
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT, OUTGOING
from services.antispam.reputation.compose import ReputationSlice

_LARGE_OCTETS = 256 * 1024  # a larger message is parsed in a thread, so that others do not wait


class Judge:
    """Judges a message once for each of its local domains."""

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
        """Handle a message. Raises `Temporary` for a policy that cannot be read and for an unknown purpose."""
        for recipient in mail.envelope.recipients:
            understood(recipient.purpose, PURPOSES, "purpose")
        # A released message is not judged again, and neither is mail of the system, which may quote spam.
        if mail.envelope.released or _is_system_mail(mail.envelope):
            return (Route(queues.ROUTER, mail),)
        verdicts, authentication = await self._verdicts(mail)
        found = {"verdicts": verdicts, "authentication": authentication}
        judged = mail.with_envelope(mail.envelope.model_copy(update=found)) if verdicts else mail
        if not is_special(mail.envelope):
            return _split_by_action(judged)
        special = await self._special_recipients.process(judged)
        others = without_special(judged.envelope)
        return (*special, *_split_by_action(judged.with_envelope(others))) if others else special

    async def explain(
        self, mail: Mail, scope: str, *, unknown: frozenset[str] = frozenset()
    ) -> tuple[DomainRules, Judgement]:
        """Run the chain with the policy of `scope` (a domain, `default`, `outgoing`) without counting anything.

        `unknown` are parts of the envelope that filters ignore.
        """
        rules = await self._rulebooks.rules_for(scope)
        domain = "" if scope in (DEFAULT, OUTGOING) else scope
        await self._learner.load_domain(domain)
        context = FilterContext(domain, rules.policy, rules.books, self._environment.without_counting(), self._clock())
        return rules, await self._runner.without_counting().run(await _view_of(mail, unknown), context, rules.plan)

    async def _verdicts(self, mail: Mail) -> tuple[Mapping[str, Verdict], str | None]:
        """Return the verdicts by domain, and the authentication results of the sender."""
        recipients = mail.envelope.recipients
        domains = dict.fromkeys(to.domain for to in recipients if to.purpose != TRAINING)
        rules_by_domain = {domain: await self._rulebooks.rules_for(domain or OUTGOING) for domain in domains}
        rules_by_domain = {domain: rules for domain, rules in rules_by_domain.items() if rules.policy.enabled}
        if not rules_by_domain:
            return {}, None
        verdicts: dict[str, Verdict] = {}
        view = await _view_of(mail)
        async with self._runner.open_run(view) as chain_run:
            for domain, rules in rules_by_domain.items():
                await self._learner.load_domain(domain)
                context = FilterContext(domain, rules.policy, rules.books, self._environment, self._clock())
                judgement = await chain_run.run(context, rules.plan)
                verdict = verdict_of(judgement, rules.policy)
                verdicts[domain] = verdict if domain else _for_remote(verdict)
                accounts = {to.account for to in recipients if to.account and to.domain == domain}
                self._counters.count(domain, judgement, verdicts[domain], id=mail.envelope.id, accounts=accounts)
        return verdicts, authentication_results_of(view)


def _is_system_mail(envelope: Envelope) -> bool:
    """Return whether it is a notice, a digest or a DSN: only services submit null-sender mail without an account."""
    return envelope.listener == "http" and not envelope.mail_from and not envelope.peer.account


async def _view_of(mail: Mail, unknown: frozenset[str] = frozenset()) -> MailView:
    view = MailView(mail, unknown)
    if mail.envelope.size_bytes > _LARGE_OCTETS:
        await asyncio.to_thread(view.read)
    return view


def _for_remote(verdict: Verdict) -> Verdict:
    """Return the verdict for remote recipients: they get no subject prefix and no folder, only the quarantine."""
    if verdict.action == "quarantine":
        return verdict
    return verdict.model_copy(update={"action": "none", "subject_prefix": ""})


def _split_by_action(mail: Mail) -> Sequence[Route]:
    """Route recipients whose domain quarantines the message to the quarantine, and the others to the router."""
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


def queue_handlers(judge: Judge) -> Sequence[QueueHandler]:
    """Return the table of queues."""
    return (QueueHandler(queue=queues.ANTISPAM, handle=judge.judge, needs_raw=True, prefetch=50),)


def event_handlers(
    filtering: FilteringSlice, learning: LearningSlice, reputation: ReputationSlice, feedback: FeedbackSlice
) -> Sequence[EventHandler[Any]]:
    """Return the table of events.

    Rows without a group reach every replica, which updates its memory. Rows with a group reach one of them, which
    writes to the database.
    """
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
        # Each replica drops its unwritten counts, and the deletion in the database may happen twice.
        EventHandler(AccountDeleted, filtering.counters.account_deleted),
        EventHandler(AccountDeleted, filtering.counters.account_deleted, group="antispam", name="accounts"),
    )
