"""External engines and image processes: real spamd, Rspamd and tesseract, running, dead and hanging."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.envelope import Temporary, queues
from services.antispam.engines.engine_address import SpamdAddress
from services.antispam.engines.rspamd import Rspamd
from services.antispam.engines.spamd import Spamd
from services.antispam.images.model import ImageLimits
from services.antispam.images.worker_pool import ImageWorkerPool, worker_command
from tests.servers.rspamd import RspamdServer
from tests.servers.spamd import GTUBE, SpamdServer
from tests.specimens.antispam import a_message, a_view
from tests.specimens.images import LINES, a_message_with, drawn, encoded

LANGUAGES = str(next(Path("/usr/share/tesseract-ocr").glob("*/tessdata")))
HAM = a_message()
SPAM = a_message(b"hello\r\n" + GTUBE + b"\r\n")
PILLS = a_message(subject="VIAGRA", without=("Date", "Message-ID"))
PATIENCE = timedelta(seconds=60)


@pytest.fixture(scope="module")
def spamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpamdServer]:
    server = SpamdServer(tmp_path_factory.mktemp("spamd"))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RspamdServer]:
    server = RspamdServer(tmp_path_factory.mktemp("rspamd"))
    server.start()
    yield server
    server.close()


def asking_spamd(address: str, deadline: timedelta = PATIENCE) -> Spamd:
    return Spamd(
        SpamdAddress.parse(address), hostname="mx.example.org", connections=2, limit_bytes=100_000, deadline=deadline
    )


def asking_rspamd(address: str, deadline: timedelta = PATIENCE) -> Rspamd:
    return Rspamd(
        address, hostname="mx.example.org", required=6.0, connections=2, limit_bytes=100_000, deadline=deadline
    )


async def test_spamd_scores_a_message_over_tcp_and_a_unix_socket(spamd: SpamdServer) -> None:
    assert (await asking_spamd(spamd.unix).scan(a_view(SPAM))).score > 900
    engine = asking_spamd(spamd.address)
    opinions = await asyncio.gather(*(engine.scan(a_view(raw)) for raw in (SPAM, HAM, PILLS)))
    assert opinions[0].score > 900
    assert opinions[0].required == 5.0
    assert "GTUBE" in opinions[0].symbols
    assert opinions[1].score < 5.0
    assert {"MISSING_DATE", "MISSING_MID"} <= set(opinions[2].symbols)


async def test_a_message_whose_last_line_has_no_end_is_judged_as_well(spamd: SpamdServer, rspamd: RspamdServer) -> None:
    for engine in (asking_spamd(spamd.address), asking_rspamd(rspamd.address)):
        assert (await engine.scan(a_view(HAM.rstrip()))).score < 5
        await engine.close()


async def test_rspamd_scores_a_message(rspamd: RspamdServer) -> None:
    engine = asking_rspamd(rspamd.address)
    spam, ham, pills, forged = await asyncio.gather(
        *(engine.scan(a_view(raw)) for raw in (SPAM, HAM, PILLS)),
        engine.scan(a_view(HAM, mail_from="jean\r\nIP: 127.0.0.1\r\n\r\n@elsewhere.example")),
    )
    await engine.close()
    assert spam.score >= 15
    assert ham.score < 6
    assert {"MISSING_DATE", "MISSING_MID"} <= set(pills.symbols)
    assert forged.score > ham.score  # no field of the request was added; it holds the address for broken


async def test_an_engine_that_hangs_costs_its_deadline_and_no_more(spamd: SpamdServer, rspamd: RspamdServer) -> None:
    for server, ask in ((spamd, asking_spamd), (rspamd, asking_rspamd)):
        engine: Any = ask(server.address, timedelta(seconds=0.5))
        server.pause()
        try:
            with pytest.raises(Temporary, match="no answer within 0"):
                await engine.scan(a_view(HAM))
        finally:
            server.resume()
            await engine.close()


async def test_an_engine_that_is_not_there_is_temporary(free_port: Any) -> None:
    dead = free_port()
    for engine in (asking_spamd(f"tcp://127.0.0.1:{dead}"), asking_rspamd(f"http://127.0.0.1:{dead}")):
        with pytest.raises(Temporary):
            await engine.scan(a_view(HAM))
        await engine.close()


async def test_another_server_at_the_address_is_temporary(spamd: SpamdServer, rspamd: RspamdServer) -> None:
    for engine in (  # Rspamd's normal worker speaks spamd's protocol as well, its controller does not
        asking_spamd(f"tcp://127.0.0.1:{rspamd.controller_port}"),
        asking_rspamd(f"http://127.0.0.1:{spamd.port}"),
    ):
        with pytest.raises(Temporary):
            await engine.scan(a_view(HAM))
        await engine.close()


def workers_of(command: Sequence[str], deadline: timedelta = PATIENCE) -> ImageWorkerPool:
    return ImageWorkerPool(
        command,
        reads_text=True,
        distance=6,
        workers=1,
        deadline=deadline,
        limits=ImageLimits(images=4, octets=2_000_000),
        capacity=2,
    )


@pytest.fixture
async def workers() -> AsyncIterator[ImageWorkerPool]:
    workers = workers_of(worker_command(data=LANGUAGES, languages="eng", pixels=16_000_000))
    yield workers
    await workers.close()


def processes(program: str = "services.antispam.images.worker") -> list[int]:
    """Return the pids of child processes that run `program`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and program.encode() in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_tesseract_reads_images_one_process_after_the_other_and_each_image_once(workers: ImageWorkerPool) -> None:
    assert processes() == []
    image = encoded(drawn(*LINES))
    both = await asyncio.gather(workers.read_image(image), workers.read_image(image))
    assert both[0] is both[1]  # a mass mailing is read once
    assert "cheap watches" in both[0].text
    assert both[0].fingerprint is not None
    (pid,) = processes()
    assert (await workers.read_image(b"no image")).fingerprint is None
    assert await workers.read_image(image) is both[0]
    assert processes() == [pid]
    await workers.close()
    assert processes() == []


