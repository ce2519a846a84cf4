"""SPF of a message, asked once however many filters want to know."""

from __future__ import annotations

from libs.authentication.spf.evaluation import SpfSession, check_host
from libs.authentication.spf.results import SpfCheck, SpfResult
from services.antispam.filtering.context import Context
from services.antispam.message.mail_view import MailView

_IDENTITIES = frozenset({"sender", "helo"})  # RFC 7208 2.3, 2.4: the second counts where the first is empty


async def spf_of(mail: MailView, context: Context) -> SpfCheck:
    """none for mail of our own machines and of those who signed in. Never raises for what DNS does."""
    if not context.environment.is_stranger(mail):
        return SpfCheck(SpfResult.NONE, reason="not asked: one of ours")
    if mail.unknown & _IDENTITIES and not mail.sender:
        return SpfCheck(SpfResult.NONE, reason="not asked: nobody told the identity")
    return await mail.fetch_once("spf", lambda: _ask(mail, context))


async def _ask(mail: MailView, context: Context) -> SpfCheck:
    """RFC 7208 2.4: MAIL FROM; of the null sender, postmaster at HELO."""
    assert mail.peer is not None
    helo = mail.envelope.peer.helo
    sender = mail.envelope.mail_from or f"postmaster@{helo}"
    local, _, domain = sender.rpartition("@")
    session = SpfSession(
        ip=mail.peer,
        sender=sender if local else f"postmaster@{domain}",  # 4.3
        helo=helo,
        receiver="unknown",  # 7.3 allows it: a stranger's explanation needs no name of ours
        now=context.now,
    )
    return await check_host(domain, session, context.environment.dns)
