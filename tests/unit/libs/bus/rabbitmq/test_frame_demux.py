"""One socket for two readers: every frame reaches its own, however the bytes are cut."""

from __future__ import annotations

from typing import Any

import pamqp.frame
import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.heartbeat import Heartbeat

from libs.bus.rabbitmq.codec import BODY, METHOD


class Kept:
    """A channel that keeps its frames."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.is_lost = False

    def frame(self, kind: int, buffer: bytes, start: int, end: int) -> None:
        self.frames.append((kind, buffer[start:end]))

    def lost(self) -> None:
        self.is_lost = True


OURS = pamqp.frame.marshal(ContentBody(b"x" * 50), 1024)
OTHERS = pamqp.frame.marshal(commands.Channel.OpenOk(), 1)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 57, 58, 59, 1000])
async def test_frames_reach_their_channel_however_the_bytes_are_cut(broker: Any, size: int) -> None:
    sink = Kept()
    assert broker.demux.attach(sink) == 1024
    stream = OURS + OTHERS + OURS + OTHERS + OTHERS
    for at in range(0, len(stream), size):
        broker.demux.data_received(stream[at : at + size])
    assert sink.frames == [(BODY, b"x" * 50)] * 2
    assert await broker.reader.readexactly(3 * len(OTHERS)) == OTHERS * 3
    assert not broker.transport.aborted


@pytest.mark.parametrize(
    "garbage",
    [OURS[:-1] + b"\x00", b"\x01\x04\x00\xff\xff\xff\xff" + bytes(8)],
    ids=["no_frame_end", "four_gigabytes"],
)
async def test_a_stream_that_makes_no_sense_is_cut(broker: Any, garbage: bytes) -> None:
    broker.demux.attach(Kept())
    broker.demux.data_received(garbage)
    assert broker.transport.aborted


async def test_a_server_of_another_version_is_left_to_the_driver(broker: Any) -> None:
    broker.demux.data_received(b"AMQP\x00\x01\x00\x00")
    assert await broker.reader.readexactly(8) == b"AMQP\x00\x01\x00\x00"


async def test_the_last_frames_of_a_closed_channel_reach_nobody(broker: Any) -> None:
    number = broker.demux.attach(Kept())
    broker.demux.detach(number)
    broker.demux.data_received(OURS + OTHERS)
    assert await broker.reader.readexactly(len(OTHERS)) == OTHERS


async def test_a_channel_number_is_not_given_out_again_at_once(broker: Any) -> None:
    first = broker.demux.attach(Kept())
    broker.demux.detach(first)
    assert broker.demux.attach(Kept()) != first


async def test_what_is_sent_in_one_turn_is_written_at_once(broker: Any) -> None:
    broker.demux.send([OURS, OTHERS])
    broker.demux.send([OURS])
    assert broker.transport.written == b""
    assert len(await broker.heard()) == 3


async def test_alarms_of_the_broker_are_heard(broker: Any) -> None:
    heard: list[bool] = []
    broker.demux.on_blocked = heard.append
    broker.channel = 0
    broker.says(commands.Connection.Blocked("memory"))
    assert broker.demux.blocked
    broker.says(commands.Connection.Unblocked())
    assert heard == [True, False]


async def test_the_reason_of_a_closed_connection_is_kept(broker: Any) -> None:
    broker.channel = 0
    broker.says(commands.Connection.Close(530, "vhost not found", 10, 40))
    assert broker.demux.close_reason == "530 vhost not found"


async def test_every_channel_hears_that_the_connection_is_lost(broker: Any) -> None:
    sinks = [Kept(), Kept()]
    for sink in sinks:
        broker.demux.attach(sink)
    broker.demux.connection_lost(None)
    assert all(sink.is_lost for sink in sinks)
    assert broker.demux.closed.done()


async def test_the_driver_hears_a_heartbeat_while_only_we_hear_frames(
    broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Kept()
    broker.demux.attach(sink)
    broker.demux._passed_at -= 6.0
    broker.demux.data_received(pamqp.frame.marshal(commands.Basic.Ack(1), 1024))
    assert sink.frames[0][0] == METHOD
    assert await broker.reader.readexactly(8) == Heartbeat().marshal()
