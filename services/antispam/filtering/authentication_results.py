"""The results of authentication in the form of RFC 8601: of the methods that were evaluated, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.authentication.arc import ArcChain
from libs.authentication.dkim import SignatureResult
from libs.authentication.dmarc import DmarcResult
from libs.authentication.spf import SpfCheck
from libs.mail.authentication_results import MethodResult, rendered_results
from services.antispam.message.mail_view import MailView


def authentication_results_of(mail: MailView) -> str | None:
    """Render `Envelope.authentication`; None for mail of our own, and where the chain ended before any method ran."""
    results = list(_results(mail))
    return rendered_results(results) if results else None


def _results(mail: MailView) -> Iterator[MethodResult]:
    spf: SpfCheck | None = mail.cached_value("spf")
    if spf is not None:
        yield _of_spf(spf, mail)
    signed: Sequence[SignatureResult] | None = mail.cached_value("dkim")
    if signed is not None:
        yield from map(_of_signature, signed) if signed else [MethodResult("dkim", "none")]
    chain: ArcChain | None = mail.cached_value("arc")
    if chain is not None:
        yield MethodResult("arc", chain.outcome, chain.reason, (("header.oldest-pass", "0"),) if chain.sealers else ())
    policy: DmarcResult | None = mail.cached_value("dmarc")
    if policy is not None:
        asked = (("policy.dmarc", policy.policy),) if policy.outcome == "fail" else ()
        yield MethodResult("dmarc", policy.outcome, policy.reason, (*asked, ("header.from", policy.domain)))


def _of_spf(spf: SpfCheck, mail: MailView) -> MethodResult:
    """RFC 8601 2.7.2: the property is the identity that was checked."""
    asked = ("smtp.mailfrom", mail.envelope.mail_from) if mail.sender else ("smtp.helo", mail.envelope.peer.helo)
    return MethodResult("spf", spf.result.value, "" if spf.result.value == "pass" else spf.reason, (asked,))


def _of_signature(signed: SignatureResult) -> MethodResult:
    properties = (("header.d", signed.domain), ("header.s", signed.selector), ("header.a", signed.algorithm))
    return MethodResult("dkim", signed.outcome, signed.reason, properties)
