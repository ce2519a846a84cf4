"""Signatures made to cost or to deceive: their results, and the time that they took.

The figures are printed (`pytest -rP`) and stand in the JUnit report; nothing is asserted of time.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from libs.authentication import arc, dkim
from libs.authentication.message import SignedMessage
from libs.mail.headers import Headers

MEMORY_BOUND = 128 * 2**20  # a body of 20 MB in its two forms
MEGABYTE = 2**20
FIELD = b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; c=relaxed/relaxed; h=%b; bh=aaaa; b=aaaa\r\n"
REST = b"From: a@example.net\r\n\r\n"

ROWS: dict[str, Callable[[], bytes]] = {
    "100 signatures": lambda: b"".join(FIELD % (n, b"from") for n in range(100)) + REST,
    "ten that name 1,000 fields of 900": lambda: (
        b"".join(FIELD % (n, b":".join([b"x"] * 999 + [b"from"])) for n in range(10)) + b"X: y\r\n" * 900 + REST
    ),
    "a signature of 1 MB": lambda: FIELD.replace(b"b=aaaa", b"b=" + b"A" * MEGABYTE) % (1, b"from") + REST,
    "tags without end": lambda: b"DKIM-Signature: " + b"a=b;" * 4_000 + b"\r\n" + REST,
    "white space for a relaxed form": lambda: FIELD % (1, b"from") + REST + b" \t" * (10 * MEGABYTE),
    "white space at every second octet": lambda: FIELD % (1, b"from") + REST + b"a \ta  " * (4 * MEGABYTE),
    "20 MB of empty lines": lambda: FIELD % (1, b"from") + REST + b"\r\n" * (10 * MEGABYTE),
    "bare line feeds": lambda: FIELD % (1, b"from") + REST + b"\n" * (10 * MEGABYTE),
    "99 seals": lambda: b"".join(b"ARC-Seal: i=%d; cv=none\r\n" % n for n in range(1, 100)) + REST,
}


@pytest.mark.parametrize("row", ROWS)
async def test_hostile_signatures_never_pass(
    row: str, zone: Any, now: datetime, rsa_record: str, record_property: Callable[[str, object], None]
) -> None:
    raw = ROWS[row]()
    for parse_number in range(100):
        zone.records[f"s._domainkey.d{parse_number}.example"] = [rsa_record]
    tracemalloc.start()
    started = time.process_time()
    message = SignedMessage(raw, Headers(raw))
    signed = await dkim.verify(message, txt=zone.txt, now=now)
    chain = await arc.verify(message, txt=zone.txt, now=now)
    milliseconds = (time.process_time() - started) * 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{row}: {milliseconds:.1f} ms, {peak / MEGABYTE:.1f} MiB")
    record_property("milliseconds", round(milliseconds, 1))
    record_property("peak_bytes", peak)
    assert len(signed) <= dkim.MAX_SIGNATURES
    assert {each.outcome for each in signed} <= {"fail", "policy", "neutral", "permerror"}
    assert chain.outcome in ("none", "fail")
    assert len(zone.asked) <= dkim.MAX_SIGNATURES
    assert peak < MEMORY_BOUND
