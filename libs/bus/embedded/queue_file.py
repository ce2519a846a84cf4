"""The SQLite file of the embedded bus: its tables and statements.

Each work queue has a table, whose row ids are the order of arrival: publishing appends at its right edge, consuming
deletes at its left edge, and there is no second index. Messages are handed out in that order, so that one number for
each queue (`mark`: the last id handed out) says durably which rows were in flight at a crash: those up to the mark.
Each method runs in the writer thread, inside a transaction that the writer began.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from libs.bus.embedded.rows import DeadRow, Row, StoredRow, with_bugs, with_crashes
from libs.bus.embedded.schema import PRAGMAS, QUEUE_TABLE, SCHEMA, SCHEMA_VERSION

_COLUMNS = "first_seen, attempts, returned, headers, body"


@dataclass(slots=True)
class Table:
    """One work queue in the file."""

    id: int
    name: str
    next_id: int = 1
    mark: int = 0


class QueueFile:
    """The open file. Methods raise `sqlite3.Error`; the writer rolls back and maps it."""

    def __init__(self, path: Path, *, max_bytes: int, spare_bytes: int) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        self.tables: dict[int, Table] = {}
        self._marks_before: dict[int, int] = {}
        for pragma in PRAGMAS:
            self.db.execute(pragma)
        (page_size,) = self.db.execute("PRAGMA page_size").fetchone()
        self.db.execute(f"PRAGMA max_page_count = {max_bytes // page_size}")
        self._spare_pages = spare_bytes // page_size
        self._migrate()

    # Transactions

    def begin(self) -> None:
        self._marks_before.clear()
        if self.db.in_transaction:  # the previous one could not be rolled back
            self.db.execute("ROLLBACK")
        self.db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        for id in self._marks_before:
            self.db.execute("UPDATE queues SET mark = ? WHERE id = ?", (self.tables[id].mark, id))
        self.db.execute("COMMIT")

    def rollback(self) -> None:
        for id, mark in self._marks_before.items():
            self.tables[id].mark = mark
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    # The hot path: whole groups in single statements, since each step releases the GIL and must acquire it again.

    def insert(self, queue: int, rows: Sequence[Row]) -> int:
        """Append `rows`, and return the id of the first; the others follow."""
        table = self.tables[queue]
        first = next_id = table.next_id
        at = 0
        while at < len(rows):
            size = min(1 << (len(rows) - at).bit_length() - 1, 64)
            parameters: list[object] = []
            for row in rows[at : at + size]:
                parameters.append(next_id)
                parameters += row
                next_id += 1
            self.db.execute(_insert(queue, size), parameters)
            at += size
        table.next_id = next_id
        return first

    def delete(self, queue: int, ids: Sequence[int]) -> None:
        """Delete acknowledged rows, if they exist."""
        for at in range(0, len(ids), 64):
            chunk = ids[at : at + 64]
            size = 1 << (len(chunk) - 1).bit_length()
            # Padded with 0, which is never an id, so that few different statements are prepared.
            self.db.execute(_delete(queue, size), [*chunk, *[0] * (size - len(chunk))])

    def set_mark(self, queue: int, id: int) -> None:
        """Mark rows up to `id` as in flight from this transaction on."""
        table = self.tables[queue]
        self._marks_before.setdefault(queue, table.mark)
        table.mark = id

    def set_isolated(self, queue: int, id: int) -> None:
        """Mark row `id` as in flight alone from this transaction on."""
        self.db.execute("INSERT OR REPLACE INTO alone VALUES (?, ?)", (queue, id))

    def clear_isolated(self) -> None:
        """Note that several messages may be in flight again."""
        self.db.execute("DELETE FROM alone")

    def all_in_flight(self, queue: int) -> bool:
        """Whether no row waits behind the mark."""
        table = self.tables[queue]
        return table.mark == table.next_id - 1

    def load(self, queue: int, limit: int) -> list[StoredRow]:
        """The next waiting rows, which are in flight from now on."""
        rows: list[StoredRow] = self.db.execute(
            f"SELECT id, {_COLUMNS} FROM queue_{queue} WHERE id > ? ORDER BY id LIMIT ?",
            (self.tables[queue].mark, limit),
        ).fetchall()
        if rows:
            self.set_mark(queue, rows[-1][0])
        return rows

    def first_seen(self, queue: int) -> float | None:
        """The first publication of the row at the front, which is the oldest."""
        row = self.db.execute(f"SELECT first_seen FROM queue_{queue} ORDER BY id LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    # Retries

    def delay(self, queue: int, id: int, *, due: float, attempts: int, headers: str | None, body: bytes | None) -> None:
        """Delay row `id` until `due` (epoch seconds), with `headers`, and `body` if given."""
        self.db.execute(
            "INSERT INTO delayed (queue, due, first_seen, attempts, headers, body)"
            f" SELECT ?, ?, first_seen, ?, ?, coalesce(?, body) FROM queue_{queue} WHERE id = ?",
            (queue, due, attempts, headers, body, id),
        )
        self.delete(queue, [id])

    def promote(self, now: float, limit: int) -> tuple[dict[int, tuple[int, int]], float | None]:
        """Return due rows to the end of their queues.

        Returns the count and bytes by queue, and the time at which the next one is due.
        """
        promoted: dict[int, tuple[int, int]] = {}
        due = self.db.execute(
            "SELECT id, queue, first_seen, attempts, 0, headers, body FROM delayed WHERE due <= ? ORDER BY due LIMIT ?",
            (now, limit),
        ).fetchall()
        for id, queue, *row in due:
            self.insert(queue, [tuple(row)])
            self.db.execute("DELETE FROM delayed WHERE id = ?", (id,))
            count, size = promoted.get(queue, (0, 0))
            promoted[queue] = count + 1, size + len(row[-1])
        return promoted, self.next_due()

    def promote_all(self, queue: int, limit: int) -> int:
        """Return delayed rows of `queue` to its end, due or not. Returns their number."""
        delayed = self.db.execute(
            "SELECT id, first_seen, attempts, 0, headers, body FROM delayed WHERE queue = ? LIMIT ?", (queue, limit)
        ).fetchall()
        for id, *row in delayed:
            self.insert(queue, [tuple(row)])
            self.db.execute("DELETE FROM delayed WHERE id = ?", (id,))
        return len(delayed)

    def next_due(self) -> float | None:
        (due,) = self.db.execute("SELECT min(due) FROM delayed").fetchone()
        return None if due is None else float(due)

    # Dead letters

    def dead_letter(self, queue: int, id: int, *, reason: str, died_at: float, attempts: int) -> None:
        self.db.execute(
            "INSERT INTO dead (queue, reason, died_at, attempts, headers, body)"
            f" SELECT ?, ?, ?, ?, headers, body FROM queue_{queue} WHERE id = ?",
            (queue, reason, died_at, attempts, id),
        )
        self.delete(queue, [id])

    def insert_dead(self, queue: int, row: DeadRow) -> None:
        """Add a dead letter that was not in the queue; the id of `row` is ignored."""
        self.db.execute(
            "INSERT INTO dead (queue, reason, died_at, attempts, headers, body) VALUES (?, ?, ?, ?, ?, ?)",
            (queue, *row[1:]),
        )

    def drop_oldest(
        self, queue: int, count: int, *, keep_dead: int, reason: str, died_at: float
    ) -> tuple[int, int, int]:
        """Move the oldest waiting rows to the dead letters, of which the newest `keep_dead` stay.

        Returns the number of rows and of their bytes, and the change in the number of dead letters, which is negative
        when the limit was lowered.
        """
        rows = self.db.execute(
            f"SELECT id, attempts + returned, length(body) FROM queue_{queue} WHERE id > ? ORDER BY id LIMIT ?",
            (self.tables[queue].mark, count),
        ).fetchall()
        for id, attempts, _ in rows:
            self.dead_letter(queue, id, reason=reason, died_at=died_at, attempts=attempts)
        beyond = self.db.execute(
            "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE queue = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
            (queue, keep_dead),
        ).rowcount
        return len(rows), sum(size for _, _, size in rows), len(rows) - beyond

    def adopt_dead(self, id: int, queue: int) -> None:
        """Move the dead letter `id` to `queue`."""
        self.db.execute("UPDATE dead SET queue = ? WHERE id = ?", (queue, id))

    def dead_page(self, queue: int, *, after: int, limit: int) -> list[DeadRow]:
        """A page of dead letters, oldest first."""
        return self.db.execute(
            "SELECT id, reason, died_at, attempts, headers, body FROM dead"
            " WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
            (queue, after, limit),
        ).fetchall()

    def replay(self, queue: int, id: int, *, now: float) -> int | None:
        """Return a dead letter to the end of its queue as published now; its bytes, or None if there is none."""
        rows = self.db.execute("SELECT headers, body FROM dead WHERE queue = ? AND id = ?", (queue, id)).fetchall()
        self.insert(queue, [(now, 0, 0, with_bugs(with_crashes(headers, 0), 0), body) for headers, body in rows])
        self.purge(queue, id)
        return len(rows[0][1]) if rows else None

    def purge(self, queue: int, id: int) -> bool:
        return self.db.execute("DELETE FROM dead WHERE queue = ? AND id = ?", (queue, id)).rowcount == 1

    # Queues and subscriptions

    def declare(self, name: str) -> int:
        """The number of the queue, which is created if it does not exist."""
        self.db.execute("INSERT OR IGNORE INTO queues (name) VALUES (?)", (name,))
        (id,) = self.db.execute("SELECT id FROM queues WHERE name = ?", (name,)).fetchone()
        self.db.execute(QUEUE_TABLE.format(id=id))
        self.tables.setdefault(id, Table(id, name))
        return int(id)

    def subscribe(self, group: str, names: Iterable[str]) -> None:
        """Subscribe `group` to exactly `names`."""
        self.db.execute("DELETE FROM subscriptions WHERE group_name = ?", (group,))
        self.db.executemany("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", [(group, name) for name in names])

    def subscriptions(self) -> list[tuple[str, str]]:
        """Pairs of group and event name."""
        return self.db.execute("SELECT group_name, event FROM subscriptions").fetchall()

    # Idling, closing

    def return_pages(self, step: int) -> bool:
        """Shrink the file by `step` pages if more than the spare ones are free; True if more are left."""
        (free,) = self.db.execute("PRAGMA freelist_count").fetchone()
        if free > self._spare_pages:
            # A script, since `execute` stops at the first page: it takes a row without columns for the end.
            self.db.executescript(f"PRAGMA incremental_vacuum({min(step, free - self._spare_pages)})")
            return True
        # The file itself shrinks when the log is written back into it.
        self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return False

    def close(self) -> None:
        """Close the file with no message in flight: a clean stop counts against none."""
        try:
            self.db.execute("UPDATE queues SET mark = 0 WHERE mark != 0")
            self.clear_isolated()
        finally:
            self.db.close()

    def _migrate(self) -> None:
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"written by a newer version (schema {version}, known: {SCHEMA_VERSION})")
        self.db.executescript(SCHEMA)


@cache
def _insert(queue: int, rows: int) -> str:
    return f"INSERT INTO queue_{queue} (id, {_COLUMNS}) VALUES {','.join(['(?,?,?,?,?,?)'] * rows)}"


@cache
def _delete(queue: int, ids: int) -> str:
    return f"DELETE FROM queue_{queue} WHERE id IN ({','.join('?' * ids)})"
