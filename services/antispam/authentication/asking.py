"""Who signed a message, who vouches, what the author's domain asks for: asked once, whoever wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

from libs.dns import Resolver
from services.antispam.authentication import arc, dkim, dmarc
from services.antispam.authentication.arc import Chain
from services.antispam.authentication.dkim import Signed
from services.antispam.authentication.dmarc import Dmarc, Evidence
from services.antispam.authentication.message import SignedMessage
from services.antispam.authentication.outcome import Txt
from services.antispam.domain.context import Context
from services.antispam.domain.mail_view import MailView
from services.antispam.domain.registered import registered_domain
from services.antispam.spf import Result, spf_of


async def signatures_of(mail: MailView, context: Context) -> Sequence[Signed]:
    """What each DKIM signature is worth. Never raises for what DNS does."""
    return await mail.ask("dkim", lambda: dkim.verify(_message(mail), txt=_txt(context.knowledge.dns), now=context.now))


async def chain_of(mail: MailView, context: Context) -> Chain:
    """The state of the ARC chain. Never raises for what DNS does."""
    return await mail.ask("arc", lambda: arc.verify(_message(mail), txt=_txt(context.knowledge.dns), now=context.now))


async def policy_of(mail: MailView, context: Context) -> Dmarc:
    """What DMARC makes of SPF and DKIM. Never raises for what DNS does."""
    return await mail.ask("dmarc", lambda: _evaluated(mail, context))


async def _evaluated(mail: MailView, context: Context) -> Dmarc:
    return await dmarc.evaluate(
        [address for _, address in mail.headers.addresses("From")],
        _evidence(mail, context),
        txt=_txt(context.knowledge.dns),
        organizational=lambda domain: registered_domain(domain) or "",
        sample=crc32(mail.envelope.id.encode()) % 100,
    )


async def _evidence(mail: MailView, context: Context) -> Evidence:
    spf, signed = await asyncio.gather(spf_of(mail, context), signatures_of(mail, context))
    return Evidence(
        spf_domain=spf.domain if spf.result is Result.PASS else "",
        signed=signed,
        uncertain=spf.result is Result.TEMPERROR or any(each.outcome == "temperror" for each in signed),
    )


def _message(mail: MailView) -> SignedMessage:
    return mail.keep("signed message", lambda: SignedMessage(mail.raw, mail.headers))


def _txt(resolver: Resolver) -> Txt:
    async def texts(name: str) -> Sequence[str]:
        return [record.decode("utf-8", "replace") for record in (await resolver.txt(name)).records]

    return texts
