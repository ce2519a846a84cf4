"""Groups of subscribers that no row of their service names any more: unbound, and emptied into those that took over.

AMQP cannot list what is bound. So each service keeps a list of its groups on the broker itself, one message in a queue
of its own, which is written under the same lock as dead letters are looked at.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

import structlog

from libs.bus.listening import EVENT_HEADER, group_queue, heirs
from libs.bus.ports import Refused
from libs.bus.rabbitmq import messages
from libs.bus.rabbitmq.codec import Properties, decode_properties
from libs.bus.rabbitmq.consumer import Publishes
from libs.bus.rabbitmq.dead_letters import DeadLetters, Found
from libs.bus.rabbitmq.subscription import ConsumeChannel
from libs.bus.rabbitmq.topology import Topology, count_both, dead_queue
from libs.bus.rabbitmq.wire import Wire

log = structlog.get_logger(__name__)

Rows = Mapping[str, Collection[str]]
IN_HAND = 50


_Copies = Callable[[Properties], list[tuple[str, Properties]]]


class Groups:
    """The groups of all services, over one connection."""

    def __init__(self, topology: Topology, letters: DeadLetters, *, timeout: timedelta) -> None:
        self._topology = topology
        self._letters = letters
        self._timeout = timeout

    async def keep(self, wire: Wire, service: str, rows: Rows, formerly: Rows, outgoing: Publishes) -> None:
        """As `Bus.keep_groups`."""
        known = await self._remember(wire, f"registry.{service}", rows, outgoing)
        for group, names in rows.items():
            if gone := set(known.get(group, ())) - set(names):
                await self._topology.unbind_group(wire, group_queue(group), gone)
        for group, names in {**formerly, **known}.items():
            if group not in rows and group.startswith(f"{service}."):
                await self._retire(wire, group, names, rows, outgoing)

    async def _remember(self, wire: Wire, registry: str, rows: Rows, outgoing: Publishes) -> dict[str, list[str]]:
        """All groups that the service ever had, as they were known before this call."""
        await self._topology.declare_plain(wire, registry)
        async with self._letters.scan(wire, registry) as scan:
            found = [letter async for letter in scan.letters()]
            known = _joined(found)
            now = {**known, **{group: sorted(names) for group, names in rows.items()}}
            if now != known or len(found) > 1:
                await outgoing.to_queue(registry, messages.fresh(None), json.dumps(now).encode())
                for letter in found:
                    scan.drop(letter)
        return known

    async def _retire(self, wire: Wire, group: str, names: Collection[str], rows: Rows, outgoing: Publishes) -> None:
        queue = group_queue(group)
        try:
            waiting, consumers = await count_both(wire, queue)
            dead, _ = await count_both(wire, dead_queue(queue))
        except Refused:
            return  # there is no such queue any more
        if consumers:
            log.info("group_still_consumed", group=group, consumers=consumers)
            return
        await self._topology.unbind_group(wire, queue, names)
        if not rows:
            if waiting or dead:
                log.warning("events_left_behind", queue=queue, waiting=waiting, dead=dead)
            return
        moved = await self._move(wire, queue, waiting, _living(rows, queue), outgoing)
        moved += await self._move(wire, dead_queue(queue), dead, _departed(rows), outgoing)
        if moved:
            log.warning("events_taken_over", group=group, events=moved)

    async def _move(self, wire: Wire, source: str, count: int, copies: _Copies, outgoing: Publishes) -> int:
        """At most `count` messages, each durable elsewhere before it goes from here. Returns how many."""
        arrived: asyncio.Queue[tuple[int, bytes, bytes]] = asyncio.Queue()
        channel = ConsumeChannel(
            wire.tap,
            lambda _, tag, properties, body: arrived.put_nowait((tag, properties, body)),
            timeout=self._timeout,
        )
        moved = 0
        if not count:
            return moved
        await channel.open()
        try:
            await channel.consume(source, prefetch=IN_HAND)
            while moved < count:
                async with asyncio.timeout(self._timeout.total_seconds()):
                    tag, encoded, body = await arrived.get()
                for target, copy in copies(decode_properties(encoded)):
                    await outgoing.to_queue(target, copy, body)
                channel.ack(tag)
                moved += 1
        except TimeoutError:
            log.info("queue_gives_no_more", queue=source, moved=moved, counted=count)
        finally:
            await channel.close()
        return moved


def _living(rows: Rows, source: str) -> _Copies:
    """To all that hear the same event now."""

    def copies(properties: Properties) -> list[tuple[str, Properties]]:
        event = str(properties.headers.get(EVENT_HEADER, ""))
        if queues := heirs(rows, event):
            return [(queue, messages.moved(properties)) for queue in queues]
        reason = f"no group of the service hears {event} any more; it waited in {source}"
        return [(_first_dead(rows), messages.buried(properties, reason))]

    return copies


def _departed(rows: Rows) -> _Copies:
    """To the dead letters of one that hears the same event now."""

    def copies(properties: Properties) -> list[tuple[str, Properties]]:
        queues = heirs(rows, str(properties.headers.get(EVENT_HEADER, "")))
        return [(dead_queue(queues[0]) if queues else _first_dead(rows), messages.still_dead(properties))]

    return copies


def _first_dead(rows: Rows) -> str:
    return dead_queue(group_queue(next(iter(rows))))


def _joined(found: list[Found]) -> dict[str, list[str]]:
    """What the registry says. Two messages are there after a crash between writing the one and dropping the other."""
    known: dict[str, list[str]] = {}
    for letter in found:
        try:
            known |= json.loads(letter.body)
        except (ValueError, TypeError):
            log.error("registry_of_groups_not_readable")
    return known
