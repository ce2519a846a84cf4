"""Detects a domain in links or headers that is on at least half of the configured domain lists, as SURBL and URIBL.

All domains of the message, up to a limit, are looked up at the same time. Where the lists that do not answer could
change the result, the finding is an error.
"""

from __future__ import annotations

import asyncio
from functools import partial

from libs.envelope import Temporary
from services.antispam.filtering.context import FilterContext
from services.antispam.message.blocklists import look_up
from services.antispam.message.mail_view import MailView
from services.antispam.message.named_domains import named_domains
from services.antispam.message.report import MISS, Report, hit


def needs_lookup(mail: MailView, context: FilterContext) -> bool:
    """Only mail of strangers is checked, where lists are configured."""
    return bool(context.environment.lookups.uribl) and context.environment.is_stranger(mail)


async def check(mail: MailView, context: FilterContext) -> Report:
    if not needs_lookup(mail, context):
        return MISS
    lookups, dns = context.environment.lookups, context.environment.dns
    sites = named_domains(mail, lookups.domains_limit)
    listings = await asyncio.gather(*(look_up(dns, lookups.uribl, partial("{}.{}".format, site)) for site in sites))
    for site, found in zip(sites, listings, strict=True):
        if found.is_listed:
            return hit(f"{site} is on {', '.join(found.listed_by)}")
    for found in listings:
        if found.is_undecided:
            raise Temporary(f"no answer from {', '.join(found.unanswered)}")
    return MISS
