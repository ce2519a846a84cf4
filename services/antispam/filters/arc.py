"""A server that we trust sealed that DMARC passed before it changed the message (R-SPAM-30, RFC 8617): spares DMARC."""

from __future__ import annotations

import re

from libs.envelope import Temporary
from services.antispam.authentication.asking import chain_of
from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.report import MISS, Report

_PASSED = re.compile(r"(?:\A|[;\s])dmarc\s*=\s*pass(?:[\s;(]|\Z)", re.IGNORECASE)


def asks(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in, if somebody sealed it."""
    return context.knowledge.is_stranger(mail) and "ARC-Seal" in mail.headers


async def check(mail: MailView, context: Context) -> Report:
    """Anybody can seal anything: only the seals of `arc_trusted_sealers` are believed."""
    if not asks(mail, context):
        return MISS
    chain = await chain_of(mail, context)
    if chain.outcome == "temperror":
        raise Temporary(chain.reason)
    if chain.outcome != "pass" or chain.sealers[-1] not in context.knowledge.arc_trusted_sealers:
        return MISS
    if not _PASSED.search(chain.results):
        return MISS
    return Report("hit", f"{chain.sealers[-1]} saw dmarc=pass", spares=frozenset({"dmarc"}))
