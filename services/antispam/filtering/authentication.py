"""Who signed a message, who vouches, what the author's domain asks for: asked once, whoever wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

from libs.authentication import arc, dkim, dmarc
from libs.authentication.arc import ArcChain
from libs.authentication.dkim import SignatureResult
from libs.authentication.dmarc import AuthenticatedIdentifier, DmarcResult
from libs.authentication.message import SignedMessage
from libs.authentication.results import TxtLookup
from libs.authentication.spf import SpfResult
from libs.dns import Resolver
from libs.mail.address_list import parse_addresses
from services.antispam.filtering.context import Context
from services.antispam.filtering.spf import spf_of
from services.antispam.message.mail_view import MailView
from services.antispam.message.registered_domain import registered_domain

_MAX_AUTHORS = 10_000  # in one field; more do not fit into a header


async def dkim_results_of(mail: MailView, context: Context) -> Sequence[SignatureResult]:
    """What each DKIM signature is worth. Never raises for what DNS does."""
    # RFC 6376 3.5 `x=`: what counts is when the message came, not how long it waited for us.
    moment = min(context.now, mail.envelope.received_at)
    return await mail.fetch_once(
        "dkim", lambda: dkim.verify(_message(mail), txt=_txt(context.environment.dns), now=moment)
    )


async def arc_chain_of(mail: MailView, context: Context) -> ArcChain:
    """The state of the ARC chain. Never raises for what DNS does."""
    moment = min(context.now, mail.envelope.received_at)
    return await mail.fetch_once(
        "arc", lambda: arc.verify(_message(mail), txt=_txt(context.environment.dns), now=moment)
    )


async def dmarc_result_of(mail: MailView, context: Context) -> DmarcResult:
    """What DMARC makes of SPF and DKIM. Never raises for what DNS does."""
    return await mail.fetch_once("dmarc", lambda: _evaluated(mail, context))


async def _evaluated(mail: MailView, context: Context) -> DmarcResult:
    return await dmarc.evaluate(
        authors_of(mail),
        _identifiers(mail, context),
        txt=_txt(context.environment.dns),
        organizational=organizational,
        sample=crc32(mail.envelope.id.encode()) % 100,
    )


def authors_of(mail: MailView) -> list[str]:
    """The addresses in From; of a field in which none can be read all that stands there, for readers show that."""
    authors: list[str] = []
    for value in mail.headers.all("From"):
        addresses = [address for _, address in parse_addresses(value, _MAX_AUTHORS) if "@" in address]
        authors += addresses or [value]
    return authors


async def _identifiers(mail: MailView, context: Context) -> Sequence[AuthenticatedIdentifier]:
    spf, signed = await asyncio.gather(spf_of(mail, context), dkim_results_of(mail, context))
    identifiers = [
        AuthenticatedIdentifier("dkim", each.domain, each.outcome)
        for each in signed
        if each.outcome in ("pass", "temperror")
    ]
    if spf.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        domain = spf.domain.lower().removesuffix(".")  # of HELO as the peer wrote it
        identifiers.append(
            AuthenticatedIdentifier("spf", domain, "pass" if spf.result is SpfResult.PASS else "temperror")
        )
    return identifiers


def organizational(domain: str) -> str:
    """RFC 7489 3.2; empty of a public suffix."""
    return registered_domain(domain) or ""


def _message(mail: MailView) -> SignedMessage:
    return mail.cached("signed message", lambda: SignedMessage(mail.raw, mail.headers))


def _txt(resolver: Resolver) -> TxtLookup:
    async def texts(name: str) -> Sequence[str]:
        return [record.decode("utf-8", "replace") for record in (await resolver.txt(name)).records]

    return texts
