"""Blobs as files: embedded mode, or a volume that all services share."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from libs.blobs.ports import Missing, possible
from libs.envelope import Temporary
from libs.envelope.model import utc_now

T = TypeVar("T")


class FileBlobs:
    """One file a blob, in 256 folders under `directory`; all file work is off the event loop.

    The age of a blob is the modification time of its file. A lock on its folder keeps the collector from taking a
    file between the look at its age and its end, while somebody touches or puts it.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._directory = directory
        self._clock = clock

    async def put(self, id: str, content: bytes) -> None:
        path = self._path(id)
        await _off_the_loop(id, lambda: self._put(path, content))

    async def get(self, id: str) -> bytes:
        path = self._path(id)
        return await _off_the_loop(id, lambda: _existing(id, path.read_bytes))

    async def touch(self, id: str) -> None:
        path = self._path(id)
        await _off_the_loop(id, lambda: _existing(id, lambda: self._touch(path)))

    async def delete(self, id: str) -> None:
        path = self._path(id)
        await _off_the_loop(id, lambda: path.unlink(missing_ok=True))

    async def collect(self, untouched_since: datetime) -> int:
        return await _off_the_loop("store", lambda: self._collect(untouched_since.timestamp()))

    def _path(self, id: str) -> Path:
        return self._directory / possible(id)[-2:] / id

    def _put(self, path: Path, content: bytes) -> None:
        """Write aside, fsync, rename, fsync the folder: visible only when whole and durable."""
        self._make(path.parent)
        if self._is_kept(path, len(content)):
            return
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with _locked(path.parent, fcntl.LOCK_SH):
                self._set_age(aside)
                aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
        _sync(path.parent)

    def _touch(self, path: Path) -> None:
        with _locked(path.parent, fcntl.LOCK_SH):
            self._set_age(path)

    def _is_kept(self, path: Path, size: int) -> bool:
        """Whether it is there already, and will be for another while: a blob is never changed."""
        try:
            with _locked(path.parent, fcntl.LOCK_SH):
                if path.stat().st_size != size:
                    return False
                self._set_age(path)
        except FileNotFoundError:
            return False
        return True

    def _set_age(self, path: Path) -> None:
        now = self._clock().timestamp()
        os.utime(path, (now, now))

    def _collect(self, before: float) -> int:
        if not self._directory.exists():
            return 0
        collected = 0
        for folder in self._directory.iterdir():
            for path in folder.iterdir():
                if self._is_older(path, before) and self._take(path, before):
                    collected += not path.name.startswith(".")  # a writer that died left it; it never was a blob
        return collected

    def _take(self, path: Path, before: float) -> bool:
        with _locked(path.parent, fcntl.LOCK_EX):
            if not self._is_older(path, before):
                return False
            path.unlink(missing_ok=True)  # `delete` does not wait for the lock
        return True

    def _is_older(self, path: Path, before: float) -> bool:
        try:
            return path.stat().st_mtime < before
        except FileNotFoundError:
            return False

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(folder.parent)
            _sync(folder.parent.parent)


async def _off_the_loop(id: str, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise Temporary(f"blob {id}: {error}") from error


def _existing(id: str, work: Callable[[], T]) -> T:
    """Only whoever looks for a blob may say that it is missing: to put one, its folder can be made again."""
    try:
        return work()
    except FileNotFoundError as error:
        raise Missing(f"blob {id} is missing") from error


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
