"""One test for every engine in the list of engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from libs.mongo import Mongo
from services.antivirus.adapters.builtin import BuiltinEngine
from services.antivirus.adapters.clamd import ClamdEngine
from services.antivirus.adapters.counts import MongoCounts
from services.antivirus.adapters.fingerprints import MongoFingerprints
from services.antivirus.adapters.yara import YaraEngine
from services.antivirus.adapters.yara_rules import RuleFiles
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.detections import DetectionKind
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.domain.fingerprints import Fingerprint, FingerprintVerdict
from services.antivirus.ports import Engine, ScanItem
from services.antivirus.statistics import ScanStatistics
from tests.servers.clamd import LOCAL_SPECIMEN, ClamdServer
from tests.specimens.antivirus import EICAR, a_message, zipped

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE = timedelta(seconds=10)


async def builtin(mongo: Mongo) -> BuiltinEngine:
    """It knows the local specimen by its fingerprint."""
    known = MongoFingerprints(mongo.database("antivirus"), lambda: NOW)
    await known.open()
    await known.create(
        Fingerprint(sha256(LOCAL_SPECIMEN).digest(), FingerprintVerdict.BAD, "Facteur.Test.Local", "", NOW)
    )
    day = timedelta(days=1)
    statistics = ScanStatistics(MongoCounts(mongo.database("antivirus"), kept=day, days_kept=400 * day), lambda: NOW)
    return BuiltinEngine(
        "builtin", known, statistics, limits=ArchiveLimits(), threads=1, loop_limit_bytes=64 * 1024, deadline=PATIENCE
    )


def clamav(text: str) -> ClamdEngine:
    return ClamdEngine("clamav", EngineAddress.read(text), connections=4, deadline=PATIENCE, probe_deadline=PATIENCE)


async def yara(directory: Path) -> YaraEngine:
    """It knows the local specimen by a rule."""
    text = LOCAL_SPECIMEN.decode("ascii")
    rule = f'rule local {{ meta: name = "Facteur.Test.Local" strings: $a = "{text}" condition: not message and $a }}'
    (directory / "local.yar").write_text(rule)
    made = YaraEngine(
        "yara", RuleFiles(directory), limits=ArchiveLimits(), threads=1, loop_limit_bytes=64 * 1024, deadline=PATIENCE
    )
    await made.probe()
    return made


@pytest.fixture(params=["builtin", "yara", "clamav over TCP", "clamav over a Unix socket"])
async def engine(
    request: pytest.FixtureRequest, mongo: Mongo, clamd: ClamdServer, tmp_path: Path
) -> AsyncIterator[Engine]:
    made: Engine
    match request.param:
        case "builtin":
            made = await builtin(mongo)
        case "yara":
            made = await yara(tmp_path)
        case "clamav over TCP":
            made = clamav(clamd.tcp)
        case _:
            made = clamav(clamd.unix)
    yield made
    await made.close()


async def viruses(engine: Engine, raw: bytes) -> list[str]:
    return [seen.name for seen in await engine.scan(ScanItem(raw)) if seen.kind is DetectionKind.VIRUS]


async def test_it_proves_that_it_scans(engine: Engine) -> None:
    assert (await engine.probe()).version


INFECTED = {
    "EICAR as a file": EICAR,
    "EICAR attached": a_message(attachments={"x.com": EICAR}),
    "EICAR in a zip": a_message(attachments={"a.zip": zipped({"x.com": EICAR})}),
    "a signature of our own as a file": LOCAL_SPECIMEN,
    "a signature of our own attached": a_message(attachments={"a.bin": LOCAL_SPECIMEN}),
    "a signature of our own in a zip": a_message(attachments={"a.zip": zipped({"a.bin": LOCAL_SPECIMEN})}),
}


@pytest.mark.parametrize("raw", INFECTED.values(), ids=INFECTED)
async def test_it_finds_what_it_knows(engine: Engine, raw: bytes) -> None:
    (name,) = await viruses(engine, raw)
    assert name.startswith(("Eicar-Test-Signature", "Facteur.Test.Local"))


CLEAN = {
    "a message": a_message(),
    "a message with an attachment": a_message(attachments={"a.pdf": b"%PDF-1.7", "b.zip": zipped({"a.txt": b"x"})}),
    "a file": b"just a file",
    "nothing": b"",
    "3 MB": a_message(attachments={"a.bin": bytes(range(256)) * 12_000}),
}


@pytest.mark.parametrize("raw", CLEAN.values(), ids=CLEAN)
async def test_it_lets_clean_mail_pass(engine: Engine, raw: bytes) -> None:
    assert list(await engine.scan(ScanItem(raw))) == []


async def test_scans_at_the_same_time_get_their_own_answers(engine: Engine) -> None:
    mixed = [a_message(b"%d" % n, attachments={"x.com": EICAR} if n % 3 == 0 else None) for n in range(60)]
    found = await asyncio.gather(*(viruses(engine, raw) for raw in mixed))
    assert [bool(names) for names in found] == [n % 3 == 0 for n in range(60)]
