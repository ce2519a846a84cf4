"""An attachment is known from spam: the antivirus' database of fingerprints says so (R-SPAM-23)."""

from __future__ import annotations

from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report, hit


async def check(mail: MailView, context: Context) -> Report:
    """The finding travels in the envelope, so nothing is hashed twice."""
    for finding in mail.envelope.findings:
        if (finding.stage, finding.name, finding.outcome) == ("antivirus", "fingerprint", "spam"):
            return hit(finding.reason)
    return MISS
