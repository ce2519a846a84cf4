"""Log lines on their way out: those of everyday leave together, once a turn of the event loop; bad news at once."""

from __future__ import annotations

import asyncio
import threading
from typing import BinaryIO


class Lines:
    """A logger for structlog that writes lines to `stream`.

    A write gives the GIL away, and while other threads work it comes back late: a write for each line was a tenth of
    the time of the loop. A process that is killed loses the lines of its last turn, below warnings.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._flusher: asyncio.AbstractEventLoop | None = None

    def info(self, line: bytes) -> None:
        """Before long; at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.warning(line)
            return
        with self._lock:
            self._waiting.append(line)
            if self._flusher is not loop:
                self._flusher = loop
                loop.call_soon(self.flush)

    debug = info

    def warning(self, line: bytes) -> None:
        """Write at once, behind the lines that wait."""
        with self._lock:
            self._waiting.append(line)
        self.flush()

    error = critical = warning

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._flusher = None
            if self._waiting:
                lines, self._waiting = self._waiting, []
                self._stream.write(b"\n".join((*lines, b"")))
                self._stream.flush()