@pytest.mark.parametrize(
    ("command", "deadline", "reason"),
    [
        (("sleep", "1000"), timedelta(seconds=0.2), "longer than 0.2 seconds"),
        (("head", "-c", "4"), PATIENCE, "ended"),  # it dies of what it reads
        (("yes",), PATIENCE, "ended"),  # it talks nonsense
    ],
)
async def test_a_process_that_hangs_or_dies_is_killed_and_its_image_not_tried_again(
    command: Sequence[str], deadline: timedelta, reason: str
) -> None:
    workers = workers_of(command, deadline)
    for image in (b"the deadly one", b"another"):  # each has a process of its own
        with pytest.raises(Temporary, match=reason):
            await workers.read_image(image)
    assert processes(command[0]) == []
    with pytest.raises(Temporary, match="before"):
        await workers.read_image(b"the deadly one")
    await workers.close()


async def test_images_are_read_and_known_again_through_the_api_and_the_chain(start: Any, post: Any) -> None:
    replica = await start(ocr_data_directory=LANGUAGES, image_deadline=PATIENCE)
    rule = {"kind": "keyword", "pattern": "(?i)cheap watches", "score": 9}
    await replica.call("PUT", "/v1/rules/keyword/watches", json=rule)
    mail = a_message_with(encoded(drawn(*LINES)))
    assert await replica.outcome("image_text", mail) == "hit"
    assert await replica.outcome("image_text", a_message_with(encoded(drawn("Good morning")))) == "miss"
    verdict = (await post.taken(await post.send(mail)))[queues.ROUTER].envelope.verdicts["example.org"]
    assert verdict.spam
    assert [test.name for test in verdict.tests if test.score == 9] == ["image_text"]

    plain = encoded(drawn(size=(30, 30)).resize((10, 10)))
    await replica.call("POST", "/v1/images/learn", content=plain, expect=422)
    learned = (await replica.call("POST", "/v1/images/learn", content=encoded(drawn(*LINES)), expect=201)).json()
    again = {"fingerprint": learned["fingerprint"].upper(), "comment": "twice is once"}
    assert (await replica.call("POST", "/v1/images", json=again, expect=200)).json()["id"] == learned["id"]
    await replica.call("POST", "/v1/images", json={"fingerprint": "12"}, expect=422)
    assert [image["comment"] for image in (await replica.get("/v1/images"))["items"]] == ["twice is once"]
    changed = a_message_with(encoded(drawn(*LINES, speckled=True).resize((731, 290)), "JPEG", quality=50))
    assert await replica.outcome("image_fingerprint", changed) == "hit"
    await replica.call("DELETE", f"/v1/images/{learned['id']}", expect=204)
    await replica.call("GET", f"/v1/images/{learned['id']}", expect=404)
    assert await replica.outcome("image_fingerprint", changed) == "miss"


@pytest.fixture
def hanging(tmp_path: Path) -> str:
    """Return a directory of language data in which tesseract hangs: its file is a pipe without a writer."""
    os.mkfifo(tmp_path / "eng.traineddata")
    return str(tmp_path)


async def test_mail_flows_past_a_dead_dns_a_dead_rspamd_and_a_hanging_tesseract_and_says_so(
    start: Any, post: Any, free_port: Any, spamd: SpamdServer, hanging: str
) -> None:
    replica = await start(
        dns_port=free_port(),  # nobody is there
        dns_timeout=0.5,
        rspamd=f"http://127.0.0.1:{free_port()}",
        spamd=spamd.address,
        engine_deadline=PATIENCE,
        ocr_data_directory=hanging,
        image_deadline=timedelta(seconds=3),  # longer than its process needs to start
    )
    rule = {"kind": "keyword", "pattern": "(?i)cheap watches", "score": 9}
    await replica.call("PUT", "/v1/rules/keyword/watches", json=rule)
    mail = a_message_with(encoded(drawn(*LINES)), subject=GTUBE.decode())
    envelope = (await post.taken(await post.send(mail), within=60))[queues.ROUTER].envelope
    found = {test.name: test for test in envelope.verdicts["example.org"].tests}
    for silent in ("spf", "reverse_dns", "invalid_mx", "dmarc", "rspamd"):
        assert found[silent].outcome == "error"
    assert found["image_text"].outcome == "error"
    assert "longer than 3 seconds" in found["image_text"].reason
    assert found["spamassassin"].score == 10
    assert processes() == []  # killed: it holds neither the mail nor its place
