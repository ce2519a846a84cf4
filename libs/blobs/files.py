"""Blobs as files: embedded mode, or a volume that all services share."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from libs.blobs import holders
from libs.blobs.ports import Missing, named, possible
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

    async def hold(self, id: str, holder: str) -> None:
        path = self._path(id)
        named(holder)
        await _off_the_loop(id, lambda: _existing(id, lambda: self._hold(path, holder)))

    async def release(self, id: str, holder: str) -> None:
        path = self._path(id)
        named(holder)
        await _off_the_loop(id, lambda: self._release(path, holder))

    async def delete(self, id: str) -> None:
        path = self._path(id)
        await _off_the_loop(id, lambda: _unlink_both(path))

    async def collect(self, untouched_since: datetime, *, released_before: datetime | None = None) -> int:
        released = released_before.timestamp() if released_before is not None else float("-inf")
        return await _off_the_loop("store", lambda: self._collect(untouched_since.timestamp(), released))

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

    def _hold(self, path: Path, holder: str) -> None:
        with _locked(path.parent, fcntl.LOCK_EX):
            self._set_age(path)
            holders.write(path, holders.read(path) | {holder}, at=self._clock())

    def _release(self, path: Path, holder: str) -> None:
        with suppress(FileNotFoundError), _locked(path.parent, fcntl.LOCK_EX):
            left = holders.read(path)
            if holder in left:
                holders.write(path, left - {holder}, at=self._clock())

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

    def _collect(self, before: float, released: float) -> int:
        if not self._directory.exists():
            return 0
        collected = 0
        for folder in self._directory.iterdir():
            for path in folder.iterdir():
                if self._is_over(path, before, released) and self._take(path, before, released):
                    collected += is_blob(path)  # else a writer that died left it
        return collected

    def _take(self, path: Path, before: float, released: float) -> bool:
        with _locked(path.parent, fcntl.LOCK_EX):
            if not self._is_over(path, before, released):
                return False
            _unlink_both(path)  # `delete` does not wait for the lock
        return True

    def _is_over(self, path: Path, before: float, released: float) -> bool:
        if holders.is_list(path):
            return self._is_older(path, before) and not holders.blob_of(path).exists()
        if self._is_older(path, before):
            return True
        return is_blob(path) and self._is_older(path, released) and holders.released_before(path, released)

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


def is_blob(path: Path) -> bool:
    """Whether it is neither half-written nor a list of holders."""
    return not path.name.startswith(".") and not holders.is_list(path)


def _unlink_both(path: Path) -> None:
    path.unlink(missing_ok=True)
    holders.list_of(path).unlink(missing_ok=True)


def _existing(id: str, work: Callable[[], T]) -> T:
    """Raise `Missing` only for a read: a write can create the missing folder."""
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
