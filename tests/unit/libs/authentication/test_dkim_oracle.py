"""Two implementations of DKIM over the same odd messages: dkimpy signs and verifies, ours verifies, and they agree."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dkim as dkimpy
import pytest

from libs.authentication import dkim
from libs.authentication.message import SignedMessage
from libs.mail.headers import Headers

NAMES = ("To", "Subject", "X-A", "x-b", "Cc", "Received")
VALUES = ("v", "  v  w ", "v\r\n\tw", "", "\t", "a:b;c=d; b=x", "é")
BODIES = (b"", b"\r\n", b"a\r\n", b"a", b" \r\n\r\n", b"a \t b\r\n.\r\n", b"a\r\n\r\n\r\n")
SPACES = ("", " ", "\t")
FORMS = (b"simple", b"relaxed")
CHANGES: Sequence[Callable[[bytes], bytes]] = (
    lambda raw: raw,
    lambda raw: b"X-A: new\r\n" + raw,
    lambda raw: raw.replace(b"\r\n\r\n", b"\r\nSubject: added\r\n\r\n", 1),
    lambda raw: raw + b"x",
    lambda raw: raw.replace(b"; h=", b";h = ").replace(b"; t=", b";\r\n t="),
    lambda raw: raw.replace(b"\r\nX-A:", b"\r\nX-A: "),
)


def a_message(dice: random.Random) -> bytes:
    fields = [
        ("From", "a@example.net"),
        *((dice.choice(NAMES), dice.choice(VALUES)) for _ in range(dice.randint(0, 6))),
    ]
    dice.shuffle(fields)
    lines = ["X-Z: z\r\n", *(f"{name}:{dice.choice(SPACES)}{value}\r\n" for name, value in fields)]
    return "".join(lines).encode() + b"\r\n" + dice.choice(BODIES)


@pytest.mark.parametrize("seed", range(60))
async def test_both_say_the_same(sign: Callable[..., bytes], zone: Any, seed: int) -> None:
    dice = random.Random(seed)
    # A name may be listed more often than it stands there, and one that is not there at all.
    listed = ["from", *(name.lower() for name in dice.choices(("From", *NAMES[:-1]), k=dice.randint(0, 6)))]
    signed = sign(
        a_message(dice),
        canonicalize=(dice.choice(FORMS), dice.choice(FORMS)),
        include_headers=[name.encode() for name in listed],
    )
    raw = dice.choice(CHANGES)(signed)
    key = zone.records["s1._domainkey.example.net"][0].encode()
    expected = dkimpy.verify(raw, dnsfunc=lambda name, timeout=5: key)
    (ours,) = await dkim.verify(SignedMessage(raw, Headers(raw)), txt=zone.txt, now=datetime.now(UTC))
    assert (ours.outcome == "pass") == expected, ours
