"""The domains that a message names, in its links and headers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.antispam.message.mail_view import MailView
from services.antispam.message.registered_domain import registered_domain

_HEADERS = ("From", "Sender", "Reply-To", "Return-Path")
_HOST = re.compile(
    r"\s{0,20}(?:(?:https?|ftp):)?(?:[/\\]{2})?(?:[^/\\?#@\s]{1,100}@)?((?:[a-z0-9_-]{1,63}\.){1,10}[a-z0-9-]{2,63})\.?"
    r"(?=[/\\?#:\s]|$)",
    re.IGNORECASE,
)
_MAILTO = re.compile(r"mailto:[^@?\s]{1,64}@([a-z0-9.-]{1,253})", re.IGNORECASE)


def named_domains(mail: MailView, limit: int) -> tuple[str, ...]:
    """Return the registered domains, those of links first since spam is sent for them; each once, at most `limit`."""
    found: dict[str, None] = {}
    for name in _names(mail):
        if site := registered_domain(name):
            found[site] = None
            if len(found) >= limit:
                break
    return tuple(found)


def _names(mail: MailView) -> Iterator[str]:
    for link in mail.links:
        if match := _HOST.match(link.url) or _MAILTO.match(link.url):
            yield match[1]
    yield mail.sender.rpartition("@")[2]
    for header in _HEADERS:
        for _, address in mail.headers.addresses(header)[:10]:
            yield address.rpartition("@")[2]
