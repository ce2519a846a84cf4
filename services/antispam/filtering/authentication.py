"""SPF, DKIM, ARC and DMARC of a message: each evaluated once, however many filters use the result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from zlib import crc32

from libs.authentication import arc, dkim, dmarc
from libs.authentication.arc import ArcChain
from libs.authentication.dkim import SignatureResult
from libs.authentication.dmarc import AuthenticatedIdentifier, DmarcResult
from libs.authentication.message import SignedMessage
from libs.authentication.results import TxtLookup
from libs.authentication.spf import SpfCheck, SpfResult, check_host
from libs.authentication.spf.evaluation import SpfSession
from libs.dns import Resolver
from libs.mail.address_list import parse_addresses
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.registered_domain import registered_domain

_MAX_AUTHORS = 10_000  # in one field; more do not fit into a header
_SPF_IDENTITIES = frozenset({"sender", "helo"})  # RFC 7208 2.3, RFC 7208 2.4: HELO counts where MAIL FROM is empty


async def spf_of(mail: MailView, context: FilterContext) -> SpfCheck:
    """Check SPF; the result is none for mail of our own machines and authenticated clients. Never raises for DNS."""
    if not context.environment.is_stranger(mail):
        return SpfCheck(SpfResult.NONE, reason="not checked: not from a stranger")
    if mail.unknown & _SPF_IDENTITIES and not mail.sender:
        return SpfCheck(SpfResult.NONE, reason="not checked: the identity is unknown")
    return await mail.fetch_once("spf", lambda: _check_spf(mail, context))


async def _check_spf(mail: MailView, context: FilterContext) -> SpfCheck:
    """RFC 7208 2.4: the identity is MAIL FROM, or postmaster at the HELO name for the null sender."""
    assert mail.peer is not None
    helo = mail.envelope.peer.helo
    sender = mail.envelope.mail_from or f"postmaster@{helo}"
    local, _, domain = sender.rpartition("@")
    session = SpfSession(
        ip=mail.peer,
        sender=sender if local else f"postmaster@{domain}",  # RFC 7208 4.3
        helo=helo,
        receiver="unknown",  # RFC 7208 7.3 allows it: the explanation of a stranger needs no name of this site
        now=context.now,
    )
    return await check_host(domain, session, context.environment.dns)


async def dkim_results_of(mail: MailView, context: FilterContext) -> Sequence[SignatureResult]:
    """Verify each DKIM signature. Never raises for DNS."""
    txt = _txt(context.environment.dns)
    return await mail.fetch_once("dkim", lambda: dkim.verify(_message(mail), txt=txt, now=_moment(mail, context)))


async def arc_chain_of(mail: MailView, context: FilterContext) -> ArcChain:
    """Validate the ARC chain. Never raises for DNS."""
    txt = _txt(context.environment.dns)
    return await mail.fetch_once("arc", lambda: arc.verify(_message(mail), txt=txt, now=_moment(mail, context)))


async def dmarc_result_of(mail: MailView, context: FilterContext) -> DmarcResult:
    """Evaluate DMARC over SPF and DKIM. Never raises for DNS."""
    return await mail.fetch_once("dmarc", lambda: _evaluate_dmarc(mail, context))


async def _evaluate_dmarc(mail: MailView, context: FilterContext) -> DmarcResult:
    return await dmarc.evaluate(
        authors_of(mail),
        _identifiers(mail, context),
        txt=_txt(context.environment.dns),
        organizational=organizational,
        sample=crc32(mail.envelope.id.encode()) % 100,
    )


def authors_of(mail: MailView) -> list[str]:
    """The addresses in From. Of a field without a readable address it is the whole text, for readers show that."""
    authors: list[str] = []
    for value in mail.headers.all("From"):
        addresses = [address for _, address in parse_addresses(value, _MAX_AUTHORS) if "@" in address]
        authors += addresses or [value]
    return authors


async def _identifiers(mail: MailView, context: FilterContext) -> Sequence[AuthenticatedIdentifier]:
    spf, signed = await asyncio.gather(spf_of(mail, context), dkim_results_of(mail, context))
    found = [
        AuthenticatedIdentifier("dkim", each.domain, each.outcome)
        for each in signed
        if each.outcome in ("pass", "temperror")
    ]
    if spf.result in (SpfResult.PASS, SpfResult.TEMPERROR):
        domain = spf.domain.lower().removesuffix(".")  # as the peer wrote it in HELO
        found.append(AuthenticatedIdentifier("spf", domain, "pass" if spf.result is SpfResult.PASS else "temperror"))
    return found


def organizational(domain: str) -> str:
    """The organizational domain (RFC 7489 3.2); empty for a public suffix."""
    return registered_domain(domain) or ""


def _moment(mail: MailView, context: FilterContext) -> datetime:
    """RFC 6376 3.5 `x=`: the time of receipt counts, not how long the message waited in our queues."""
    return min(context.now, mail.envelope.received_at)


def _message(mail: MailView) -> SignedMessage:
    return mail.cached("signed message", lambda: SignedMessage(mail.raw, mail.headers))


def _txt(resolver: Resolver) -> TxtLookup:
    async def texts(name: str) -> Sequence[str]:
        return [record.decode("utf-8", "replace") for record in (await resolver.txt(name)).records]

    return texts
