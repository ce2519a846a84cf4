"""Hostile mail by its number in the list of attacks: what both engines see, with the time and memory that it took.

The figures are printed (`pytest -rP`) and stand in the JUnit report; nothing is asserted of time.
"""

from __future__ import annotations

import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable

import pytest

from libs.mail.message import parse
from services.antivirus.adapters.yara import all_matches
from services.antivirus.adapters.yara_rules import RuleFiles
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import EngineReport
from services.antivirus.domain.inspection import inspect
from services.antivirus.domain.judgement import judge
from services.antivirus.settings import Settings
from tests.specimens import antivirus as specimens
from tests.specimens import office
from tests.specimens.antivirus import EICAR, HEADERS, a_message, a_part, multipart

MEMORY_BOUND = 64 * 2**20
LIMITS = ArchiveLimits(expanded_bytes=32 * 2**20)  # a third of the default, for the sake of the tests' time
POLICY = Settings().policy
RULES = RuleFiles(None).read()
SLICE = b'Content-Type: message/partial; id="1"; number=%d; total=2\r\n\r\n'


def attached(octets: bytes, name: str) -> bytes:
    return a_message(attachments={name: octets})


def messages_in_each_other(levels: int) -> bytes:
    return (HEADERS + b"Content-Type: message/rfc822\r\n\r\n") * levels + a_message()


def bombs_in_a_zip() -> bytes:
    return specimens.nested_zip(specimens.zipped({str(n): specimens.zeros_zip(2**26) for n in range(16)}), 5)


ROWS: dict[str, tuple[Callable[[], bytes], str]] = {
    "56: 101 levels of MIME": (lambda: specimens.deep_mime(101), "quarantine"),
    "56: 10,000 levels of MIME": (lambda: specimens.deep_mime(10_000), "quarantine"),
    "56: 200 messages in each other": (lambda: messages_in_each_other(200), "quarantine"),
    "58: 1 GB of zeros in 1 MB": (lambda: attached(specimens.zeros_zip(2**30), "a.zip"), "quarantine"),
    "58: 500 files on the same octets": (
        lambda: attached(specimens.overlapping_zip(500, size=2**23), "a.zip"),
        "quarantine",
    ),
    "58: 60 gzips in each other": (lambda: attached(specimens.endless_gzip(), "a.gz"), "quarantine"),
    "58: 20 zips in each other": (lambda: attached(specimens.nested_zip(EICAR, 20), "a.zip"), "quarantine"),
    "58: 16 bombs in a zip, six levels": (
        lambda: attached(bombs_in_a_zip(), "a.zip"),
        "quarantine",
    ),
    "58: 5 MB of a pattern of the rules": (
        lambda: attached(b"L\0\0\0\x01\x14\x02\0" + b"cmd.exe powershell " * (5_000_000 // 19), "a.lnk"),
        "quarantine",
    ),
    "58: a document that is one long chain": (
        lambda: attached(office.compound_file({str(n): b"x" * 100_000 for n in range(20)}), "a.doc"),
        "pass",
    ),
    "59: EICAR plain": (lambda: a_message(EICAR), "quarantine"),
    "59: EICAR in base64": (lambda: multipart(a_part(EICAR, name="a")), "quarantine"),
    "59: EICAR in quoted-printable": (
        lambda: multipart(a_part(EICAR, name="a", encoding="quoted-printable")),
        "quarantine",
    ),
    "59: EICAR uuencoded": (lambda: a_message(specimens.uuencoded(EICAR, "x.com")), "quarantine"),
    "59: EICAR in a zip": (lambda: attached(specimens.zipped({"x": EICAR}), "a.zip"), "quarantine"),
    "59: a zip behind a password": (lambda: attached(specimens.encrypted_zip("x.txt"), "a.zip"), "tag"),
    "59: EICAR in winmail.dat": (lambda: attached(specimens.tnef(EICAR, "x"), "winmail.dat"), "quarantine"),
    "59: EICAR in message/rfc822": (
        lambda: multipart(b"Content-Type: message/rfc822\r\n\r\n" + attached(EICAR, "x.com")),
        "quarantine",
    ),
    "59: the first slice of a message": (lambda: HEADERS + SLICE % 1 + b64encode(EICAR)[:40], "quarantine"),
    "59: the second slice of a message": (lambda: HEADERS + SLICE % 2 + b64encode(EICAR)[40:], "quarantine"),
}


def both_engines(raw: bytes) -> list[EngineReport]:
    return [
        EngineReport("builtin", tuple(inspect(ScanContent(raw, message=parse(raw)), LIMITS).detections)),
        EngineReport("yara", all_matches(RULES, ScanContent(raw, message=parse(raw)), LIMITS)),
    ]


@pytest.mark.parametrize(("make", "action"), ROWS.values(), ids=ROWS)
def test_hostile_mail_is_never_called_clean(
    make: Callable[[], bytes],
    action: str,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    raw = make()
    tracemalloc.start()
    started = time.perf_counter()
    judgement = judge(both_engines(raw), POLICY)
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    figures = {"octets": len(raw), "seconds": round(seconds, 2), "MiB": round(peak / 2**20, 1)}
    for name, figure in figures.items():
        record_property(name, figure)
    print(request.node.callspec.id, figures, judgement.quarantine_reason or judgement.action)
    assert judgement.action == action
    assert peak < MEMORY_BOUND
