"""The header fields that the product adds, rendered once, at delivery: the raw message itself never changes.

They stand before the message's own fields. A foreign field under one of our names (`X-Spam-*`, `X-Facteur-*`,
`Return-Path`, `Authentication-Results` under our name) is removed by an `Edit` over the raw bytes, so that no
later filter believes it. Foreign `Delivered-To` fields stay, because forwarders find loops by them; ours is the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from functools import lru_cache

from libs.envelope import Envelope, Finding, Peer, Recipient, Verdict
from libs.mail.authentication_results import claims_to_be
from libs.mail.encoded_words import decode_words
from libs.mail.folding import fold
from libs.mail.headers import Headers

MAX_WARNINGS = 10  # a message may hold a thousand programs
EDITED_OCTETS = 1024 * 1024  # edits lie in this much of the start; no honest header block is as large


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` of the raw message are read as `text`. Edits are in order and do not overlap."""

    start: int
    end: int
    text: bytes


class DeliveryHeaders:
    """Renders the copies of one message; what its recipients share is rendered once."""

    def __init__(self, envelope: Envelope, *, hostname: str) -> None:
        self._envelope = envelope
        self._return_path = _field("Return-Path", f"<{_plain(envelope.mail_from)}>")  # RFC 5321 4.4
        self._received = _received_parts(envelope, hostname)
        self._origin = (
            authentication_headers(envelope, hostname=hostname) + warning_headers(envelope) + origin_headers(envelope)
        )
        self._spam: dict[str, bytes] = {}

    def of(self, recipient: Recipient) -> bytes:
        """Return the block for `recipient`; `for` names the address of RCPT, which this recipient may know."""
        asked = recipient.original or recipient.address
        if recipient.domain not in self._spam:
            verdict = self._envelope.verdicts.get(recipient.domain)
            self._spam[recipient.domain] = spam_headers(verdict) if verdict else b""
        return b"".join(
            (
                self._return_path,
                _field("Delivered-To", _plain(recipient.address)),
                _received_for(self._received, asked),
                self._spam[recipient.domain],
                self._origin,
                _field("X-Facteur-Envelope-To", _plain(asked)),
            )
        )


def received(envelope: Envelope, recipient: Recipient | None, *, hostname: str) -> bytes:
    """The trace field of RFC 5321 4.4; give a recipient only where no other shares the copy (RFC 5321 7.2)."""
    asked = (recipient.original or recipient.address) if recipient else ""
    return _received_for(_received_parts(envelope, hostname), asked)


def spam_headers(verdict: Verdict) -> bytes:
    """Return `X-Spam-Flag`, `X-Spam-Status` with the tests and their scores, Bayes, the reason of a whitelist."""
    tests = ", ".join(f"{_token(test.name)}={test.score:g}" for test in verdict.tests if _counts(test)) or "none"
    word = "Yes" if verdict.spam else "No"
    status = f"{word}, score={verdict.score:g} required={verdict.required:g} action={verdict.action} tests={tests}"
    fields = [_field("X-Spam-Flag", word.upper()), _field("X-Spam-Status", status)]
    if verdict.bayes is not None:
        fields.append(_field("X-Spam-Bayes", f"{verdict.bayes:g}"))
    if verdict.whitelisted:
        fields.append(_field("X-Spam-Whitelist", _plain(verdict.whitelisted)))
    return b"".join(fields)


def authentication_headers(envelope: Envelope, *, hostname: str) -> bytes:
    """Return `Authentication-Results`, where the sender was authenticated (RFC 8601 2.2)."""
    if envelope.authentication is None:
        return b""
    return _field("Authentication-Results", f"{_token(hostname)}; {_plain(envelope.authentication)}")


def warning_headers(envelope: Envelope) -> bytes:
    """Return an `X-Facteur-Warning` for each detection with the action `tag`."""
    tagged = [found for found in envelope.findings if found.outcome == "tag" and found.stage == "antivirus"]
    return b"".join(
        _field("X-Facteur-Warning", _plain(f"{found.name}; {found.reason}")) for found in tagged[:MAX_WARNINGS]
    )


def origin_headers(envelope: Envelope) -> bytes:
    """Return the message's id, envelope sender, HELO and peer address."""
    return b"".join(
        (
            _field("X-Facteur-Id", _plain(envelope.id)),
            _field("X-Facteur-Envelope-From", f"<{_plain(envelope.mail_from)}>"),
            _field("X-Facteur-Helo", _plain(envelope.peer.helo)) if envelope.peer.helo else b"",
            _field("X-Facteur-Peer", _plain(envelope.peer.address)) if envelope.peer.address else b"",
        )
    )


# Fields that only we may have written, and the subject.
_TOUCHED = re.compile(
    rb"(?im)^(?:(x-spam-[!-9;-~]*+|x-facteur-[!-9;-~]*+|return-path|authentication-results)[ \t]*+"
    rb":([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)"
    rb"|(subject)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+))"
)


