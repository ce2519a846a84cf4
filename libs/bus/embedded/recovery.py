"""What a start makes of the file: what was in hand when the process died is given back, and all is counted."""

from __future__ import annotations

from dataclasses import dataclass

from libs.bus.embedded.file import QueueFile, Table


@dataclass(frozen=True, slots=True)
class Counts:
    """What a queue held when the file was opened."""

    id: int
    name: str
    ready: int
    ready_bytes: int
    delayed: int
    dead: int


def recover(file: QueueFile, *, now: float, delivery_limit: int, latest_due: float) -> list[Counts]:
    """Give back what was in hand when the process died, counted; too often so is a death."""
    for id, name, mark in file.db.execute("SELECT id, name, mark FROM queues").fetchall():
        file.tables[id] = Table(id, name)
        _give_back(file, id, mark, now=now, delivery_limit=delivery_limit)
        (last,) = file.db.execute(f"SELECT max(id) FROM queue_{id}").fetchone()
        file.tables[id].next_id = (last or 0) + 1
    file.db.execute("UPDATE queues SET mark = 0 WHERE mark != 0")
    # The wall clock may have jumped while the process was away.
    file.db.execute("UPDATE delayed SET due = ? WHERE due > ?", (latest_due, latest_due))
    return [_count(file, table) for table in file.tables.values()]


def _give_back(file: QueueFile, queue: int, mark: int, *, now: float, delivery_limit: int) -> None:
    file.db.execute(f"UPDATE queue_{queue} SET returned = returned + 1 WHERE id <= ?", (mark,))
    too_often = file.db.execute(
        f"SELECT id, attempts + returned FROM queue_{queue} WHERE id <= ? AND returned > ?", (mark, delivery_limit)
    ).fetchall()
    for id, attempts in too_often:
        reason = f"in hand during {delivery_limit + 1} crashes of its consumer"
        file.bury(queue, id, reason=reason, died_at=now, attempts=attempts)


def _count(file: QueueFile, table: Table) -> Counts:
    (ready, size) = file.db.execute(f"SELECT count(*), coalesce(sum(length(body)), 0) FROM queue_{table.id}").fetchone()
    (delayed,) = file.db.execute("SELECT count(*) FROM delayed WHERE queue = ?", (table.id,)).fetchone()
    (dead,) = file.db.execute("SELECT count(*) FROM dead WHERE queue = ?", (table.id,)).fetchone()
    return Counts(table.id, table.name, ready, size, delayed, dead)
