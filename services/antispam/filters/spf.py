"""The peer may not send for the sender's domain, as its owner says, and nobody vouches for the message.

RFC 7208 8.4. The witnesses are heard before the sentence: mail that was forwarded fails SPF and is honest where a
signature that is aligned with the author, or a chain that we trust, holds (RFC 7489 10.1).
"""

from __future__ import annotations

from libs.authentication.spf import SpfResult
from libs.envelope import Temporary
from services.antispam.filtering.context import Context
from services.antispam.filtering.spf import spf_of
from services.antispam.filtering.vouching import voucher_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})


def needs_lookup(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in."""
    return context.environment.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """Hits on fail. A temperror is a finding with an error; RFC 7208 8.6 leaves what to do to the receiver."""
    if not needs_lookup(mail, context):
        return MISS
    spf = await spf_of(mail, context)
    if spf.result is SpfResult.TEMPERROR:
        raise Temporary(f"SPF {spf.domain}: {spf.reason}")
    if spf.result is not SpfResult.FAIL or await voucher_of(mail, context):
        return MISS
    return hit(str(spf))
