"""A pool of processes (`worker`) that read images; the result for each image is cached.

A process starts with the first image that needs it. A late one is killed, and the next image starts another; the image
that it failed on is not tried again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from pydantic import BaseModel, ValidationError

from libs.envelope import Temporary
from libs.tasks import cancelled
from services.antispam.images.model import ImageFacts, ImageLimits, images_of
from services.antispam.message.mail_view import MailView

_ANSWER_LIMIT = 1024 * 1024
_TEXT_LIMIT = 16 * 1024  # characters kept of one image


class _WorkerAnswer(BaseModel):
    fingerprint: int | None = None
    text: str = ""


def worker_command(*, data: str, languages: str, pixels: int) -> Sequence[str]:
    """Make the command of a process. `data` is tesseract's directory of languages; if empty, no text is read."""
    return (sys.executable, "-m", "services.antispam.images.worker", data, languages, str(pixels))


class ImageWorkerPool:
    """Reads at most `workers` images at a time."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        reads_text: bool,
        distance: int,
        workers: int,
        deadline: timedelta,
        limits: ImageLimits,
        capacity: int,
    ) -> None:
        self.reads_text = reads_text
        self.distance = distance
        self._command = command
        self._limits = limits
        self._deadline = deadline
        self._capacity = capacity
        self._cache: OrderedDict[bytes, ImageFacts | None] = OrderedDict()  # None: its process died or was killed
        self._in_progress: dict[bytes, asyncio.Task[ImageFacts]] = {}
        self._workers = [_Worker(command) for _ in range(workers)]
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def read_images(self, mail: MailView) -> Sequence[ImageFacts]:
        """Read the images of a message. Raises `Temporary` if one of them cannot be read."""
        images = mail.cached("images", lambda: images_of(mail, self._limits))
        return [await self.read_image(image) for image in images]

    async def read_image(self, image: bytes) -> ImageFacts:
        """Read one image. Raises `Temporary`."""
        digest = sha256(image).digest()
        if digest in self._cache:
            self._cache.move_to_end(digest)
            if (known := self._cache[digest]) is None:
                raise Temporary("an image that could not be read in time before")
            return known
        task = self._in_progress.get(digest)
        if task is None:  # the copies of a mass mailing wait for the first
            task = self._in_progress[digest] = asyncio.create_task(self._read_image(digest, image))
            task.add_done_callback(lambda done: self._finished(digest, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the processes; no image is read any more."""
        await cancelled(self._in_progress.values())
        for worker in self._workers:
            await worker.kill()

    async def _read_image(self, digest: bytes, image: bytes) -> ImageFacts:
        seconds = self._deadline.total_seconds()
        try:
            worker = await asyncio.wait_for(self._free.get(), seconds)
        except TimeoutError:
            raise Temporary(f"no process was free for an image within {seconds:g} seconds") from None
        try:
            async with asyncio.timeout(seconds):
                facts = await worker.read(image)
        except BaseException as error:
            await worker.kill()
            if isinstance(error, TimeoutError | OSError | EOFError | ValidationError):
                self._remember(digest, None)
                raise Temporary(_reason(error, seconds)) from error
            raise
        finally:
            self._free.put_nowait(worker)
        self._remember(digest, facts)
        return facts

    def _finished(self, digest: bytes, task: asyncio.Task[ImageFacts]) -> None:
        del self._in_progress[digest]
        if not task.cancelled():
            task.exception()  # the messages that still wait get it

    def _remember(self, digest: bytes, facts: ImageFacts | None) -> None:
        self._cache[digest] = facts
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)


class _Worker:
    """One process, which is started when it is needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: Process | None = None

    async def read(self, image: bytes) -> ImageFacts:
        """Have the process read an image. Raises `OSError`, `EOFError` (the process died) or `ValidationError`."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True, env=_environment()
            )
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(len(image).to_bytes(4, "big") + image)
        await requests.drain()
        length = int.from_bytes(await answers.readexactly(4), "big")
        if length > _ANSWER_LIMIT:
            raise EOFError
        answer = _WorkerAnswer.model_validate_json(await answers.readexactly(length))
        return ImageFacts(answer.fingerprint, answer.text[:_TEXT_LIMIT])

    async def kill(self) -> None:
        """Kill the process, whatever it does: it has no state to lose."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        if process.stdout is not None:
            await process.stdout.read()  # asyncio sees the end of a process only behind all of its output
        await process.wait()


def _environment() -> dict[str, str]:
    # Several threads for one image are slower than one, and take the cores from the mail.
    return {**os.environ, "OMP_THREAD_LIMIT": "1"}


def _reason(error: BaseException, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"an image took longer than {seconds:g} seconds"
    return "the process that reads images ended"
