"""Retires groups of subscribers: unbinds their queues, and moves their messages to the groups that succeed them.

AMQP cannot list bindings. Each service therefore registers its groups on the broker: one message in a queue of its
own, which is written under the same kind of lock as the scan of dead letters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

import structlog

from libs.bus.ports import Refused
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.connection import AmqpConnection
from libs.bus.rabbitmq.dead_letters import DeadLetters, ScannedLetter
from libs.bus.rabbitmq.publisher import Publisher
from libs.bus.rabbitmq.subscription import ConsumerChannel
from libs.bus.rabbitmq.topology import Topology, dead_queue, queue_counts
from libs.bus.subscribers import EVENT_HEADER, group_queue, successors

log = structlog.get_logger(__name__)

Rows = Mapping[str, Collection[str]]
PREFETCH = 50


_Copies = Callable[[Properties], list[tuple[str, Properties]]]


class Groups:
    """Keeps the groups of all services."""

    def __init__(self, topology: Topology, letters: DeadLetters, *, timeout: timedelta) -> None:
        self._topology = topology
        self._letters = letters
        self._timeout = timeout

    async def reconcile(
        self, connection: AmqpConnection, service: str, rows: Rows, former: Rows, publisher: Publisher
    ) -> None:
        """As `Bus.reconcile_groups`."""
        known = await self._remember(connection, f"registry.{service}", rows, publisher)
        for group, names in rows.items():
            if gone := set(known.get(group, ())) - set(names):
                await self._topology.unbind_group(connection, group_queue(group), gone)
        for group, names in {**former, **known}.items():
            if group not in rows and group.startswith(f"{service}."):
                await self._retire(connection, group, names, rows, publisher)

    async def _remember(
        self, connection: AmqpConnection, registry: str, rows: Rows, publisher: Publisher
    ) -> dict[str, list[str]]:
        """Register `rows`, and return all groups that the service ever had before this call."""
        await self._topology.declare_plain(connection, registry)
        async with self._letters.scan(connection, registry) as scan:
            found = [letter async for letter in scan.letters()]
            known = _merged(found)
            now = {**known, **{group: sorted(names) for group, names in rows.items()}}
            if now != known or len(found) > 1:
                await publisher.to_queue(registry, messages.new_properties(None), json.dumps(now).encode())
                for letter in found:
                    scan.drop(letter)
        return known

    async def _retire(
        self, connection: AmqpConnection, group: str, names: Collection[str], rows: Rows, publisher: Publisher
    ) -> None:
        queue = group_queue(group)
        try:
            waiting, consumers = await queue_counts(connection, queue)
            dead, _ = await queue_counts(connection, dead_queue(queue))
        except Refused:
            return  # the queue no longer exists
        if consumers:
            log.info("group_kept_for_its_consumers", group=group, consumers=consumers)
            return
        await self._topology.unbind_group(connection, queue, names)
        if not rows:
            if waiting or dead:
                log.warning("events_left_behind", queue=queue, waiting=waiting, dead=dead)
            return
        moved = await self._move(connection, queue, waiting, _for_successors(rows, queue), publisher)
        moved += await self._move(connection, dead_queue(queue), dead, _for_dead_letters(rows), publisher)
        if moved:
            log.warning("events_moved", group=group, events=moved)

    async def _move(
        self, connection: AmqpConnection, source: str, count: int, copies: _Copies, publisher: Publisher
    ) -> int:
        """Move at most `count` messages, each durable elsewhere before it is deleted here, and return their number."""
        arrived: asyncio.Queue[tuple[int, bytes, bytes]] = asyncio.Queue()
        channel = ConsumerChannel(
            connection.demux,
            lambda _, tag, properties, body: arrived.put_nowait((tag, properties, body)),
            timeout=self._timeout,
        )
        moved = 0
        if not count:
            return moved
        await channel.open()
        try:
            await channel.consume(source, prefetch=PREFETCH)
            while moved < count:
                async with asyncio.timeout(self._timeout.total_seconds()):
                    tag, encoded, body = await arrived.get()
                for target, copy in copies(decode_properties(encoded)):
                    await publisher.to_queue(target, copy, body)
                channel.ack(tag)
                moved += 1
        except TimeoutError:
            log.info("queue_move_timed_out", queue=source, moved=moved, counted=count)
        finally:
            await channel.close()
        return moved


def _for_successors(rows: Rows, source: str) -> _Copies:
    """Copies of a message for all groups with the same event."""

    def copies(properties: Properties) -> list[tuple[str, Properties]]:
        event = str(properties.headers.get(EVENT_HEADER, ""))
        if queues := successors(rows, event):
            return [(queue, messages.for_move(properties)) for queue in queues]
        reason = f"no group of the service hears {event} any more; it waited in {source}"
        return [(_first_dead(rows), messages.for_dead_letter(properties, reason))]

    return copies


def _for_dead_letters(rows: Rows) -> _Copies:
    """A copy of a dead letter for a group with the same event."""

    def copies(properties: Properties) -> list[tuple[str, Properties]]:
        queues = successors(rows, str(properties.headers.get(EVENT_HEADER, "")))
        return [(dead_queue(queues[0]) if queues else _first_dead(rows), messages.for_dead_letter_move(properties))]

    return copies


def _first_dead(rows: Rows) -> str:
    return dead_queue(group_queue(next(iter(rows))))


def _merged(found: list[ScannedLetter]) -> dict[str, list[str]]:
    """The content of the registry. After a crash between writing and deleting there are two messages."""
    known: dict[str, list[str]] = {}
    for letter in found:
        try:
            known |= json.loads(letter.body)
        except (ValueError, TypeError):
            log.error("group_registry_unreadable")
    return known
