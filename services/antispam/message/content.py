"""The content of a message: each fact is computed when it is first used, and then kept."""

from __future__ import annotations

from collections.abc import Sequence

from libs.mail.encoded_words import decode_words
from libs.mail.html import HtmlLink, links, links_of_text, text_of_html
from libs.mail.message import Headers, Message, Part, parse
from services.antispam.message.digest import message_digest
from services.antispam.message.lazy_property import lazy_property
from services.antispam.message.tokens import tokenize

TEXT_LIMIT_OCTETS = (
    128 * 1024
)  # of all texts together: no reader goes on longer, and it bounds the cost of every filter
AUTHORS_LIMIT = 100
ADDRESS_LIMIT = 320  # RFC 5321 4.5.3.1: 64 octets, the @, 255 octets


def tokens_of(raw: bytes) -> frozenset[str]:
    """Return the tokens of a raw message for the learned statistics."""
    return MessageContent(raw).tokens


class MessageContent:
    """The content of a raw message. No attribute raises, whatever the message looks like."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def read(self) -> None:
        """Compute the facts that take long for a large message now."""
        _ = self.text, self.links, self.digest, self.attachments, self.tokens

    @lazy_property
    def message(self) -> Message:
        return parse(self.raw)

    @lazy_property
    def headers(self) -> Headers:
        return self.message.headers

    @lazy_property
    def header_lines(self) -> str:
        """The header block as lines `Name: value`, unfolded and decoded."""
        return "\n".join(f"{name}: {decode_words(value)}" for name, value in self.headers)

    @lazy_property
    def authors(self) -> tuple[str, ...]:
        """The addresses of the From field in lower case, at most a hundred: ingress accepts no more."""
        mailboxes = self.headers.addresses("From")[:AUTHORS_LIMIT]
        return tuple(address.lower() for _, address in mailboxes if len(address) <= ADDRESS_LIMIT)

    @lazy_property
    def subject(self) -> str:
        """The decoded subject, on one line."""
        return self.message.subject

    @lazy_property
    def leaves(self) -> Sequence[Part]:
        """The MIME parts that hold content."""
        return tuple(self.message.leaves())

    @lazy_property
    def attachments(self) -> Sequence[Part]:
        """The parts that mail programs do not display as the text of the message."""
        return tuple(part for part in self.leaves if not _is_read(part))

    @lazy_property
    def plain(self) -> str:
        """The text/plain parts."""
        return self._texts("text/plain")

    @lazy_property
    def html(self) -> str:
        """The source of the text/html parts."""
        return self._texts("text/html")

    @lazy_property
    def html_text(self) -> str:
        """The visible text of the HTML."""
        return text_of_html(self.html) if self.html else ""

    @lazy_property
    def text(self) -> str:
        """All visible text besides the subject."""
        return "\n".join(part for part in (self.plain, self.html_text) if part)

    @lazy_property
    def links(self) -> Sequence[HtmlLink]:
        """The links and loaded resources of the HTML, then the URLs in plain text (whose tag is empty)."""
        shown = links(self.html) if self.html else []
        lower = self.plain.lower()
        if "://" not in lower and "www." not in lower:  # a quick test, since the search for URLs is slow
            return shown
        return (*shown, *(HtmlLink(url, url, "") for url in links_of_text(self.plain)))

    @lazy_property
    def tokens(self) -> frozenset[str]:
        """The tokens for the learned statistics."""
        return tokenize(self.headers, (self.plain, self.html), self.leaves)

    @lazy_property
    def digest(self) -> str:
        """40 hex digits that are equal for messages that differ in recipient, numbers and spacing only."""
        text = self.plain or self.html_text
        return message_digest(",".join(self.authors), self.subject, text, [len(p.raw) for p in self.attachments])

    def _texts(self, content_type: str) -> str:
        room, found = TEXT_LIMIT_OCTETS, []
        for part in self.leaves:
            if part.content_type == content_type and _is_read(part):
                found.append(part.text(room))
                room -= len(found[-1])
                if room <= 0:
                    break
        return "\n".join(found)


def _is_read(part: Part) -> bool:
    return part.content_type in ("text/plain", "text/html") and part.disposition != "attachment"
