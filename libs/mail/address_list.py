"""Mailboxes of header fields (RFC 5322 3.4, with the obsolete forms of 4.4): one pass, linear, tolerant.

Unlike `libs.mail.address` it refuses nothing: the result is what a mail client shows, and
`libs.mail.address.normalise` turns it into an address of the envelope.
"""

import re

from libs.mail.encoded_words import decode_words

_TOKEN = re.compile(
    r'"(?:[^"\\]++|\\.)*+"?'  # quoted-string, closed or not
    r"|=\?[^?\s]{1,60}\?[bBqQ]\?[^?\s]*+\?="  # encoded-word: a comma inside it parts nothing
    r'|\[[^\]\[<>,;"()\s]*+\]?'  # domain literal: its colons do not open a group
    r"|[()<>]|[,;]++|:++"
    r'|\s++|[^"()<>,;:\[\s]++|.',
    re.DOTALL,
)

# RFC 5322 3.2.2: in a comment a quote is a character like others, and a backslash takes the next one with it (3.2.1).
_IN_COMMENT = re.compile(r"[()]|\\.|\\|[^()\\]++", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

_ADDRESS = r'[^\s<>"(),;:@\[\]]++@[^\s<>"(),;:@\[\]]++'
_SIMPLE = re.compile(rf'\s*+(?:(?:"([^"\\]*+)"\s*+|([^"()<>,;:@\[\]]*+))<({_ADDRESS})>|({_ADDRESS}))\s*+')  # most mail


def parse_addresses(text: str, limit: int) -> list[tuple[str, str]]:
    """(display name, address) of at most `limit` mailboxes in an unfolded field value. Never raises.

    The display name is decoded and printable, the address stands as written; groups are flattened. Each angle address
    is a mailbox of its own, however many stand without a comma: readers disagree on which of them counts.
    """
    if simple := _SIMPLE.fullmatch(text):
        return [(decode_words((simple[1] or simple[2] or "").strip()), simple[3] or simple[4])][:limit]
    reader, at = _Reader(), 0
    while token := (_IN_COMMENT if reader.is_in_comment else _TOKEN).match(text, at):
        at = token.end()
        reader.take(token[0])
        if len(reader.found) >= limit:
            return reader.found[:limit]
    reader.finish()
    return reader.found[:limit]


class _Reader:
    """The mailbox under way (words before the angle, its content, comments), and the finished mailboxes."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._words: list[str] = []
        self._comment: list[str] = []
        self._angle: list[str] = []
        self._has_angle = self._in_angle = False
        self._comment_depth = 0

    @property
    def is_in_comment(self) -> bool:
        return self._comment_depth > 0

    def take(self, token: str) -> None:
        kind = token[0]
        if kind == "(" or self._comment_depth:
            self._take_comment(token)
        elif self._in_angle and self._takes_in_angle(token):
            pass
        elif kind == "<":
            if self._has_angle:
                self.finish()
            self._has_angle = self._in_angle = True
        elif kind in ",;":
            self.finish()
        elif kind == ":":
            self._words.clear()  # RFC 5322 3.4: what stood there was the name of a group
        else:
            self._words.append(token)

    def _take_comment(self, token: str) -> None:
        """RFC 5322 3.2.2: comments nest."""
        if token == "(":
            self._comment_depth += 1
        elif token == ")":
            self._comment_depth -= 1
        else:
            self._comment.append(_QUOTED_PAIR.sub(r"\1", token))

    def _takes_in_angle(self, token: str) -> bool:
        """A comma belongs to a source route only; else the closing bracket was forgotten."""
        if token == ">":
            self._in_angle = False
            return True
        is_route = bool(self._angle) and self._angle[0].startswith("@")
        if token[0] in "<,;" and not (token == "," and is_route):
            self._in_angle = False
            return False
        self._angle.append(token)
        return True

    def finish(self) -> None:
        """Adds the mailbox so far to those found, if there is one, and starts the next."""
        if self._words or self._angle:
            display, address = self._mailbox()
            if address or display:
                comment = "".join(self._comment).strip()
                self.found.append((decode_words(display or comment), address))
        self._words, self._comment, self._angle = [], [], []
        self._has_angle = self._in_angle = False

    def _mailbox(self) -> tuple[str, str]:
        if not self._has_angle:
            return _bare(self._words)
        address = "".join(self._angle).strip()
        if address.startswith("@"):  # RFC 5322 4.4: obs-route
            address = address.partition(":")[2]
        return _phrase(self._words), address


def _phrase(words: list[str]) -> str:
    return "".join(_unquote(word) if word.startswith('"') else word for word in words).strip()


def _bare(words: list[str]) -> tuple[str, str]:
    """A mailbox without brackets: the word with the `@`, spaces around that allowed (RFC 5322 4.4)."""
    text = re.sub(r"(?<!\s)\s*+@\s*+", "@", "".join(words)).strip()
    if text.startswith('"') or "@" not in text:
        return "", text
    display, _, address = text.rpartition(" ")
    return (display, address) if "@" in address else ("", text)


def _unquote(word: str) -> str:
    inner = word[1:-1] if len(word) > 1 and word.endswith('"') else word[1:]
    return _QUOTED_PAIR.sub(r"\1", inner)
