"""A domain in headers or text is on at least half of the configured lists, as SURBL and URIBL (R-SPAM-22)."""

from __future__ import annotations

import asyncio
from functools import partial

from libs.envelope import Temporary
from services.antispam.filtering.context import Context
from services.antispam.message.blocklists import listing
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit
from services.antispam.message.sites import sites_of


def asks(mail: MailView, context: Context) -> bool:
    """Only what a stranger handed in, where there are lists."""
    return bool(context.knowledge.lookups.uribl) and context.knowledge.is_stranger(mail)


async def check(mail: MailView, context: Context) -> Report:
    """All its domains at the same time, up to the limit. Undecided without the lists that are mute: an error."""
    if not asks(mail, context):
        return MISS
    lookups, dns = context.knowledge.lookups, context.knowledge.dns
    sites = sites_of(mail, lookups.domains_limit)
    listings = await asyncio.gather(*(listing(dns, lookups.uribl, partial("{}.{}".format, site)) for site in sites))
    for site, found in zip(sites, listings, strict=True):
        if found.is_listed:
            return hit(f"{site} is on {', '.join(found.by)}")
    for found in listings:
        if found.is_open:
            raise Temporary(f"no answer from {', '.join(found.mute)}")
    return MISS
