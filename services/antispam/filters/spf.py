"""The results of SPF: whether the peer may send for the domain of the sender, as its owner says (RFC 7208)."""

from __future__ import annotations

from libs.authentication.spf import SpfResult
from libs.envelope import Temporary
from services.antispam.filtering.authentication import spf_of
from services.antispam.filtering.context import FilterContext
from services.antispam.filtering.vouching import voucher_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked."""
    return context.environment.is_stranger(mail)


async def spf(mail: MailView, context: FilterContext) -> Report:
    """Detects a peer that may not send for the sender's domain (fail), where nothing vouches for the message.

    Mail that was forwarded fails SPF and is honest where a signature aligned with the author, or a trusted ARC chain,
    verifies (RFC 7489 10.1), so these are checked before the filter decides. A temperror is a finding with an error:
    RFC 7208 8.6 leaves it to the receiver what to do.

    See: RFC 7208 8.4, RFC 7208 8.6, RFC 7489 10.1.
    """
    if not needs_lookup(mail, context):
        return MISS
    found = await spf_of(mail, context)
    if found.result is SpfResult.TEMPERROR:
        raise Temporary(f"SPF {found.domain}: {found.reason}")
    if found.result is not SpfResult.FAIL or await voucher_of(mail, context):
        return MISS
    return hit(str(found))


async def spf_strict(mail: MailView, context: FilterContext) -> Report:
    """Detects a peer that may not send for the sender's domain (fail), whatever vouches for the message.

    It hits forwarded mail as well: it is meant for domains to which no mail is forwarded.

    See: RFC 7208 8.4.
    """
    if not needs_lookup(mail, context):
        return MISS
    found = await spf_of(mail, context)
    return hit(str(found)) if found.result is SpfResult.FAIL else MISS


async def spf_vouched(mail: MailView, context: FilterContext) -> Report:
    """Reports a fail that did not decide, because an aligned signature or a trusted ARC chain vouches for the message.

    It adds nothing to the score: it says why `spf` did not hit, and that the envelope sender should not be written to.
    `spf` has asked everything that it needs.

    See: RFC 7208 8.4, RFC 7489 10.1.
    """
    found = await spf_of(mail, context)
    if found.result is not SpfResult.FAIL:
        return MISS
    voucher = await voucher_of(mail, context)
    return hit(f"{found}, but {voucher}") if voucher else MISS


async def spf_softfail(mail: MailView, context: FilterContext) -> Report:
    """Detects a peer that probably may not send for the sender's domain (softfail).

    Domains publish it on their way to fail.

    See: RFC 7208 8.5.
    """
    return await _hit_for(mail, context, SpfResult.SOFTFAIL)


async def spf_permerror(mail: MailView, context: FilterContext) -> Report:
    """Detects a sender's domain whose SPF record is wrong (permerror).

    Wrong records are mostly mistakes, so it is a small sign.

    See: RFC 7208 8.7.
    """
    return await _hit_for(mail, context, SpfResult.PERMERROR)


async def spf_none(mail: MailView, context: FilterContext) -> Report:
    """Detects a sender's domain that says nothing about the peer (none or neutral).

    RFC 7208 8.2 has neutral treated as none is.

    See: RFC 7208 8.1, RFC 7208 8.2.
    """
    return await _hit_for(mail, context, SpfResult.NONE, SpfResult.NEUTRAL)


async def _hit_for(mail: MailView, context: FilterContext, *results: SpfResult) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    found = await spf_of(mail, context)
    return hit(f"{found.domain}: {found.reason}") if found.result in results else MISS
