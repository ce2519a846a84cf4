"""A whole process, from the outside: signals, exit codes, and the one line that says what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from libs.bus.embedded import EmbeddedBus
from libs.settings import API_PORTS
from tests.servers.facteur import free_port_base

ROOT = Path(__file__).parents[3]
OURS = ("FACTEUR_", "PYTHONDONTWRITEBYTECODE")  # compiled once, a process starts sooner
TINY = [str(Path(__file__).parent / "tiny.py"), "quota"]


class Process:
    """A process in `directory`, with everything embedded but MongoDB."""

    def __init__(self, directory: Path, mongo_url: str) -> None:
        self.directory = directory
        self.base = free_port_base()
        self._mongo_url = mongo_url
        self._running: subprocess.Popen[str] | None = None

    def start(self, *command: str, **environ: str) -> None:
        own = {"PYTHONPATH": str(ROOT), "FACTEUR_MONGO_URL": self._mongo_url, "FACTEUR_PORT_BASE": str(self.base)}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        files = {name: (self.directory / name).open("w") for name in ("out", "err")}
        self._running = subprocess.Popen(
            [sys.executable, *command], cwd=self.directory, env={**inherited, **own, **environ},
            stdout=files["out"], stderr=files["err"], text=True,
        )  # fmt: skip
        for file in files.values():
            file.close()

    def url(self, path: str, service: str = "quota") -> str:
        return f"http://127.0.0.1:{API_PORTS[service] + self.base}{path}"

    def status(self, path: str) -> int:
        try:
            return httpx.get(self.url(path), trust_env=False).status_code
        except httpx.TransportError:
            return 0

    def call(self, method: str, path: str) -> httpx.Response:
        """As the administrator."""
        token = (self.directory / "var/admin-token").read_text().strip()
        return httpx.request(method, self.url(path), headers={"Authorization": f"Bearer {token}"}, trust_env=False)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, self.err()
            assert self.running.poll() is None, self.err()
            time.sleep(0.01)

    def until_ready(self) -> None:
        self.until(lambda: self.status("/readyz") == 200)

    @property
    def running(self) -> subprocess.Popen[str]:
        assert self._running is not None
        return self._running

    def signal(self, number: signal.Signals) -> None:
        self.running.send_signal(number)

    def ends(self) -> int:
        return self.running.wait(30)

    def touch(self, name: str) -> None:
        (self.directory / name).touch()

    def out(self) -> list[str]:
        return (self.directory / "out").read_text().splitlines()

    def err(self) -> str:
        return (self.directory / "err").read_text()

    def kill(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()


@pytest.fixture
def process(tmp_path: Path, mongo_url: str) -> Iterator[Process]:
    process = Process(tmp_path, mongo_url)
    yield process
    process.kill()


async def depths(directory: Path) -> dict[str, int]:
    """What waits in the queues of an ended process."""
    bus = EmbeddedBus(directory / "var/bus")
    await bus.start()
    await bus.declare("mail.quota", "mail.next")
    found = {queue: await bus.depth(queue) for queue in ("mail.quota", "mail.next")}
    await bus.close()
    assert not any(depth.dead for depth in found.values())
    return {queue: depth.ready + depth.pending for queue, depth in found.items()}


def test_a_signal_lets_the_message_in_hand_finish(process: Process) -> None:
    process.start(*TINY)
    process.until_ready()
    assert process.call("GET", "/loop").json() == "uvloop"
    assert process.call("POST", "/send").is_success
    process.until(lambda: "taken" in process.out())
    process.signal(signal.SIGTERM)
    process.until(lambda: process.status("/readyz") == 503)
    process.signal(signal.SIGTERM)  # a second one changes nothing
    assert process.status("/healthz") == 200
    process.touch("go")
    assert process.ends() == 0
    assert process.out()[-2:] == ["handler ended", "quota closed"]
    assert asyncio.run(depths(process.directory)) == {"mail.quota": 0, "mail.next": 1}


def test_what_does_not_finish_in_time_is_given_back(process: Process) -> None:
    process.start(*TINY, FACTEUR_DRAIN_DEADLINE="0.3")
    process.until_ready()
    assert process.call("POST", "/send").is_success
    process.until(lambda: "taken" in process.out())
    process.signal(signal.SIGTERM)
    assert process.ends() == 0
    # The handler ended before what it uses was closed, so that it failed of nothing else.
    assert process.out() == ["taken", "handler ended", "quota closed"]
    assert '"event":"deliveries_returned"' in process.err()
    assert "handler_failed" not in process.err()
    assert asyncio.run(depths(process.directory)) == {"mail.quota": 1, "mail.next": 0}


def test_background_work_that_fails_is_logged_and_the_process_goes_on(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_BACKGROUND="raises")
    process.until_ready()
    process.touch("fail")
    process.until(lambda: "periodic_job_failed" in process.err())
    [failed] = [line for line in map(json.loads, process.err().splitlines()) if "_failed" in line["event"]]
    assert (failed["work"], failed["failures"]) == ("watch", 1)
    assert "KeyError: 'a bug'" in failed["exception"]
    assert process.status("/healthz") == 200
    process.signal(signal.SIGTERM)
    assert process.ends() == 0


def test_background_work_that_must_end_ends_the_process_with_a_line(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_BACKGROUND="must end")
    process.until_ready()
    process.touch("fail")
    assert process.ends() == 1
    assert process.err().splitlines()[-1] == "facteur: quota: watch: going on would do harm"
    assert process.out() == ["quota closed"]


def test_a_process_that_must_end_starts_itself_again_when_nobody_else_does(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_BACKGROUND="must end", TINY_AGAIN="1")
    process.until_ready()
    process.touch("fail")
    process.until(lambda: "starts again in 1 s" in process.err())
    assert "facteur: quota: watch: going on would do harm; starts again in 1 s (1 of 5 within 1:00:00)" in process.err()
    (process.directory / "fail").unlink()
    process.until_ready()  # the same process, for a supervisor would have seen it end
    process.signal(signal.SIGTERM)
    assert process.ends() == 0
    assert process.out() == ["quota closed", "quota closed"]


def test_a_thread_that_never_ends_does_not_keep_the_process(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_BACKGROUND="holds a thread", FACTEUR_DRAIN_DEADLINE="0.3", TINY_CLOSING="1.5")
    process.until_ready()
    process.touch("fail")
    process.until(lambda: "holding" in process.out())
    process.signal(signal.SIGTERM)
    assert process.ends() == 1
    assert process.out()[-1] == "quota closed"
    assert (
        process.err().splitlines()[-1].startswith("facteur: ended hard, not down within 1.8 s; threads: MainThread, ")
    )


def test_a_port_that_is_taken_is_one_line_before_anything_is_opened(process: Process) -> None:
    port = API_PORTS["relay"] + process.base
    with socket.create_server(("127.0.0.1", port)):
        process.start(*TINY, "relay")
        assert process.ends() == 1
    assert process.err() == f"facteur: cannot listen on 127.0.0.1:{port} (relay): Address already in use\n"
    assert process.out() == []
    assert not (process.directory / "var").exists()


def test_a_signal_while_it_starts_ends_it_at_once(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_OPENING="hangs")
    process.until(lambda: process.out() == ["opening"])
    process.signal(signal.SIGTERM)
    assert process.ends() == 0
    assert process.err() == ""


def test_what_the_operator_can_mend_is_one_line(process: Process) -> None:
    process.start(*TINY, FACTEUR_QUOTA_OPENING="value")
    assert process.ends() == 1
    assert process.err() == "facteur: engine 'x': no such engine\n"


def test_a_service_of_ours_starts_is_ready_and_stops(process: Process) -> None:
    process.start("-m", "services.quota")
    process.until_ready()
    assert (process.directory / "var/admin-token").stat().st_mode & 0o777 == 0o600
    assert process.call("GET", "/v1/dead-letters").json() == {"items": [], "next": None}
    process.signal(signal.SIGINT)
    assert process.ends() == 0
    events = [json.loads(line)["event"] for line in process.err().splitlines()]
    assert events[0] == "process_ready"
    assert events[-1] == "shutdown_started"
