"""Rules of notices: whether a sender may be notified that its mail is held. When in doubt: no.

A notice answers mail whose sender is not proved, so that each notice to a forged address is backscatter. RFC 3834 2
names what no automatic response may answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from libs.envelope import Envelope, Recipient, Verdict
from libs.mail.address import InvalidAddress, domain_of, normalise
from libs.mail.headers import Headers
from services.store.quarantine.model import QuarantinedMessage, is_infected

# Findings of antispam for a forged sender, or a likely one. A finding that failed leaves it open.
FORGERY = frozenset({"spf", "spf_strict", "spf_vouched", "spf_softfail", "dmarc"})
# Banned by an administrator or a honeypot: no captcha lifts that.
BANNED = frozenset({"cached_peer", "ip_blacklist", "sender_blacklist", "honeypot"})

# RFC 3834 2 and 3.1.1, RFC 5321 4.5.1, and common names of automatic senders.
_ROBOT = re.compile(
    r"(?:mailer-daemon|postmaster|abuse|no-?reply(?:[-+.].*)?|do-?not-?reply|bounces?(?:[-+.=].*)?|listserv|majordomo"
    r"|owner-.*|.*-(?:owner|request|bounces?|errors?|admin|return)|prvs=.*|srs[01][=+-].*)",
    re.IGNORECASE,
)
_PRECEDENCE = frozenset({"bulk", "list", "junk"})
_MARKS_OF_LISTS_AND_ROBOTS = (
    *("list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe", "list-owner", "mailing-list"),
    *("x-autoreply", "x-autorespond", "x-loop", "feedback-id"),
)


@dataclass(frozen=True, slots=True)
class NoticePolicy:
    """The settings of a domain for notices and digests."""

    notices: bool = True
    notices_to_own_senders: bool = True
    validation_whitelists: bool = True
    digest: Literal["off", "daily", "weekly"] = "off"
    language: Literal["en", "fr"] = "en"


@dataclass(frozen=True, slots=True)
class NoticePlan:
    """A decided notice: the recipients that the link delivers to, and the domains that whitelist the sender."""

    recipients: tuple[str, ...]
    whitelists: tuple[str, ...]
    language: Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class NoticeClaim:
    """A claimed notice. `plan` is None while it is not decided; `tries` counts this attempt."""

    held: QuarantinedMessage
    plan: NoticePlan | None
    tries: int


def no_notice_reason(envelope: Envelope, headers: Headers) -> str:
    """Return why the message itself forbids a notice, whatever the policy; empty when it may be answered."""
    verdicts = {to.domain: envelope.verdicts.get(to.domain) for to in held_as_spam(envelope)}
    if is_infected(envelope):
        return "malware"
    if not verdicts:
        return "not_spam"
    if envelope.peer.account or envelope.listener != "mx":
        return "own_user"
    if reason := _why_not_to(envelope.mail_from):
        return reason
    tests = (*envelope.findings, *(test for verdict in verdicts.values() if verdict for test in verdict.tests))
    if any(test.name in FORGERY and test.outcome in ("hit", "error") for test in tests):
        return "forged"
    if any(test.name in BANNED and test.outcome == "hit" for test in tests):
        return "banned"
    return "automatic" if is_automatic(headers) else ""


def plan_notice(envelope: Envelope, policies: Mapping[str, NoticePolicy]) -> NoticePlan | None:
    """Plan the notice for recipients whose domains allow it; None when none does."""
    sender_domain = domain_of(envelope.mail_from)
    chosen = [to for to in held_as_spam(envelope) if _allows(policies[to.domain], to, sender_domain)]
    if not chosen:
        return None
    domains = dict.fromkeys(to.domain for to in chosen)
    return NoticePlan(
        recipients=tuple(to.address for to in chosen),
        whitelists=tuple(domain for domain in domains if policies[domain].validation_whitelists),
        language=policies[chosen[0].domain].language,
    )


def held_as_spam(envelope: Envelope) -> tuple[Recipient, ...]:
    """Return the local recipients whose domain's verdict quarantined the message."""
    return tuple(to for to in envelope.recipients if to.domain and _quarantines(envelope.verdicts.get(to.domain)))


def is_automatic(headers: Headers) -> bool:
    """Return whether the message is an automatic response, bulk mail or from a mailing list (RFC 3834 2 and 5)."""
    submitted = (headers.get("auto-submitted") or "no").partition(";")[0].strip().lower()
    if submitted != "no" or any(mark in headers for mark in _MARKS_OF_LISTS_AND_ROBOTS):
        return True
    if (headers.get("x-auto-response-suppress") or "none").strip().lower() != "none":
        return True
    content_type = (headers.get("content-type") or "").lstrip().lower()
    return (headers.get("precedence") or "").strip().lower() in _PRECEDENCE or content_type.startswith(
        "multipart/report"
    )


def _why_not_to(sender: str) -> str:
    if not sender:
        return "null_sender"
    try:
        local, _, domain = normalise(sender).rpartition("@")
    except InvalidAddress:
        return "no_address"
    if domain.startswith("[") or "." not in domain or not sender.isascii():
        return "no_address"  # an address literal, a name without a dot, or a server that may not offer SMTPUTF8
    return "automatic" if _ROBOT.fullmatch(local) else ""


def _allows(policy: NoticePolicy, to: Recipient, sender_domain: str) -> bool:
    own = {to.domain, *_domains([to.address, to.original])}
    return policy.notices and (policy.notices_to_own_senders or sender_domain.lower() not in own)


def _domains(addresses: Iterable[str]) -> set[str]:
    return {address.rpartition("@")[2].lower() for address in addresses}


def _quarantines(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.spam and verdict.action == "quarantine"
