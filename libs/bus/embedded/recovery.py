"""Recovers the file at a start: redelivers the messages in flight at a crash, and counts all messages."""

from __future__ import annotations

from dataclasses import dataclass

from libs.bus.embedded.queue_file import QueueFile, Table
from libs.bus.embedded.rows import crashes_of, with_crashes


@dataclass(frozen=True, slots=True)
class Counts:
    """The messages of a queue when the file was opened."""

    id: int
    name: str
    ready: int
    ready_bytes: int
    delayed: int
    dead: int


def recover(file: QueueFile, *, now: float, delivery_limit: int, latest_due: float) -> list[Counts]:
    """Mark the messages that were in flight when the process died as redelivered, and count all messages.

    A message that was alone in flight has killed the process, and becomes a dead letter after `delivery_limit` crashes.
    Messages that were in flight beside others are handled alone before they are blamed.
    """
    for id, name, mark in file.db.execute("SELECT id, name, mark FROM queues").fetchall():
        file.tables[id] = Table(id, name)
        file.db.execute(f"UPDATE queue_{id} SET returned = returned + 1 WHERE id <= ?", (mark,))
    for queue, id in file.db.execute("SELECT queue, id FROM alone").fetchall():
        _blame(file, queue, id, now=now, delivery_limit=delivery_limit)
    file.clear_isolated()
    for table in file.tables.values():
        (last,) = file.db.execute(f"SELECT max(id) FROM queue_{table.id}").fetchone()
        table.next_id = (last or 0) + 1
    file.db.execute("UPDATE queues SET mark = 0 WHERE mark != 0")
    # The wall clock may have jumped while the process was not running.
    file.db.execute("UPDATE delayed SET due = ? WHERE due > ?", (latest_due, latest_due))
    return [_count(file, table) for table in file.tables.values()]


def _blame(file: QueueFile, queue: int, id: int, *, now: float, delivery_limit: int) -> None:
    rows = file.db.execute(f"SELECT attempts + returned, headers FROM queue_{queue} WHERE id = ?", (id,)).fetchall()
    for attempts, headers in rows:
        crashes = crashes_of(headers) + 1
        if crashes >= delivery_limit:
            reason = f"alone in flight during {crashes} crashes of its consumer"
            file.dead_letter(queue, id, reason=reason, died_at=now, attempts=attempts)
        else:
            changed = with_crashes(headers, crashes)
            file.db.execute(f"UPDATE queue_{queue} SET headers = ? WHERE id = ?", (changed, id))


def _count(file: QueueFile, table: Table) -> Counts:
    (ready, size) = file.db.execute(f"SELECT count(*), coalesce(sum(length(body)), 0) FROM queue_{table.id}").fetchone()
    (delayed,) = file.db.execute("SELECT count(*) FROM delayed WHERE queue = ?", (table.id,)).fetchone()
    (dead,) = file.db.execute("SELECT count(*) FROM dead WHERE queue = ?", (table.id,)).fetchone()
    return Counts(table.id, table.name, ready, size, delayed, dead)
