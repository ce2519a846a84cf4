"""Mail on the queue: through all engines, to antispam or into the quarantine; nothing passes unscanned."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.bus import Event
from libs.envelope import Peer, Recipient
from libs.envelope.queues import ANTISPAM, ANTIVIRUS, QUARANTINE
from libs.events import VirusFound
from tests.integration.antivirus.harness import WITHIN, Antivirus, Start
from tests.servers.clamd import LOCAL_SPECIMEN, ClamdServer
from tests.specimens import antivirus as specimens
from tests.specimens.antivirus import EICAR, a_message
from tests.waiting import answer_when, eventually

CLEAN = a_message(attachments={"report.pdf": b"%PDF-1.7"})
INFECTED = a_message(attachments={"x.com": EICAR})


async def test_clean_mail_goes_to_antispam_and_says_who_looked(antivirus: Antivirus) -> None:
    id = await antivirus.send(CLEAN)
    queue, envelope = await antivirus.outcome(id)
    assert queue == ANTISPAM
    assert [(found.stage, found.name, found.outcome) for found in envelope.findings] == [
        ("antivirus", "builtin", "clean"),
        ("antivirus", "yara", "clean"),
    ]
    assert antivirus.arrived[id].raw == CLEAN


async def test_infected_mail_goes_to_the_quarantine_and_operators_are_told(antivirus: Antivirus) -> None:
    heard: list[VirusFound] = []

    async def hear(event: Event) -> None:
        heard.append(VirusFound.from_bus(event))

    await antivirus.shared.bus.subscribe(["VirusFound"], hear)
    id = await antivirus.send(INFECTED)
    queue, envelope = await antivirus.outcome(id)
    assert (queue, envelope.quarantine_reason) == (QUARANTINE, "virus: Eicar-Test-Signature")
    assert envelope.recipients[0].address == "jean.toto@example.org"
    assert ("builtin", "infected") in [(found.name, found.outcome) for found in envelope.findings]
    assert 'facteur_antivirus_infected_messages_total{engine="builtin"} 1.0' in await antivirus.series()
    await eventually(lambda: bool(heard))
    assert heard == [VirusFound(id=id, names=["Eicar-Test-Signature"], engines=["builtin", "yara"])]


HELD = {
    "a bomb": (a_message(attachments={"a.zip": specimens.zeros_zip(2**30)}), "archive_limit: "),
    "a disguised program": (a_message(attachments={"a.pdf": specimens.program()}), "disguised: "),
    "10,000 levels of MIME": (specimens.deep_mime(10_000), "mime_limit: "),
    "a slice": (specimens.HEADERS + b"Content-Type: message/partial\r\n\r\nx", "partial: "),
}


@pytest.mark.parametrize(("raw", "reason"), HELD.values(), ids=HELD)
async def test_what_nobody_can_look_into_is_held(antivirus: Antivirus, raw: bytes, reason: str) -> None:
    queue, envelope = await antivirus.outcome(await antivirus.send(raw))
    assert queue == QUARANTINE
    assert envelope.quarantine_reason.startswith(reason)


@pytest.mark.parametrize(("action", "expected"), [("tag", ANTISPAM), ("pass", ANTISPAM), ("quarantine", QUARANTINE)])
async def test_each_kind_has_its_policy(start: Start, action: str, expected: str) -> None:
    antivirus = await start(on_macro=action)
    raw = a_message(attachments={"a.doc": specimens.ole("_VBA_PROJECT")})
    queue, envelope = await antivirus.outcome(await antivirus.send(raw))
    assert queue == expected
    assert ("macro", action) in [(found.name, found.outcome) for found in envelope.findings]


async def test_an_archive_that_only_clamd_opens_is_judged_by_clamd_where_there_is_one(
    start: Start, clamd: ClamdServer
) -> None:
    raw = a_message(attachments={"a.cab": b"MSCF\0\0\0\0" + b"x" * 50})
    alone, together = await start(), await start(engines=("builtin", clamd.unix))
    answers = [await process.scan(raw) for process in (alone, together)]
    assert [answer["action"] for answer in answers] == ["tag", "pass"]


async def test_mail_that_leaves_is_scanned_like_mail_that_comes(antivirus: Antivirus) -> None:
    sender = {
        "listener": "submission",
        "peer": Peer(account="jean.toto@example.org"),
        "mail_from": "jean.toto@example.org",
    }
    elsewhere = (Recipient(address="paul@example.com"),)
    infected = await antivirus.send(INFECTED, recipients=elsewhere, **sender)
    clean = await antivirus.send(CLEAN, recipients=elsewhere, **sender)
    assert (await antivirus.outcome(infected))[0] == QUARANTINE
    queue, envelope = await antivirus.outcome(clean)
    assert (queue, [found.outcome for found in envelope.findings]) == (ANTISPAM, ["clean", "clean"])


async def test_rules_change_without_a_restart_and_broken_ones_are_seen(start: Start, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    antivirus = await start(engines=("yara",), yara_rules=rules)

    async def engine() -> Any:
        return (await antivirus.call("GET", "/v1/engines"))["items"][0]

    before = await engine()
    (rules / "a.yar").write_text('rule Worm_B { strings: $a = "a pattern of a new worm" condition: $a }')
    after = await answer_when(engine, lambda now: now["signature_version"] != before["signature_version"])
    assert (before["signature_age_seconds"], after["stale"], after["trouble"]) == (None, False, "")
    assert after["signature_age_seconds"] is not None
    queue, envelope = await antivirus.outcome(await antivirus.send(a_message(b"a pattern of a new worm")))
    assert (queue, envelope.quarantine_reason) == (QUARANTINE, "virus: Worm_B")
    (rules / "a.yar").write_text("rule Worm_B { condition: nonsense }")
    broken = await answer_when(engine, lambda now: now["trouble"])
    assert (broken["up"], broken["trouble"].startswith("a.yar: ")) == (True, True)
    assert 'facteur_antivirus_signatures_broken{engine="yara"} 1.0' in await antivirus.series()
    assert (await antivirus.scan(b"a pattern of a new worm"))["infected"]


async def test_a_large_message_is_scanned_whole(antivirus: Antivirus) -> None:
    noise = random.Random(1).randbytes(3_000_000)
    clean = await antivirus.send(a_message(attachments={"a.bin": noise}))
    infected = await antivirus.send(a_message(attachments={"a.bin": noise, "x.com": EICAR}))
    assert (await antivirus.outcome(clean))[0] == ANTISPAM
    assert (await antivirus.outcome(infected))[0] == QUARANTINE


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_two_engines_look_at_every_message(start: Start, clamd: ClamdServer, way: str) -> None:
    antivirus = await start(engines=("builtin", getattr(clamd, way)))
    _, envelope = await antivirus.outcome(await antivirus.send(CLEAN))
    assert [(found.name, found.outcome) for found in envelope.findings] == [("builtin", "clean"), ("clamav", "clean")]
    queue, envelope = await antivirus.outcome(await antivirus.send(a_message(LOCAL_SPECIMEN)))
    assert (queue, envelope.quarantine_reason) == (QUARANTINE, "virus: Facteur.Test.Local.UNOFFICIAL")


async def test_while_clamd_is_down_mail_waits_and_readiness_says_so(start: Start, clamd: ClamdServer) -> None:
    antivirus = await start(engines=("builtin", clamd.tcp))
    assert await antivirus.missing() == {}
    clamd.stop()
    try:
        waiting = [await antivirus.send(a_message(b"%d" % n)) for n in range(5)]
        held = await antivirus.send(INFECTED)
        # What one engine knows to be infected need not wait for the other.
        assert (await antivirus.outcome(held))[0] == QUARANTINE
        await _until_engines_are(antivirus, "down")
        assert (await antivirus.shared.bus.depth(ANTIVIRUS)).pending == len(waiting)
        assert 'facteur_antivirus_engine_up{engine="clamav"} 0.0' in await antivirus.series()
        await antivirus.scan(CLEAN, expect=503)
        assert not antivirus.arrived.keys() & set(waiting)
    finally:
        clamd.start()
    assert {(await antivirus.outcome(id))[0] for id in waiting} == {ANTISPAM}
    await _until_engines_are(antivirus, "up")


async def test_while_clamd_hangs_mail_waits_too(start: Start, clamd: ClamdServer) -> None:
    antivirus = await start(engines=("builtin", clamd.unix), engine_deadline=timedelta(seconds=1))
    clamd.pause()
    try:
        id = await antivirus.send(CLEAN)
        await _until_engines_are(antivirus, "down")
        assert id not in antivirus.arrived
    finally:
        clamd.resume()
    assert (await antivirus.outcome(id))[0] == ANTISPAM
    await _until_engines_are(antivirus, "up")


async def test_a_service_that_starts_before_its_clamd_waits_for_it(start: Start, clamd: ClamdServer) -> None:
    clamd.stop()
    try:
        antivirus = await start(engines=(clamd.tcp,))
        id = await antivirus.send(CLEAN)
        assert "engines" in await antivirus.missing()
    finally:
        clamd.start()
    assert (await antivirus.outcome(id))[0] == ANTISPAM


async def _until_engines_are(antivirus: Antivirus, state: str) -> None:
    """Down or up; the service itself answers all the while."""
    async with asyncio.timeout(WITHIN):
        while ("engines" in (missing := await antivirus.missing())) != (state == "down"):
            await asyncio.sleep(0.05)
    assert state == "up" or missing["engines"].startswith("clamav: ")
