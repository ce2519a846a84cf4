"""A file that a mail reader opens as a message is known as one, whatever stands first in it."""

from __future__ import annotations

import pytest

from libs.mail.recognition import message_in

MIME = b"Subject: x\r\nContent-Type: text/plain\r\n\r\nhello"

STARTS = (
    *("From: a@b", "DKIM-Signature: v=1", "DKIM-Filter: x", "DomainKey-Signature: a=b", "Sender: a@b"),
    *("ARC-Seal: i=1", "ARC-Authentication-Results: i=1", "Cc: a@b", "Bcc: a@b", "List-Id: <x>", "References: <x>"),
    *("Authentication-Results: h", "Received-SPF: pass", "Resent-From: a@b", "Thread-Topic: x", "Auto-Submitted: no"),
    *("Envelope-To: a@b", "Content-Language: fr", "User-Agent: x", "Errors-To: a@b", "x-odd: y", "Precedence: bulk"),
    *("Whatever: y", "no field at all", ">From a@b Fri Nov 27 06:00:00 2026", "From a@b Fri Nov 27 06:00:00 2026"),
    *("\ufeffFrom: a@b", "", " ", "\0"),
)  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
def test_a_message_is_known_whatever_stands_first(start: str) -> None:
    found = message_in(start.encode() + b"\r\n" + MIME)
    assert found is not None
    assert found.endswith(MIME)


@pytest.mark.parametrize("name", ["x.eml", "X.EML", "x.eml.", "x.mht", "x.mhtml"])
def test_a_name_or_a_type_says_so(name: str) -> None:
    assert message_in(b"hello", name=name) == b"hello"
    assert message_in(b"hello", declared_type="message/rfc822") == b"hello"


@pytest.mark.parametrize(
    "octets",
    [
        *(
            b"",
            b"hello",
            b"Note: this is important\r\nand long",
            b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
            b"a: b\nc: d\n",
        ),
        *(b"a: b\nc: d\n", b"From the beginning\n", b"Subject: x and nothing else", b"\0" * 2000 + MIME[:10]),
    ],
)
def test_other_texts_are_none(octets: bytes) -> None:
    assert message_in(octets) is None
