"""What was found out about the sender, in the words of RFC 8601: of the methods that were tried, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.authentication.arc import Chain
from libs.authentication.dkim import Signed
from libs.authentication.dmarc import Dmarc
from libs.authentication.spf import Spf
from libs.mail.authentication_results import MethodResult, rendered_results
from services.antispam.message.mail_view import MailView


def authentication_of(mail: MailView) -> str | None:
    """For `Envelope.authentication`; None for mail of ours, and where the chain ended before anything was asked."""
    results = list(_results(mail))
    return rendered_results(results) if results else None


def _results(mail: MailView) -> Iterator[MethodResult]:
    spf: Spf | None = mail.known("spf")
    if spf is not None:
        yield _of_spf(spf, mail)
    signed: Sequence[Signed] | None = mail.known("dkim")
    if signed is not None:
        yield from map(_of_signature, signed) if signed else [MethodResult("dkim", "none")]
    chain: Chain | None = mail.known("arc")
    if chain is not None:
        yield MethodResult("arc", chain.outcome, chain.reason, (("header.oldest-pass", "0"),) if chain.sealers else ())
    policy: Dmarc | None = mail.known("dmarc")
    if policy is not None:
        asked = (("policy.dmarc", policy.request),) if policy.outcome == "fail" else ()
        yield MethodResult("dmarc", policy.outcome, policy.reason, (*asked, ("header.from", policy.domain)))


def _of_spf(spf: Spf, mail: MailView) -> MethodResult:
    """RFC 8601 2.7.2: the identity that was looked at."""
    asked = ("smtp.mailfrom", mail.envelope.mail_from) if mail.sender else ("smtp.helo", mail.envelope.peer.helo)
    return MethodResult("spf", spf.result.value, "" if spf.result.value == "pass" else spf.reason, (asked,))


def _of_signature(signed: Signed) -> MethodResult:
    properties = (("header.d", signed.domain), ("header.s", signed.selector), ("header.a", signed.algorithm))
    return MethodResult("dkim", signed.outcome, signed.reason, properties)
