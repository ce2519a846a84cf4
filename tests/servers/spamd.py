"""A real spamd (SpamAssassin) as a child process on a free loopback port and a Unix socket, with local tests only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ports import free_port

SPAMD = "/usr/sbin/spamd"
UP_WITHIN = 60.0
DOWN_WITHIN = 10.0

# SpamAssassin's own specimen (GTUBE), which every spamd takes for spam with 1000 points.
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class SpamdServer:
    """`start` and `close` block until the thing is done; `config` are lines of local.cf."""

    def __init__(self, directory: Path, *, config: Sequence[str] = (), children: int = 1) -> None:
        self._directory = directory
        self._config = config
        self._children = children
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.unix = f"unix:{directory / 'spamd.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "spamd is not running"
        return self._process.pid

    def start(self) -> None:
        """Up and judging. Raises `TimeoutError` with the end of its log."""
        self._directory.mkdir(parents=True, exist_ok=True)
        listen = [f"--listen=127.0.0.1:{self.port}", f"--listen={self._directory / 'spamd.sock'}"]
        configured = [f"--cf={line}" for line in ("use_bayes 0", *self._config)]
        # -L: local tests only; -x: nobody's own preferences. As root its children become `nobody` at each request.
        command = [SPAMD, "-L", "-x", "-s", "stderr", "--min-children=1"]
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*command, f"--max-children={self._children}", *listen, *configured],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={"HOME": str(self._directory), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
        deadline = time.monotonic() + UP_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"spamd did not come up: {(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def pause(self) -> None:
        """Its children neither answer nor close (SIGSTOP of the whole session)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def _answers(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(5.0)
            try:
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(b"PING SPAMC/1.5\r\n\r\n")
                return b"PONG" in connection.recv(100)
            except OSError:
                return False
