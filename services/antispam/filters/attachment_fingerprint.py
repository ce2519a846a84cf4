"""An attachment is known from spam: the antivirus' database of fingerprints says so (R-SPAM-23)."""

from __future__ import annotations

from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """The finding travels in the envelope, so nothing is hashed twice."""
    for finding in mail.envelope.findings:
        if (finding.stage, finding.name, finding.outcome) == ("antivirus", "fingerprint", "spam"):
            return hit(finding.reason)
    return MISS
