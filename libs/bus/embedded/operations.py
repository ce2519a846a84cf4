"""The operations of the writer, and the transaction that does a group of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from libs.bus.embedded.queue_file import QueueFile
from libs.bus.embedded.rows import Row


class Put(Protocol):
    """A publication. `handed` says that a consumer gets the message as soon as it is durable; the writer clears it
    where other messages come first. A Protocol, since the publication needs the queue, and that the writer."""

    queue_id: int
    row: Row
    handed: bool
    future: asyncio.Future[Any]

    def settle(self, result: Any, error: Exception | None) -> None: ...


class Run:
    """Any other operation of the transaction.

    `then` receives the result, always and in the order of the commits, also when a caller has stopped waiting: the
    state of a queue on the loop must follow the file. `future` is for a caller, which may stop waiting.
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
    """An acknowledgement of a row. It is not awaited: if a power cut undoes it, the message is redelivered."""

    __slots__ = ("id", "queue_id")

    def __init__(self, queue_id: int, id: int) -> None:
        self.queue_id = queue_id
        self.id = id


Operation = Put | Run | Ack
Settled = list[tuple[Put | Run, Any, Exception | None]]


def transact(file: QueueFile, operations: list[Operation]) -> Settled:
    """Do one transaction: first publications, then other operations in their order, then acknowledgements."""
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
    # A row that is not in flight may have arrived since the loop was last told (a due retry, a replay). A message that
    # is handed out before it would move the mark past it, and it would be skipped until the next start.
    straight = file.all_in_flight(queue_id)
    first = file.insert(queue_id, [put.row for put in group])
    for id, put in enumerate(group, first):
        put.handed = straight = straight and put.handed
        if straight:
            file.set_mark(queue_id, id)
    return [(put, id, None) for id, put in enumerate(group, first)]
