"""SpamAssassin and Rspamd as Debian has them, without network tests, Bayes learned from the same folds as ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from libs.envelope import Envelope, Mail, Recipient, Temporary
from services.antispam.engines.engine_address import SpamdAddress
from services.antispam.engines.model import ExternalEngine
from services.antispam.engines.rspamd import Rspamd
from services.antispam.engines.spamd import Spamd
from services.antispam.message.mail_view import MailView
from tests.servers.rspamd import RspamdServer
from tests.servers.spamd import SpamdServer
from tools.evaluation.corpus import Specimen
from tools.evaluation.measures import FOLDS, Judged, Row, by_digest

_AT_ONCE = 2
_LIMIT = 10 * 1024 * 1024
_DEADLINE = timedelta(seconds=300)
_SYNCED = ("lock_method flock", "bayes_auto_learn 0", "use_bayes 1", "bayes_auto_expire 0")


def spamassassin(name: str, corpus: Sequence[Specimen]) -> Row:
    """Its own `sa-learn` learns all messages of the other folds, its spamd judges."""
    scores, wall, cpu = [0.0] * len(corpus), 0.0, 0.0
    folds = by_digest(corpus)
    for fold in range(FOLDS):
        with _directory() as directory:
            database = directory / "bayes"
            _sa_learn(directory, database, [one for one, its in zip(corpus, folds, strict=True) if its != fold])
            server = SpamdServer(
                directory / "spamd", config=(*_SYNCED, f"bayes_path {database}/bayes"), children=_AT_ONCE
            )
            server.start()
            try:
                address = SpamdAddress.parse(server.address)
                engine = Spamd(address, hostname="mx", connections=_AT_ONCE, limit_bytes=_LIMIT, deadline=_DEADLINE)
                spent = asyncio.run(_judge(engine, server.pid, corpus, folds, fold, scores))
            finally:
                server.close()
        wall, cpu = wall + spent[0], cpu + spent[1]
    return Row(name, Judged.of(corpus, scores), wall, cpu)


def rspamd(name: str, corpus: Sequence[Specimen]) -> Row:
    """Its controller learns all messages of the other folds into a Redis of its own."""
    scores, wall, cpu = [0.0] * len(corpus), 0.0, 0.0
    folds = by_digest(corpus)
    with _directory() as directory:
        for fold in range(FOLDS):
            with _redis(directory / f"redis-{fold}") as redis:
                server = RspamdServer(
                    directory / "rspamd", local=_with_bayes(redis), workers=_AT_ONCE, all_domains=True
                )
                server.start()
                try:
                    learned = [one for one, its in zip(corpus, folds, strict=True) if its != fold]
                    asyncio.run(_teach(server.controller_port, learned))
                    engine = Rspamd(
                        server.address,
                        hostname="mx",
                        required=6.0,
                        connections=_AT_ONCE,
                        limit_bytes=_LIMIT,
                        deadline=_DEADLINE,
                    )
                    spent = asyncio.run(_judge(engine, server.pid, corpus, folds, fold, scores))
                finally:
                    server.close()
            wall, cpu = wall + spent[0], cpu + spent[1]
    return Row(name, Judged.of(corpus, scores), wall, cpu)


async def _judge(
    engine: ExternalEngine,
    pid: int,
    corpus: Sequence[Specimen],
    folds: Sequence[int],
    fold: int,
    scores: list[float],
) -> tuple[float, float]:
    """Fill in the scores of the messages of `fold`; wall and CPU seconds of the engine's processes."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(index: int) -> None:
        view = MailView(_mail(corpus[index]))
        async with places:
            try:
                opinion = await engine.scan(view)
            except Temporary as error:
                print(f"{corpus[index].digest}: {error.reason}; once more", file=sys.stderr)
                opinion = await engine.scan(view)
        scores[index] = opinion.score

    await one(folds.index(fold))  # whatever is set up with the first message
    wall, cpu = time.perf_counter(), _cpu_seconds(pid)
    async with asyncio.TaskGroup() as group:
        for index, its in enumerate(folds):
            if its == fold:
                group.create_task(one(index))
    return time.perf_counter() - wall, _cpu_seconds(pid) - cpu


def _mail(one: Specimen) -> Mail:
    envelope = Envelope(
        id=one.digest,
        received_at=datetime(2003, 12, 31, tzinfo=UTC),
        recipients=(Recipient(address="marie@example.org", domain="example.org"),),
        size_bytes=len(one.raw),
        sha256="",
        verdicts={},
    )
    return Mail(envelope, one.raw)


def _sa_learn(directory: Path, database: Path, corpus: Sequence[Specimen]) -> None:
    database.mkdir()
    for kind in ("spam", "ham"):
        (directory / kind).mkdir()
        for one in corpus:
            if one.spam == (kind == "spam"):
                (directory / kind / one.digest).write_bytes(one.raw)
        command = ["sa-learn", "-L", "--no-sync", f"--{kind}", "--dbpath", str(database / "bayes"), "-p", os.devnull]
        subprocess.run([*command, str(directory / kind)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["sa-learn", "--sync", "--dbpath", str(database / "bayes"), "-p", os.devnull],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for path in (database, *database.iterdir()):  # spamd's children are nobody, where root starts it
        path.chmod(0o777)


def _with_bayes(redis: int) -> dict[str, str]:
    return {
        "redis.conf": f'servers = "127.0.0.1:{redis}";\n',
        "classifier-bayes.conf": 'backend = "redis";\nautolearn = false;\n',
    }


async def _teach(port: int, corpus: Sequence[Specimen]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
        for one in corpus:
            response = await http.post("/learnspam" if one.spam else "/learnham", content=one.raw)
            # 204 and 208: too few words, or known already.
            if response.status_code not in (200, 204, 208):
                raise RuntimeError(f"Rspamd does not learn: {response.status_code} {response.text[:200]}")


@contextmanager
def _redis(directory: Path) -> Iterator[int]:
    """An empty one on a free port of loopback."""
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not _connects(port):
            if process.poll() is not None:
                raise RuntimeError("redis-server ended")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cpu_seconds(session: int) -> float:
    """Of all processes in a session (proc(5): field 6), with those of their children that have ended."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def _directory() -> Iterator[Path]:
    """That others may read as well: spamd's children do."""
    path = Path(tempfile.mkdtemp(prefix="evaluation-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)
