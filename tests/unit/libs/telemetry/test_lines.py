"""What leaves together, what leaves at once, and that nothing is lost or out of order."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from libs.telemetry.lines import Lines


class Stream(io.BytesIO):
    """Keeps each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.writes.append(data)
        return len(data)


async def test_lines_of_one_turn_of_the_loop_leave_in_one_write() -> None:
    stream = Stream()
    lines = Lines(stream)
    lines.info(b"one")
    lines.debug(b"two")
    assert stream.writes == []
    await asyncio.sleep(0)
    lines.info(b"three")
    await asyncio.sleep(0)
    assert stream.writes == [b"one\ntwo\n", b"three\n"]


async def test_bad_news_leaves_at_once_behind_what_waits() -> None:
    stream = Stream()
    lines = Lines(stream)
    lines.info(b"one")
    lines.error(b"two")
    assert stream.writes == [b"one\ntwo\n"]
    await asyncio.sleep(0)
    assert stream.writes == [b"one\ntwo\n"]


def test_without_a_loop_every_line_leaves_at_once() -> None:
    stream = Stream()
    Lines(stream).info(b"one")
    assert stream.writes == [b"one\n"]


def test_what_waits_when_the_loop_ends_leaves_with_the_last_flush() -> None:
    stream = Stream()
    lines = Lines(stream)
    loop = asyncio.new_event_loop()
    loop.call_soon(lines.info, b"one")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    lines.flush()
    assert stream.writes == [b"one\n"]


async def test_lines_of_many_threads_are_all_there() -> None:
    stream = Stream()
    lines = Lines(stream)
    with ThreadPoolExecutor(4) as threads:
        for n in range(400):
            lines.info(b"loop %d" % n)
            threads.submit(lines.info, b"thread %d" % n)
    await asyncio.sleep(0)
    written = b"".join(stream.writes).splitlines()
    assert sorted(written) == sorted([b"loop %d" % n for n in range(400)] + [b"thread %d" % n for n in range(400)])
