"""Blobs as files: embedded mode, or a volume that all services share."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path

from libs.blobs.ports import Missing
from libs.envelope import Temporary


class FileBlobs:
    """One file a blob under `directory`; all file work is off the event loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, id: str, content: bytes) -> None:
        try:
            await asyncio.to_thread(self._write, self._path(id), content)
        except OSError as error:
            raise Temporary(f"blob {id}: {error}") from error

    async def get(self, id: str) -> bytes:
        try:
            return await asyncio.to_thread(self._path(id).read_bytes)
        except FileNotFoundError as error:
            raise Missing(f"blob {id} is missing") from error
        except OSError as error:
            raise Temporary(f"blob {id}: {error}") from error

    async def touch(self, id: str) -> None:
        try:
            await asyncio.to_thread(os.utime, self._path(id))
        except FileNotFoundError as error:
            raise Missing(f"blob {id} is missing") from error
        except OSError as error:
            raise Temporary(f"blob {id}: {error}") from error

    async def delete(self, id: str) -> None:
        await asyncio.to_thread(self._path(id).unlink, missing_ok=True)

    async def collect(self, untouched_since: datetime) -> int:
        return await asyncio.to_thread(self._sweep, untouched_since.timestamp())

    def _path(self, id: str) -> Path:
        if not id.isalnum():
            raise Missing(f"blob {id[:80]!r} cannot exist")
        return self._directory / id[-2:] / id

    def _write(self, path: Path, content: bytes) -> None:
        """Write aside, fsync, rename, fsync the directory: visible only when whole and durable."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
        _sync_directory(path.parent)

    def _sweep(self, before: float) -> int:
        old = [path for path in self._directory.glob("*/*") if path.stat().st_mtime < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
