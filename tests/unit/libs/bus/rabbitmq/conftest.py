"""A connection without a socket: what is written to it is kept, what the broker says is fed to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pamqp.frame
import pytest
from pamqp.base import Frame

from libs.bus.rabbitmq.frame_demux import FrameDemux


class Memory(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unread = 0
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Broker:
    """The other end."""

    demux: FrameDemux
    transport: Memory
    reader: asyncio.StreamReader
    channel: int = 1024
    frames: list[Frame] = field(default_factory=list)

    def says(self, *frames: object) -> None:
        for frame in frames:
            self.demux.data_received(pamqp.frame.marshal(frame, self.channel))  # type: ignore[arg-type]

    async def heard(self) -> list[object]:
        """The frames that were written since the last time."""
        await asyncio.sleep(0)
        data, self.transport.written = self.transport.written, b""
        found: list[object] = []
        while data:
            size, _, frame = pamqp.frame.unmarshal(data)
            found.append(frame)
            data = data[size:]
        return found


@pytest.fixture
async def broker() -> Broker:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    demux = FrameDemux(reader, loop)
    transport = Memory()
    demux.connection_made(transport)
    return Broker(demux, transport, reader)
