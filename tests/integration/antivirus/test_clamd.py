"""A real clamd that goes away, hangs, reloads and has limits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from libs.envelope import Temporary
from libs.mail.message import parse
from services.antivirus.adapters.clamd import ClamdEngine
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.domain.inspection import inspect
from services.antivirus.ports import ScanItem
from tests.servers.clamd import ClamdServer
from tests.specimens.antivirus import EICAR, a_message, encrypted_zip, nested_zip, zeros_zip
from tests.specimens.broken_mail import a_carrier

CLEAN = ScanItem(a_message())
INFECTED = ScanItem(a_message(attachments={"x.com": EICAR}))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClamdServer]:
    """A clamd with small limits that says so, and that reports what is encrypted."""
    config = ("StreamMaxLength 1M", "MaxFileSize 300K", "AlertEncryptedArchive yes")
    server = ClamdServer(tmp_path_factory.mktemp("strict"), config=config)
    server.start()
    yield server
    server.close()


def engine_at(text: str, *, deadline: float = 10) -> ClamdEngine:
    patience = timedelta(seconds=deadline)
    return ClamdEngine("clamav", EngineAddress.read(text), connections=4, deadline=patience, probe_deadline=patience)


@pytest.fixture(params=["tcp", "unix"])
async def engine(request: pytest.FixtureRequest, clamd: ClamdServer) -> AsyncIterator[ClamdEngine]:
    made = engine_at(getattr(clamd, request.param), deadline=2)
    yield made
    await made.close()


async def kinds(engine: ClamdEngine, item: ScanItem) -> list[DetectionKind]:
    return [seen.kind for seen in await engine.scan(item)]


async def test_one_that_is_down_is_an_error_until_it_is_back(engine: ClamdEngine, clamd: ClamdServer) -> None:
    assert await kinds(engine, CLEAN) == []
    clamd.kill()
    for ask in (engine.scan(CLEAN), engine.scan(INFECTED), engine.probe()):
        with pytest.raises(Temporary, match="clamav"):
            await ask
    clamd.start()
    assert await kinds(engine, CLEAN) == []
    assert await kinds(engine, INFECTED) == [DetectionKind.VIRUS]


async def test_a_kept_session_that_clamd_has_closed_is_replaced(engine: ClamdEngine, clamd: ClamdServer) -> None:
    await engine.scan(CLEAN)
    clamd.stop()
    clamd.start()
    assert await kinds(engine, INFECTED) == [DetectionKind.VIRUS]


async def test_one_that_hangs_is_an_error_and_recovers(engine: ClamdEngine, clamd: ClamdServer) -> None:
    await engine.scan(CLEAN)
    clamd.pause()
    try:
        answers = await asyncio.gather(
            engine.scan(CLEAN), engine.scan(INFECTED), engine.probe(), return_exceptions=True
        )
    finally:
        clamd.resume()
    assert all(isinstance(answer, Temporary) and "no answer within 2" in answer.reason for answer in answers)
    assert await kinds(engine, INFECTED) == [DetectionKind.VIRUS]


async def test_killed_in_the_middle_of_scans_it_calls_nothing_clean(engine: ClamdEngine, clamd: ClamdServer) -> None:
    large = ScanItem(a_message(attachments={"x.com": EICAR, "a.bin": random.Random(1).randbytes(2_000_000)}))
    scans = [asyncio.create_task(kinds(engine, large)) for _ in range(8)]
    await asyncio.wait(scans, return_when=asyncio.FIRST_COMPLETED)
    clamd.kill()
    answers = await asyncio.gather(*scans, return_exceptions=True)
    clamd.start()
    assert all(isinstance(answer, Temporary) or answer == [DetectionKind.VIRUS] for answer in answers)
    assert any(isinstance(answer, Temporary) for answer in answers)


async def test_while_it_reloads_no_virus_passes_and_new_signatures_count(
    engine: ClamdEngine, clamd: ClamdServer, request: pytest.FixtureRequest
) -> None:
    name = f"Fresh.{request.node.callspec.id}"
    fresh = ScanItem(a_message(f"what nobody knew before {name}".encode()))
    assert await kinds(engine, fresh) == []
    clamd.learn(name, fresh.octets[-60:])
    clamd.reload()
    async with asyncio.timeout(20):
        while await kinds(engine, fresh) != [DetectionKind.VIRUS]:
            assert await kinds(engine, INFECTED) == [DetectionKind.VIRUS]


LIMITS = {
    "larger than StreamMaxLength": (random.Random(2).randbytes(3_000_000), DetectionKind.UNSCANNABLE),
    "larger than MaxFileSize": (
        a_message(attachments={"a.bin": random.Random(3).randbytes(400_000)}),
        DetectionKind.UNSCANNABLE,
    ),
    "nested deeper than MaxRecursion": (
        a_message(attachments={"a.zip": nested_zip(b"x", 20)}),
        DetectionKind.UNSCANNABLE,
    ),
    "encrypted": (a_message(attachments={"a.zip": encrypted_zip("a.txt")}), DetectionKind.ENCRYPTED),
}


@pytest.mark.parametrize(("octets", "kind"), LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_what_it_cannot_look_into_is_neither_clean_nor_a_virus(
    strict: ClamdServer, way: str, octets: bytes, kind: DetectionKind
) -> None:
    engine = engine_at(getattr(strict, way))
    for _ in range(5):  # it answers and closes while we still send, so once could be luck
        assert await kinds(engine, ScanItem(octets)) == [kind]
    await engine.close()


async def test_it_is_silent_about_an_entry_over_its_limit_so_the_built_in_engine_has_to_stand_beside_it(
    strict: ClamdServer,
) -> None:
    """ClamAV 1.4 cuts off what a zip entry has beyond MaxFileSize and answers OK, AlertExceedsMax or not."""
    bomb = ScanItem(a_message(attachments={"a.zip": zeros_zip(2**26)}))
    engine = engine_at(strict.unix)
    assert await kinds(engine, bomb) == []
    await engine.close()
    seen = inspect(ScanContent(bomb.octets), ArchiveLimits()).detections
    assert [detection.kind for detection in seen] == [DetectionKind.ARCHIVE_LIMIT]


@pytest.mark.parametrize("lines", [(b"garbage",), (b"X-A: b", b"garbage"), (b" ",)], ids=repr)
async def test_what_only_other_readers_find_is_scanned_too(engine: ClamdEngine, lines: tuple[bytes, ...]) -> None:
    for encoding in (b"(x) base64", b"x-odd"):
        raw = a_carrier(*lines).replace(b"Encoding: base64", b"Encoding: " + encoding)
        assert DetectionKind.VIRUS in await kinds(engine, ScanItem(raw, parse(raw)))
