"""The peer may not send for the sender's domain, but a signature or a trusted chain vouches for the message.

It adds nothing: it says why SPF did not decide, and that the envelope sender is not to be written to.
"""

from __future__ import annotations

from libs.authentication.spf import SpfResult
from services.antispam.filtering.context import Context
from services.antispam.filtering.spf import spf_of
from services.antispam.filtering.vouching import voucher_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

REQUIRED = frozenset({"sender"})


async def check(mail: MailView, context: Context) -> Report:
    """Hits on a fail that does not decide. The filter `spf` asked before all that is needed here."""
    spf = await spf_of(mail, context)
    if spf.result is not SpfResult.FAIL:
        return MISS
    voucher = await voucher_of(mail, context)
    return hit(f"{spf}, but {voucher}") if voucher else MISS
