"""Moves the events of retired groups to the groups that succeed them.

Each function runs in the writer thread, in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from libs.bus.embedded.queue_file import QueueFile
from libs.bus.embedded.rows import StoredRow, decode_headers
from libs.bus.subscribers import EVENT_HEADER, successors

# The number of rows that move in one transaction, so that mail is not delayed.
STEP = 200


@dataclass(slots=True)
class TakeoverStep:
    """The effect of one step on the old queue, and the rows (and bytes) that other queues gained, by number."""

    waiting: int = 0  # rows that left it
    size: int = 0  # the bytes of these rows
    delayed: int = 0  # rows that became due in it
    died: int = 0  # of the rows that left: no group subscribes to their event
    dead: int = 0  # dead letters that left it
    arrived: dict[int, tuple[int, int]] = field(default_factory=dict)
    dead_lettered: dict[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.waiting or self.delayed or self.dead)


def take_over(
    file: QueueFile, old: int, rows: Mapping[str, Collection[str]], numbers: Mapping[str, int], *, now: float
) -> TakeoverStep:
    """Move a step of queue `old` to the queues of `rows`, whose numbers are `numbers`."""
    done = TakeoverStep()
    done.delayed = file.promote_all(old, STEP)
    for row in file.load(old, STEP):
        done.waiting += 1
        done.size += len(row[-1])
        _hand_on(file, old, row, _successors(rows, numbers, row[-2]), done, now=now)
    for id, _, _, _, headers, _ in file.dead_page(old, after=0, limit=STEP):
        heir = next(iter(_successors(rows, numbers, headers) or numbers.values()))
        file.adopt_dead(id, heir)
        done.dead_lettered[heir] = done.dead_lettered.get(heir, 0) + 1
        done.dead += 1
    return done


def _successors(rows: Mapping[str, Collection[str]], numbers: Mapping[str, int], headers: str | None) -> list[int]:
    return [numbers[queue] for queue in successors(rows, decode_headers(headers).get(EVENT_HEADER, ""))]


def _hand_on(file: QueueFile, old: int, row: StoredRow, to: list[int], done: TakeoverStep, *, now: float) -> None:
    id, first_seen, attempts, returned, headers, body = row
    for heir in to:
        file.insert(heir, [(first_seen, attempts, returned, headers, body)])
        count, size = done.arrived.get(heir, (0, 0))
        done.arrived[heir] = count + 1, size + len(body)
    if to:
        file.delete(old, [id])
        return
    event = decode_headers(headers).get(EVENT_HEADER, "")
    reason = f"no group of the service hears {event} any more"
    file.dead_letter(old, id, reason=reason, died_at=now, attempts=attempts + returned)
    done.died += 1
