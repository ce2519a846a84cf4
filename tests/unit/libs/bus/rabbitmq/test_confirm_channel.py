"""Confirms: what the broker says, and what the publisher hears."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pamqp import commands
from pamqp.header import ContentHeader

from libs.bus import NotPublished, Unavailable
from libs.bus.rabbitmq.codec import Properties
from libs.bus.rabbitmq.confirm_channel import MAX_UNSENT_BYTES, ConfirmChannel, Nacked, NoQueue


@pytest.fixture
async def channel(broker: Any) -> ConfirmChannel:
    return ConfirmChannel(broker.demux, timeout=timedelta(seconds=0.1), frame_size=4096)


async def publishing(channel: ConfirmChannel, *ids: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(channel.publish("", "q", Properties({}, id, 1), b"body")) for id in ids]
    await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: list[asyncio.Task[None]]) -> list[type | None]:
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [None if result is None else type(result) for result in results]


async def test_an_ack_of_several_confirms_all_up_to_it(broker: Any, channel: ConfirmChannel) -> None:
    tasks = await publishing(channel, "a", "b", "c")
    broker.says(commands.Basic.Ack(2, multiple=True))
    assert await outcomes(tasks) == [None, None, Unavailable]


async def test_acks_may_come_in_any_order(broker: Any, channel: ConfirmChannel) -> None:
    tasks = await publishing(channel, "a", "b", "c")
    broker.says(commands.Basic.Ack(3), commands.Basic.Ack(1), commands.Basic.Ack(2))
    assert await outcomes(tasks) == [None] * 3


async def test_a_nack_refuses(broker: Any, channel: ConfirmChannel) -> None:
    tasks = await publishing(channel, "a", "b")
    broker.says(commands.Basic.Nack(1), commands.Basic.Ack(2))
    assert await outcomes(tasks) == [Nacked, None]


async def test_an_ack_behind_a_return_is_no_success(broker: Any, channel: ConfirmChannel) -> None:
    tasks = await publishing(channel, "a", "b")
    returned = ContentHeader(body_size=0, properties=commands.Basic.Properties(message_id="b"))
    broker.says(commands.Basic.Return(312, "NO_ROUTE", "", "q"), returned, commands.Basic.Ack(2, multiple=True))
    assert await outcomes(tasks) == [None, NoQueue]


async def test_without_an_answer_each_publisher_fails_in_time_and_a_late_ack_is_harmless(
    broker: Any, channel: ConfirmChannel
) -> None:
    first = await publishing(channel, "a")
    assert await outcomes(first) == [Unavailable]
    second = await publishing(channel, "b")
    broker.says(commands.Basic.Ack(1), commands.Basic.Ack(2))
    assert await outcomes(second) == [None]


async def test_a_broker_that_says_nothing_at_all_is_given_up(broker: Any, channel: ConfirmChannel) -> None:
    broker.demux.received_at -= 1.0
    await outcomes(await publishing(channel, "a"))
    assert broker.transport.aborted


async def test_a_blocked_broker_is_waited_for(broker: Any, channel: ConfirmChannel) -> None:
    broker.demux.received_at -= 1.0
    broker.demux.blocked = True
    assert await outcomes(await publishing(channel, "a")) == [Unavailable]
    assert not broker.transport.aborted


async def test_a_lost_connection_fails_all_at_once(broker: Any, channel: ConfirmChannel) -> None:
    tasks = await publishing(channel, "a", "b")
    broker.demux.connection_lost(None)
    assert await outcomes(tasks) == [Unavailable] * 2
    with pytest.raises(NotPublished):
        await channel.publish("", "q", Properties({}, "c", 1), b"")


async def test_what_the_broker_does_not_read_is_not_piled_up(broker: Any, channel: ConfirmChannel) -> None:
    broker.transport.unread = MAX_UNSENT_BYTES + 1
    with pytest.raises(NotPublished, match="does not read"):
        await channel.publish("", "q", Properties({}, "a", 1), b"")
    assert await broker.heard() == []


async def test_a_channel_that_the_broker_closes_says_why(broker: Any, channel: ConfirmChannel) -> None:
    [task] = await publishing(channel, "a")
    broker.says(commands.Channel.Close(404, "NOT_FOUND - no exchange", 60, 40))
    with pytest.raises(Unavailable, match="no exchange"):
        await task
    assert isinstance((await broker.heard())[-1], commands.Channel.CloseOk)


async def test_a_call_without_a_reply_closes_its_channel(broker: Any, channel: ConfirmChannel) -> None:
    """Its late reply would be taken for that of the next call."""
    with pytest.raises(Unavailable, match=r"Confirm\.Select"):
        await channel.call(commands.Confirm.Select())
    assert channel.closed
    broker.says(commands.Confirm.SelectOk())