def edits(headers: Headers, *, subject_prefix: str = "", hostname: str = "") -> tuple[Edit, ...]:
    """What of a message with this header block is read otherwise than it came.

    `subject_prefix` is put before the subject, unless the subject starts with it; a message without one gets one.
    `Authentication-Results` are ours, and forged, where they claim to be from `hostname`.
    """
    found = [*repairs(headers)]
    at = headers.fields_start
    subject: re.Match[bytes] | None = None
    for match in _TOUCHED.finditer(headers.raw[at:EDITED_OCTETS]):
        if match[1]:
            if _is_forged(match, hostname):
                found.append(Edit(at + match.start(), at + match.end(), b""))
        elif subject is None:
            subject = match
            found += _tagged(match, subject_prefix, at)
    if subject is None and subject_prefix:
        found.insert(0, Edit(at, at, _field("Subject", _plain(subject_prefix))))
    return tuple(sorted(found, key=lambda edit: (edit.start, edit.end)))


def repairs(headers: Headers) -> tuple[Edit, ...]:
    """Return the edits that make every reader find the fields and the body where the scanners found them.

    Skipped lines are removed. A missing blank line behind the block is added: behind the added fields an odd first
    line would continue one of them or be skipped, and the text of the body would become fields.
    """
    if not headers.skipped and not headers.is_open:
        return ()
    gap = (Edit(headers.body_start, headers.body_start, b"\r\n"),) if headers.is_open else ()
    return (*(Edit(start, end, b"") for start, end in headers.skipped), *gap)


def _is_forged(field: re.Match[bytes], hostname: str) -> bool:
    """Foreign fields describe their own hop, and forwarders look for them (RFC 8601 5)."""
    if field[1].lower() != b"authentication-results":
        return True
    return bool(hostname) and claims_to_be(field[2].decode("ascii", "replace"), hostname)


def rendered(prefix: bytes, changes: Sequence[Edit], raw: bytes | memoryview) -> bytes:
    """The message as it is read: our fields, then the raw bytes with their edits.

    For a message in pieces give the first one, which holds the header block.
    """
    pieces: list[bytes | memoryview] = [prefix]
    at = 0
    for change in changes:
        pieces += (raw[at : change.start], change.text)
        at = change.end
    pieces.append(raw[at:])
    return b"".join(pieces)


def growth(prefix: bytes, changes: Sequence[Edit]) -> int:
    """By how many bytes `rendered` is longer than the raw message."""
    return len(prefix) + sum(len(change.text) - (change.end - change.start) for change in changes)


def _tagged(subject: re.Match[bytes], prefix: str, at: int) -> list[Edit]:
    """The edit of a subject that was found in what starts at `at`."""
    tag = _plain(prefix).strip()
    value = subject[4]
    if not tag or decode_words(value.decode("utf-8", "replace")).startswith(tag):
        return []
    # The tag has a line of its own where the first line is full already (RFC 5322 2.1.1).
    folded = fold("Subject", tag)[len("Subject: ") : -2]
    gap = b" " if len(folded) + len(value.partition(b"\n")[0]) < 60 else b"\r\n "
    start = at + subject.start(4)
    return [Edit(start, start, folded + gap)]


def _received_parts(envelope: Envelope, hostname: str) -> tuple[str, str]:
    """What stands before and behind the `for` clause. RFC 5321 4.4, protocol keywords of RFC 3848."""
    peer = envelope.peer
    origin = f"from {_token(peer.helo) or 'unknown'} ({_tcp_info(peer)})\r\n\t" if peer.address else ""
    tls = f"\r\n\t({_token(peer.tls.version)} cipher {_token(peer.tls.cipher)})" if peer.tls else ""
    # The id is new each time: in the cache of words it would displace repeated ones.
    id = _NOT_TOKEN.sub("?", envelope.id)[:255]
    head = f"Received: {origin}by {_token(hostname)} with {_token(peer.protocol)} id {id}{tls}"
    return head, f";\r\n\t{format_datetime(envelope.received_at)}\r\n"


# Not ASCII has no place here, since the message may not be SMTPUTF8 (RFC 6531 3.7.3); the others would end the clause.
_TRACEABLE = re.compile(r"[!#-'*+\-./0-:=?-~]{1,254}")


def _received_for(parts: tuple[str, str], address: str) -> bytes:
    head, tail = parts
    wanted = f"\r\n\tfor <{address}>" if _TRACEABLE.fullmatch(address) else ""
    return f"{head}{wanted}{tail}".encode("ascii")


def _tcp_info(peer: Peer) -> str:
    literal = f"[IPv6:{_token(peer.address)}]" if ":" in peer.address else f"[{_token(peer.address)}]"
    return f"{_token(peer.reverse_name)} {literal}" if peer.reverse_name else literal


def _counts(test: Finding) -> bool:
    return test.score != 0


_NOT_TOKEN = re.compile(r"[^A-Za-z0-9._:/\[\]-]")
_NOT_PLAIN = re.compile(r"[^ -~\u00a0-\ud7ff\ue000-\U0010ffff]")


@lru_cache(maxsize=4096)
def _token(text: str) -> str:
    """Return a word that can neither end a comment or clause nor start one, for any HELO."""
    return _NOT_TOKEN.sub("?", text)[:255]


def _plain(text: str) -> str:
    """No control characters: a value can never add a line. Nothing raises here, since the message must arrive."""
    return text if text.isascii() and text.isprintable() else _NOT_PLAIN.sub("?", text)


def _field(name: str, value: str) -> bytes:
    """As `fold`, which most of our values need not, being short and ASCII."""
    if len(name) + len(value) < 76 and value.isascii() and value.isprintable():
        return f"{name}: {value}\r\n".encode("ascii")
    return fold(name, value)
