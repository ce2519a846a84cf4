"""The scores of external engines, on the scale of the chain."""

from __future__ import annotations

from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

# Twice its threshold is as sure as an engine is. A score for ham weighs less, because few rules speak for ham.
_AT_MOST = 2.0
_AT_LEAST = -0.5
_SYMBOLS = 12  # in the reason


async def spamassassin(mail: MailView, context: FilterContext) -> Report:
    """Asks SpamAssassin for its score, by its daemon spamd, where one is configured.

    The strength is 1 at the engine's own threshold, and negative where the engine takes the message for ham.

    See: spamd/PROTOCOL in the source of SpamAssassin.
    """
    return await _report(mail, context, "spamassassin")


async def rspamd(mail: MailView, context: FilterContext) -> Report:
    """Asks Rspamd for its score, by its HTTP interface, where one is configured.

    The strength is 1 at the engine's own threshold, and negative where the engine takes the message for ham.

    See: https://docs.rspamd.com, "Protocol".
    """
    return await _report(mail, context, "rspamd")


def asks_spamassassin(mail: MailView, context: FilterContext) -> bool:
    return _asks(mail, context, "spamassassin")


def asks_rspamd(mail: MailView, context: FilterContext) -> bool:
    return _asks(mail, context, "rspamd")


def _asks(mail: MailView, context: FilterContext, name: str) -> bool:
    """Whether the engine is configured and takes a message of this size."""
    engine = context.environment.engines.get(name)
    return engine is not None and mail.envelope.size_bytes <= engine.limit_bytes


async def _report(mail: MailView, context: FilterContext, name: str) -> Report:
    """A miss where the engine is not asked, or its score is 0."""
    if not _asks(mail, context, name):
        return MISS
    result = await context.environment.engines[name].scan(mail)
    strength = max(_AT_LEAST, min(result.score / result.required, _AT_MOST))
    if not strength:
        return MISS
    return hit(f"{result.score:g} of {result.required:g}: {', '.join(result.symbols[:_SYMBOLS])}", strength)
