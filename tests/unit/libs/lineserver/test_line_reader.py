"""Lines and blocks out of what a peer sends in pieces."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
import uvloop

from libs.lineserver import Disconnected, LineReader, LineTooLong, MalformedLine, PeerTimeout
from libs.lineserver.line_reader import HIGH_WATER


class PausableTransport:
    """Records whether reading is paused."""

    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.fixture
async def reader() -> LineReader:
    return LineReader(asyncio.get_running_loop())


async def test_a_line_is_complete_at_its_lf_and_pipelined_lines_follow(reader: LineReader) -> None:
    for octet in b"NOOP\r":
        reader.feed(bytes([octet]))
        assert reader.next_line(512) is None
    reader.feed(b"\nRSET\r\nQU")
    assert [reader.next_line(512), reader.next_line(512), reader.next_line(512)] == [b"NOOP", b"RSET", None]
    assert reader.peek(9) == b"QU"


@pytest.mark.parametrize("octets", [b"NOOP\n", b"\n", b"\x16\x03\x01", b"\0"])
async def test_a_bare_lf_and_a_control_character_at_the_beginning_are_no_line(
    reader: LineReader, octets: bytes
) -> None:
    reader.feed(octets)
    with pytest.raises(MalformedLine):
        reader.next_line(512)


async def test_a_line_has_at_most_the_limit_with_its_line_end(reader: LineReader) -> None:
    reader.feed(b"x" * 10 + b"\r\n")
    assert reader.next_line(12) == b"x" * 10
    reader.feed(b"x" * 11 + b"\r\n")
    with pytest.raises(LineTooLong):
        reader.next_line(12)


async def test_blocks_are_read_up_to_a_limit_and_can_be_put_back(reader: LineReader) -> None:
    reader.feed(b"literal and more\r\n")
    assert reader.read(7) == b"literal"
    reader.unread(b"al")
    assert reader.read(100) == b"al and more\r\n"
    assert reader.read() == b""


async def test_a_peer_that_sends_more_than_is_read_is_paused_until_the_reader_waits(reader: LineReader) -> None:
    transport = PausableTransport()
    reader.attach(cast(asyncio.Transport, transport))
    reader.feed(b"x" * HIGH_WATER)
    assert not transport.paused
    reader.feed(b"x")
    assert transport.paused
    reader.read()
    with pytest.raises(PeerTimeout):
        await reader.wait(asyncio.get_running_loop().time() + 0.01)
    assert not transport.paused


async def test_waiting_ends_with_octets_at_the_deadline_or_with_the_connection(reader: LineReader) -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(reader.feed, b"x")
    await reader.wait(loop.time() + 10)
    with pytest.raises(PeerTimeout):
        await reader.wait(loop.time() + 0.01)
    loop.call_soon(reader.end)
    with pytest.raises(Disconnected):
        await reader.wait(loop.time() + 10)
    with pytest.raises(Disconnected):
        await reader.wait(loop.time() + 10)


async def test_a_deadline_that_moved_back_is_kept(reader: LineReader) -> None:
    """The timer of the first deadline fires, finds the deadline moved, and is set again."""
    loop = asyncio.get_running_loop()
    loop.call_soon(reader.feed, b"x")
    await reader.wait(loop.time() + 0.02)
    began = loop.time()
    with pytest.raises(PeerTimeout):
        await reader.wait(began + 0.06)
    assert loop.time() - began >= 0.06


def test_a_deadline_that_is_nearly_now_is_kept_on_the_loop_of_the_product() -> None:
    """uvloop answers a handle that has no time where the deadline rounds to now."""

    async def run() -> None:
        reader = LineReader(asyncio.get_running_loop())
        loop = asyncio.get_running_loop()
        loop.call_soon(reader.feed, b"x")
        await reader.wait(loop.time() + 0.0004)
        with pytest.raises(PeerTimeout):
            await reader.wait(loop.time() + 0.0001)

    uvloop.run(run())
