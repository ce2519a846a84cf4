"""What the writer is asked to do, and how a group of it is done in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from libs.bus.embedded.queue_file import QueueFile
from libs.bus.embedded.rows import Row


class Put(Protocol):
    """A message on its way into a queue. `handed`: it goes to a consumer as soon as it is durable; the writer takes
    that back where others are before it."""

    queue_id: int
    row: Row
    handed: bool
    future: asyncio.Future[Any]

    def settle(self, result: Any, error: Exception | None) -> None: ...


class Run:
    """Anything else that is done in the transaction.

    `then` hears what came of it, always and in the order of the commits, also when a caller has given up waiting:
    what the loop knows of a queue must follow the file. `future` is for a caller, who may give up; None without one.
    """

    __slots__ = ("act", "future", "then")

    def __init__(
        self,
        act: Callable[[QueueFile], Any],
        then: Callable[[Any, Exception | None], None] | None,
        future: asyncio.Future[Any] | None,
    ) -> None:
        self.act = act
        self.then = then
        self.future = future

    def settle(self, result: Any, error: Exception | None) -> None:
        if self.then is not None:
            self.then(result, error)
        if self.future is None or self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Ack:
    """A row that is done. Nobody waits for it: an acknowledgement that a power cut undoes is a redelivery."""

    __slots__ = ("id", "queue_id")

    def __init__(self, queue_id: int, id: int) -> None:
        self.queue_id = queue_id
        self.id = id


Operation = Put | Run | Ack
Settled = list[tuple[Put | Run, Any, Exception | None]]


def transact(file: QueueFile, operations: list[Operation]) -> Settled:
    """One transaction: first what comes in, then the rest in its order, then what is done."""
    puts: dict[int, list[Put]] = {}
    done: dict[int, list[int]] = {}
    settled: Settled = []
    runs: list[Run] = []
    for operation in operations:
        if isinstance(operation, Ack):
            done.setdefault(operation.queue_id, []).append(operation.id)
        elif isinstance(operation, Run):
            runs.append(operation)
        else:
            puts.setdefault(operation.queue_id, []).append(operation)
    file.begin()
    for queue_id, group in puts.items():
        settled += _insert(file, queue_id, group)
    settled += [(run, run.act(file), None) for run in runs]
    for queue_id, ids in done.items():
        file.delete(queue_id, ids)
    file.commit()
    return settled


def _insert(file: QueueFile, queue_id: int, group: list[Put]) -> Settled:
    # A row that nobody has had may have come in since the loop last heard (a retry that fell due, a replay). Whoever
    # is handed out before it would move the mark past it, and it would be passed over until the next start.
    straight = file.all_in_flight(queue_id)
    first = file.insert(queue_id, [put.row for put in group])
    for id, put in enumerate(group, first):
        put.handed = straight = straight and put.handed
        if straight:
            file.set_mark(queue_id, id)
    return [(put, id, None) for id, put in enumerate(group, first)]
