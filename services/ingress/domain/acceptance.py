"""The rules for a complete message that need its header, and nothing but its header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from libs.envelope.model import Listener
from libs.mail import replies
from libs.mail.address import InvalidAddress, canonical
from libs.mail.headers import Headers
from libs.mail.limits import MessageLimits
from libs.mail.replies import Reply
from services.ingress.domain.content import ContentFault
from services.ingress.domain.refusal import CommandRefused

FAULT_REPLIES: dict[ContentFault, Reply] = {
    ContentFault.TOO_LARGE: replies.MESSAGE_TOO_LARGE,
    ContentFault.BARE_LINE_END: replies.BARE_LINE_BREAK,
    ContentFault.NUL: replies.BAD_CONTENT.because("NUL octet in the message"),
    ContentFault.LINE_TOO_LONG: Reply(500, "5.6.0", "A line of the message is too long"),  # RFC 5321 4.5.3.1.6
    ContentFault.NO_ROOM: replies.STORAGE_FULL,
}

_HEADER_TOO_LARGE = replies.BAD_CONTENT.because("The header is too large")
_REPEATED_FIELD = replies.REFUSED_BY_POLICY.because("A header field occurs twice that may occur once")
_SEVERAL_AUTHORS = replies.REFUSED_BY_POLICY.because("The From field names several domains")
_FROM_NOT_ALLOWED = replies.REFUSED_BY_POLICY.because("The From address is not allowed for this account")

# RFC 5322 3.6. Of two such fields a reader may show one, and DKIM or DMARC check the other: RFC 7489 6.6.1,
# RFC 6376 8.15.
_SINGLE = ("from", "subject", "date")
_SINGLE_OCTETS = tuple(name.encode() for name in _SINGLE)
_NAMES = re.compile(rb"^(received|from|subject|date)[ \t]*+:", re.IGNORECASE | re.MULTILINE)
_MAX_AUTHORS = 100  # more are refused unread, since any author could hide behind them
_AUTHOR = re.compile(rb"^from[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The limits of a message's header."""

    max_received: int
    max_header_bytes: int
    max_header_count: int

    def check(self, raw: bytes, listener: Listener, own: frozenset[str] | None) -> None:
        """Check a message; `own` are the addresses of the authenticated sender, if any. Raises `CommandRefused`."""
        if own is None and self._is_plain(raw):
            return
        # One field and one octet more than is allowed, so that an excess shows.
        headers = Headers(
            raw,
            MessageLimits(
                header_bytes=self.max_header_bytes + 1,
                header_count=self.max_header_count + 1,
                addresses=_MAX_AUTHORS + 1,
            ),
        )
        if headers.body_start > self.max_header_bytes or len(headers) > self.max_header_count:
            raise CommandRefused(_HEADER_TOO_LARGE, "header")
        if headers.count("received") > self.max_received:  # RFC 5321 6.3
            raise CommandRefused(replies.MAIL_LOOP, "loop")
        if own is not None:
            self._check_author(headers, own)
        elif listener == "mx":
            self._check_singles(headers)

    def _is_plain(self, raw: bytes) -> bool:
        """Tell whether two searches of the header find nothing to refuse, as with almost all mail."""
        end = raw.find(b"\r\n\r\n", 0, self.max_header_bytes) + 2
        if end < 2 or raw.count(b"\r\n", 0, end) > self.max_header_count:
            return False
        names = [name.lower() for name in _NAMES.findall(raw, 0, end)]
        if names.count(b"received") > self.max_received or any(names.count(name) > 1 for name in _SINGLE_OCTETS):
            return False
        author = _AUTHOR.search(raw, 0, end)
        return author is None or author[0].count(b"@") < 2

    def _check_singles(self, headers: Headers) -> None:
        if any(headers.count(name) > 1 for name in _SINGLE):
            raise CommandRefused(_REPEATED_FIELD, "header")
        authors = headers.addresses("from")
        domains = {address.rpartition("@")[2].lower() for _, address in authors if "@" in address}
        if len(domains) > 1 or len(authors) > _MAX_AUTHORS:
            raise CommandRefused(_SEVERAL_AUTHORS, "header")

    def _check_author(self, headers: Headers, own: frozenset[str]) -> None:
        """RFC 6409 6.1: an authenticated sender uses its own addresses only."""
        if "from" not in headers:
            return
        addresses = [address for _, address in headers.addresses("from")]
        try:
            authors = set(map(canonical, addresses))
        except InvalidAddress:
            authors = set()
        if not authors or not authors <= own or len(addresses) > _MAX_AUTHORS:
            raise CommandRefused(_FROM_NOT_ALLOWED, "sender")
