"""Detects an attachment that the antivirus' database of fingerprints knows from spam.

The finding of the antivirus travels in the envelope, so that no attachment is hashed twice.
"""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit


async def check(mail: MailView, context: FilterContext) -> Report:
    for finding in mail.envelope.findings:
        if (finding.stage, finding.name, finding.outcome) == ("antivirus", "fingerprint", "spam"):
            return hit(finding.reason)
    return MISS
