"""The YARA engine on real rules: what it looks at, how rules change while it runs, and what it may spend."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from libs.envelope import Temporary
from libs.mail.message import parse
from services.antivirus.adapters.yara import YaraEngine
from services.antivirus.adapters.yara_rules import RuleFiles
from services.antivirus.domain.budget import ArchiveLimits
from services.antivirus.domain.detections import Detection, DetectionKind
from services.antivirus.ports import ScanItem
from tests.specimens import office
from tests.specimens.antivirus import EICAR, a_message, encrypted_zip, nested_zip, program, tnef, zeros_zip, zipped

MARK = b"the mark of a rule"
RULE = 'rule marked { strings: $mark = "the mark of a rule" condition: not message and $mark }'
SEEN = Detection(DetectionKind.VIRUS, "marked")


def engine_on(directory: Path | None, limits: ArchiveLimits | None = None) -> YaraEngine:
    return YaraEngine(
        "yara",
        RuleFiles(directory),
        limits=limits or ArchiveLimits(),
        threads=2,
        loop_limit_bytes=64 * 1024,
        deadline=timedelta(seconds=60),
    )


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[YaraEngine]:
    """With one rule of its own beside those that come with the program."""
    (tmp_path / "marked.yar").write_text(RULE)
    made = engine_on(tmp_path)
    await made.probe()
    yield made
    await made.close()


async def seen_by(engine: YaraEngine, raw: bytes) -> list[Detection]:
    return list(await engine.scan(ScanItem(raw, parse(raw))))


EVERYWHERE = {
    "the text": a_message(MARK),
    "a part in base64": a_message(attachments={"a.bin": MARK}),
    "a zip": a_message(attachments={"a.zip": zipped({"x": MARK})}),
    "a zip in a zip in a zip": a_message(attachments={"a.zip": nested_zip(MARK, 3)}),
    "winmail.dat": a_message(attachments={"winmail.dat": tnef(MARK, "x")}),
    "the text of a macro": a_message(
        attachments={
            "a.docm": office.word({"word/vbaProject.bin": office.vba_project(b"Attribute VB_Name\r\n" + MARK)})
        }
    ),
    "a large message": a_message(b"x" * 2_000_000, attachments={"a.bin": MARK}),
}


@pytest.mark.parametrize("raw", EVERYWHERE.values(), ids=EVERYWHERE)
async def test_rules_see_every_part_decoded_and_what_is_inside(engine: YaraEngine, raw: bytes) -> None:
    assert SEEN in await seen_by(engine, raw)


SHIPPED = {
    "EICAR": (EICAR, "x.com", DetectionKind.VIRUS),
    "EICAR in a zip": (zipped({"x": EICAR}), "a.zip", DetectionKind.VIRUS),
    "a program in a page": (
        b"<html><script>var file='" + b64encode(b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0") + b"'</script>",
        "a.html",
        DetectionKind.DISGUISED,
    ),
    "a page that builds a file": (
        b"<script>var a=document.createElement('a');a.href=URL.createObjectURL(new Blob([atob(x)]));"
        b"a.download = 'invoice.zip';a.click()</script>",
        "a.html",
        DetectionKind.SUSPICIOUS,
    ),
    "a script that downloads": (
        b'CreateObject("WScript.Shell"):CreateObject("MSXML2.XMLHTTP"):CreateObject("ADODB.Stream").SaveToFile x',
        "a.vbs",
        DetectionKind.SUSPICIOUS,
    ),
    "a shortcut": (
        b"L\0\0\0\x01\x14\x02\0" + b"\0" * 60 + "PowerShell.exe".encode("utf-16-le"),
        "a.lnk",
        DetectionKind.DISGUISED,
    ),
    "an RTF that loads an object": (
        rb"{\rtf1{\object\objupdate{\*\objdata 0105}}}",
        "a.rtf",
        DetectionKind.OFFICE_LINK,
    ),
    "an RTF with a template from elsewhere": (
        rb"{\rtf1{\*\template https://evil.example/t}}",
        "a.rtf",
        DetectionKind.OFFICE_LINK,
    ),
    "the diagnostic tool": (
        b"location='ms-msdt:/id PCWDiagnostic IT_BrowseForFile=x'",
        "a.html",
        DetectionKind.OFFICE_LINK,
    ),
    "a PDF that starts a program": (
        b"%PDF-1.7 <</S /Launch /Win <</F (cmd.exe)>>>>",
        "a.pdf",
        DetectionKind.SUSPICIOUS,
    ),
    "a table that starts a program": (b"name;=cmd|'/c calc'!A0\r\n", "a.csv", DetectionKind.OFFICE_LINK),
}
HONEST = {
    "a text": a_message(b"Bonjour, le rapport est pret. cmd.exe, powershell and atob( are words.\r\n"),
    "a program that does not hide": a_message(attachments={"setup.exe": program(5000)}),
    "a page": a_message(attachments={"a.html": b"<html><script>var x = new Blob([])</script></html>"}),
    "a PDF": a_message(attachments={"a.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"}),
    "an RTF": a_message(attachments={"a.rtf": rb"{\rtf1 hello {\*\template C:\\Normal.dotm}}"}),
    "a document": a_message(attachments={"a.docx": office.word()}),
    "nothing": b"",
}


@pytest.mark.parametrize(("octets", "name", "kind"), SHIPPED.values(), ids=SHIPPED)
async def test_the_shipped_rules_hit_what_they_are_for(octets: bytes, name: str, kind: DetectionKind) -> None:
    engine = engine_on(None)
    await engine.probe()
    assert kind in {seen.kind for seen in await seen_by(engine, a_message(attachments={name: octets}))}
    await engine.close()


@pytest.mark.parametrize("raw", HONEST.values(), ids=HONEST)
async def test_the_shipped_rules_leave_honest_mail_alone(engine: YaraEngine, raw: bytes) -> None:
    assert await seen_by(engine, raw) == []


async def test_before_rules_are_read_nothing_is_clean(tmp_path: Path) -> None:
    engine = engine_on(tmp_path / "missing")
    with pytest.raises(Temporary, match="no directory"):
        await engine.probe()
    with pytest.raises(Temporary, match="no rules"):
        await engine.scan(ScanItem(b""))
    await engine.close()


async def test_a_changed_file_counts_from_the_next_probe_on(engine: YaraEngine, tmp_path: Path) -> None:
    before = await engine.probe()
    assert await engine.probe() == before
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "more.yara").write_text(RULE.replace("marked", "more").replace("the mark", "another mark"))
    after = await engine.probe()
    assert after.version != before.version
    assert await seen_by(engine, a_message(b"another mark of a rule")) == [Detection(DetectionKind.VIRUS, "more")]
    (tmp_path / "marked.yar").unlink()
    await engine.probe()
    assert await seen_by(engine, a_message(MARK)) == []


BROKEN = {
    "no rule": b"rule x { condition: nonsense }",
    "no text": b"\xff\xfe\0",
    "an include": b'include "/etc/hosts"',
    "an unknown module": b'import "nonsense" rule x { condition: true }',
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN)
async def test_a_broken_file_keeps_its_old_rules_and_is_seen(engine: YaraEngine, tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "marked.yar").write_bytes(octets)
    (tmp_path / "new.yar").write_text(RULE.replace("marked", "new").replace("the mark", "a new mark"))
    signatures = await engine.probe()
    assert signatures.trouble.startswith("marked.yar: ")
    assert SEEN in await seen_by(engine, a_message(MARK))
    assert [seen.name for seen in await seen_by(engine, a_message(b"a new mark of a rule"))] == ["new"]
    (tmp_path / "marked.yar").write_text(RULE)
    assert (await engine.probe()).trouble == ""


async def test_a_directory_that_goes_away_keeps_its_rules_and_is_seen(engine: YaraEngine, tmp_path: Path) -> None:
    os.rename(tmp_path, tmp_path.with_suffix(".away"))
    assert "no directory" in (await engine.probe()).trouble
    assert SEEN in await seen_by(engine, a_message(MARK))


async def test_the_files_of_a_mounted_config_map_count_once(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "rules.yar").write_text(RULE)
    os.symlink("..2026", tmp_path / "..data")
    os.symlink("..data/rules.yar", tmp_path / "rules.yar")
    engine = engine_on(tmp_path)
    assert (await engine.probe()).released_at is not None
    assert await seen_by(engine, a_message(MARK)) == [SEEN]
    await engine.close()


async def test_a_rule_says_by_its_meta_what_a_match_is(engine: YaraEngine, tmp_path: Path) -> None:
    meta = 'meta: kind = "{}" name = "A name"'
    for kind in ("suspicious", "fingerprint", "nonsense"):
        (tmp_path / f"{kind}.yar").write_text(RULE.replace("strings:", meta.format(kind) + " strings:"))
    (tmp_path / "named.yar").write_text(
        'rule named { condition: extension == ".scr" and filename == "a.scr" and filetype == "image/png" }'
    )
    await engine.probe()
    raw = a_message(attachments={"a.scr": MARK}, type="image/png")
    assert set(await seen_by(engine, raw)) == {
        SEEN,
        Detection(DetectionKind.SUSPICIOUS, "A name"),
        Detection(DetectionKind.VIRUS, "A name"),
        Detection(DetectionKind.VIRUS, "named"),
    }


SLOW = "rule slow { condition: for all i in (0 .. 1000000000000) : (uint8(i % 100) != 255) }"


async def test_a_rule_that_takes_too_long_is_a_finding_and_does_not_keep_the_loop_waiting(tmp_path: Path) -> None:
    (tmp_path / "slow.yar").write_text(SLOW)
    engine = engine_on(tmp_path, ArchiveLimits(seconds=0.5))
    await engine.probe()
    await seen_by(engine, a_message())  # once, so that it is known to be slow
    scan = asyncio.create_task(seen_by(engine, a_message()))
    turns = 0
    while not scan.done():
        await asyncio.sleep(0)
        turns += 1
    assert [seen.kind for seen in await scan] == [DetectionKind.UNSCANNABLE]
    assert turns > 100
    await engine.close()


async def test_scans_in_several_threads_keep_apart_what_they_look_at(engine: YaraEngine, tmp_path: Path) -> None:
    (tmp_path / "named.yar").write_text('rule named { condition: filename == "odd" }')
    await engine.probe()
    zips = [zipped({("odd" if n % 2 else "even"): bytes(20_000) + b"%d" % n}) for n in range(40)]
    found = await asyncio.gather(*(seen_by(engine, octets) for octets in zips))
    viruses = [any(one.kind is DetectionKind.VIRUS for one in seen) for seen in found]
    assert viruses == [bool(n % 2) for n in range(40)]


async def test_of_many_detections_enough_are_kept_and_one_of_each_kind(engine: YaraEngine) -> None:
    files = b"".join(specimen_of_password(n) for n in range(300))
    seen = await seen_by(engine, a_message(attachments={"a.zip": files, "b.bin": MARK}))
    assert len(seen) == 51
    assert SEEN in seen


def specimen_of_password(number: int) -> bytes:
    """A file of a zip that needs a password, without a directory."""
    return encrypted_zip(f"{number}.txt").partition(b"PK\1\2")[0]


async def test_a_bomb_is_a_finding(engine: YaraEngine) -> None:
    raw = a_message(attachments={"a.zip": zeros_zip(2**30), "b.bin": MARK})
    assert {seen.kind for seen in await seen_by(engine, raw)} == {DetectionKind.ARCHIVE_LIMIT, DetectionKind.VIRUS}


async def test_a_pattern_that_is_found_a_million_times_is_found(engine: YaraEngine, tmp_path: Path) -> None:
    (tmp_path / "many.yar").write_text('rule many { strings: $a = "abcd" condition: #a > 10 }')
    await engine.probe()
    raw = a_message(b"abcd" * 1_200_000)
    assert Detection(DetectionKind.VIRUS, "many") in await seen_by(engine, raw)


async def test_scans_go_on_while_rules_change(engine: YaraEngine, tmp_path: Path) -> None:
    raw = a_message(attachments={"a.zip": zipped({"x": MARK})})
    for n in range(20):
        (tmp_path / "more.yar").write_text(RULE.replace("marked", f"more_{n}"))
        found = await asyncio.gather(engine.probe(), *(seen_by(engine, raw) for _ in range(5)))
        assert all(SEEN in seen for seen in found[1:])  # type: ignore[operator]
