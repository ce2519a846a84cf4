"""Whether a sender whose mail waits in the quarantine may be told so (R-SPAM-42). When in doubt: no.

A notice answers mail whose sender nobody has proved, so that each one to a forged address is spam of our own making.
RFC 3834 2 names what no automatic response may answer.
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

# Findings of antispam that call the sender forged, or likely so. One that could not be had leaves it open.
FORGERY = frozenset({"spf", "spf_strict", "spf_vouched", "spf_softfail", "dmarc"})
# Banned by an administrator, or caught in a trap: no captcha lifts that.
BANNED = frozenset({"cached_peer", "ip_blacklist", "sender_blacklist", "honeypot"})

# RFC 3834 2 and 3.1.1, RFC 5321 4.5.1, and what the robots of the field are called.
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
    """What the administrator of a domain decided on notices and digests."""

    notices: bool = True
    notices_to_own_senders: bool = True
    validation_whitelists: bool = True
    digest: Literal["off", "daily", "weekly"] = "off"
    language: Literal["en", "fr"] = "en"


@dataclass(frozen=True, slots=True)
class NoticePlan:
    """A notice that was decided: whom the link delivers to, and for which domains it whitelists the sender."""

    recipients: tuple[str, ...]
    whitelists: tuple[str, ...]
    language: Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class NoticeClaim:
    """A notice in hand. `plan` is None while it is not decided; `tries` counts this one."""

    held: QuarantinedMessage
    plan: NoticePlan | None
    tries: int


def no_notice_reason(envelope: Envelope, headers: Headers) -> str:
    """Of the message itself, whatever the policy: one word for the reason, empty when it may be answered."""
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
    """Of those who wait, whose domains allow a notice to this sender; None when none does."""
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
    """The recipients of ours who wait because their domain's verdict says so."""
    return tuple(to for to in envelope.recipients if to.domain and _quarantines(envelope.verdicts.get(to.domain)))


def is_automatic(headers: Headers) -> bool:
    """RFC 3834 2 and 5: answers of machines, bulk mail, mailing lists."""
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
        return "no_address"  # a host by its number, a bare name, or a reader that may not take SMTPUTF8
    return "automatic" if _ROBOT.fullmatch(local) else ""


def _allows(policy: NoticePolicy, to: Recipient, sender_domain: str) -> bool:
    own = {to.domain, *_domains([to.address, to.original])}
    return policy.notices and (policy.notices_to_own_senders or sender_domain.lower() not in own)


def _domains(addresses: Iterable[str]) -> set[str]:
    return {address.rpartition("@")[2].lower() for address in addresses}


def _quarantines(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.spam and verdict.action == "quarantine"
