"""Admits one process to a queue directory, by an advisory lock that the kernel releases when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from libs.bus.ports import Unavailable


class DirectoryLock:
    """Held from `acquire` to `release`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Create the directory if necessary, and lock it. Raises `Unavailable` with one clear line."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"queue directory {self._directory}: {error.strerror}") from error
        try:
            self._take(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise Unavailable(f"queue directory {self._directory}: {error.strerror}") from error
        except Unavailable:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise Unavailable(f"queue directory {self._directory} is in use by process {holder}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
