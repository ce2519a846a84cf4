"""A real clamd as a child process on a free loopback port and a Unix socket, with signatures of its own.

Nothing is downloaded: the signature file holds EICAR and one pattern that is ours (`LOCAL_SPECIMEN`).
"""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ports import free_port
from tests.specimens.antivirus import EICAR

CLAMD = "/usr/sbin/clamd"
UP_WITHIN = 60.0
DOWN_WITHIN = 10.0

LOCAL_SPECIMEN = b"a pattern that only the signature file of the tests knows"
LOCAL_NAME = "Facteur.Test.Local"
EICAR_NAME = "Eicar-Test-Signature"


class ClamdServer:
    """`start` and the others block until the thing is done; addresses stay the same over restarts."""

    def __init__(self, directory: Path, *, config: Sequence[str] = ()) -> None:
        self._directory = directory
        self.port = free_port()
        self.path = directory / "clamd.sock"
        self.tcp = f"clamav:tcp://127.0.0.1:{self.port}"
        self.unix = f"clamav:unix:{self.path}"
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up and scanning. Raises `TimeoutError` with the end of its log."""
        self._write_files()
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [CLAMD, "-c", str(self._directory / "clamd.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_WITHIN
        while self.command("PING") != "PONG":
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"clamd did not come up: {(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """An orderly end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`; its socket stays behind."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """It neither answers nor closes (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self.resume()
            self.kill()

    def learn(self, name: str, pattern: bytes) -> None:
        """One more signature in its file; `reload` makes it count."""
        with (self._directory / "db/local.ndb").open("a") as file:
            file.write(f"{name}:0:*:{pattern.hex()}\n")

    def reload(self) -> None:
        """Ask for a reload; returns when it has begun, old signatures count until it is done."""
        assert self.command("RELOAD") == "RELOADING"

    def command(self, name: str) -> str:
        """What it answers; empty when it cannot be reached."""
        with socket.socket() as connection:
            connection.settimeout(5.0)
            try:
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(b"z%b\0" % name.encode())
                return connection.recv(4096).rstrip(b"\0").decode()
            except ConnectionError:
                return ""

    def _write_files(self) -> None:
        database = self._directory / "db"
        database.mkdir(parents=True, exist_ok=True)
        if not (database / "local.ndb").exists():
            (database / "local.ndb").write_text(f"{LOCAL_NAME}:0:*:{LOCAL_SPECIMEN.hex()}\n")
        # By pattern, since a hash would miss the test file with a line end behind it.
        (database / "eicar.ndb").write_text(f"{EICAR_NAME}:0:*:{EICAR.hex()}\n")
        (database / "eicar.hdb").write_text(f"{hashlib.md5(EICAR).hexdigest()}:{len(EICAR)}:{EICAR_NAME}\n")
        lines = [
            *("Foreground yes", f"DatabaseDirectory {database}", f"TemporaryDirectory {self._directory}"),
            *(f"LocalSocket {self.path}", "FixStaleSocket yes", f"TCPSocket {self.port}", "TCPAddr 127.0.0.1"),
            *("MaxThreads 10", "AlertExceedsMax yes", "StreamMaxLength 64M", "MaxScanTime 30000", "SelfCheck 3600"),
        ]
        own = [line.split()[0] for line in self._config]
        kept = [line for line in lines if line.split()[0] not in own]
        (self._directory / "clamd.conf").write_text("\n".join([*kept, *self._config, ""]))

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "clamd is not running"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        try:
            self._process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
