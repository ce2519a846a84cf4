"""A random walk over the queue: two processes that crash, are cut off from the database, freeze and answer late.

The model is what really happened: which servers took what, and who heard. Nothing is sent again by a process that knew
it to be taken, nor by another after that was written down; and nothing ends without somebody who hears of it.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from libs.envelope import Temporary
from libs.mongo import Mongo
from services.relay.adapters.holders import LEASE
from services.relay.adapters.queue import Verdict
from services.relay.domain.entries import Entry, State
from services.relay.domain.reporting import Event
from services.relay.ledger import Ledger
from tests.integration.relay.conftest import Clock, Replica
from tests.servers.databases import drop_all

T = TypeVar("T")
DESTINATION = "far.example"
PROCESSES = st.integers(0, 1)


class Process:
    """A process of relay as its lanes use it. `has` is what it claimed and has not concluded."""

    def __init__(self, name: str, database: Any, clock: Clock) -> None:
        self.replica = Replica(name, database, clock)
        self.ledger = Ledger(self.replica.queue, clock)
        self.has: dict[str, Entry] = {}
        self.is_cut_off = False
        self._settle = self.replica.queue.settle
        self.replica.queue.settle = self._settle_if_connected  # type: ignore[method-assign]

    async def _settle_if_connected(self, verdicts: Any, **more: Any) -> None:
        if self.is_cut_off:
            raise Temporary("the database is away")
        await self._settle(verdicts, **more)


class Queue(RuleBasedStateMachine):
    """Each rule is a step of the world."""

    runner: asyncio.Runner
    mongo: Mongo

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.database = self.mongo.database("relay")
        self.names = (f"p{number}" for number in itertools.count())
        self.processes = [self._new() for _ in range(2)]
        self.taken: Counter[str] = Counter()
        self.known: dict[str, str] = {}  # taken, and known to this process or (as "*") written down
        self.heard: set[str] = set()
        self.numbers = itertools.count()
        self.add(2)
        self.claim(0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _new(self) -> Process:
        process = Process(next(self.names), self.database, self.clock)
        self.run(process.replica.holders.renew(now=self.clock()))
        return process

    @rule(recipients=st.integers(1, 3))
    def add(self, recipients: int) -> None:
        id = f"m{next(self.numbers)}"
        self.run(self.processes[0].replica.add(*(f"r{n}@{DESTINATION}" for n in range(recipients)), id=id))

    @rule(which=PROCESSES)
    def claim(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off or not process.replica.holders.holds:
            return
        for entry in self.run(process.replica.claim(DESTINATION, messages=2)):
            process.has[entry.id] = entry

    @rule(which=PROCESSES, outcome=st.sampled_from(["taken", "refused", "later", "released"]))
    def conclude(self, which: int, outcome: str) -> None:
        """Of the first entry in hand; a frozen process does so long after its lease."""
        process = self.processes[which]
        if not process.has:
            return
        id = next(iter(process.has))
        entry = process.has.pop(id)
        if (known := process.ledger.taken(id)) is not None:
            self.run(process.ledger.write([Verdict(entry, known.then, known.report)]))
            return
        if outcome == "released":
            if process.is_cut_off:
                process.has[id] = entry
            else:
                self.run(process.replica.queue.release([entry], now=self.clock()))
            return
        if outcome == "taken":
            name, known = process.replica.name, self.known.get(id, "")
            # Who had it in hand at the moment when another one's answer was written down cannot know that.
            is_excused = known == f"all but {name}"
            assert is_excused or not (known in (name, "*") or known.startswith("all but")), f"{id} is sent again"
            self.taken[id] += 1
        state = {"taken": State.SENT, "refused": State.FAILED, "later": State.QUEUED}[outcome]
        verdict = process.replica.verdict(entry, state, tell=Event.FAILED if outcome == "refused" else None)
        is_written = self.run(process.ledger.write([verdict]))
        if outcome == "taken":
            self.known[id] = self._knowledge(id) if is_written else process.replica.name

    def _knowledge(self, id: str) -> str:
        """Written down: nobody sends it from now on, but who has it in hand at this very moment."""
        holders = [process.replica.name for process in self.processes if id in process.has]
        return f"all but {holders[0]}" if holders else "*"

    @rule(which=PROCESSES, is_cut_off=st.booleans())
    def cut_off(self, which: int, is_cut_off: bool) -> None:
        self.processes[which].is_cut_off = is_cut_off

    @rule(which=PROCESSES)
    def heartbeat(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off:
            return
        self.run(process.ledger.flush())
        for id, name in self.known.items():
            if name == process.replica.name:
                self.known[id] = self._knowledge(id)
        self.run(process.replica.look_after_the_dead())

    @rule(which=PROCESSES)
    def freeze(self, which: int) -> None:
        """It says nothing for longer than its lease, and the other takes over and goes on."""
        other = 1 - which
        if self.processes[other].is_cut_off:
            return
        for _ in range(4):
            self.clock.move(LEASE / 2)
            self.heartbeat(other)
        self.claim(other)

    @rule(which=PROCESSES)
    def crash(self, which: int) -> None:
        """All that it knew and had not written is lost: RFC 1047."""
        name = self.processes[which].replica.name
        self.known = {id: known for id, known in self.known.items() if known != name}
        self.processes[which] = self._new()

    @rule(which=PROCESSES)
    @precondition(lambda self: any(not process.is_cut_off for process in self.processes))
    def stop_in_order(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off:
            return
        self.run(process.ledger.flush())
        for id, name in self.known.items():
            if name == process.replica.name:
                self.known[id] = self._knowledge(id)
        self.run(process.replica.queue.release_all([process.replica.name], now=self.clock()))
        self.run(process.replica.holders.leave([process.replica.name]))
        self.processes[which] = self._new()

    @rule(minutes=st.sampled_from([0.25, 1, 3, 6]))
    def time_passes(self, minutes: float) -> None:
        self.clock.move(timedelta(minutes=minutes))

    @rule(which=PROCESSES, outcome=st.sampled_from(["told", "later", "crash"]))
    def report(self, which: int, outcome: str) -> None:
        process = self.processes[which]
        for letter in self.run(process.replica.reports.claim(now=self.clock())):
            if outcome == "told":
                self.heard |= {due.entry.id for due in letter}
                self.run(process.replica.reports.told(letter, now=self.clock()))
            elif outcome == "later":
                due_at = self.clock() + timedelta(minutes=1)
                self.run(process.replica.reports.again(letter, letter[0].report, due_at=due_at))

    def teardown(self) -> None:
        try:
            self._come_to_the_end()
        finally:
            for name in ("deliveries", "bodies", "holders", "sites"):
                self.run(self.database[name].delete_many({}))

    def _come_to_the_end(self) -> None:
        """The world calms down: everything comes to its end, and each end is heard of."""
        for process in self.processes:
            process.is_cut_off = False
            self.run(process.ledger.flush())
            process.has.clear()
        self.known = {id: known for id, known in self.known.items() if known == "*"}
        self.processes = [self._new() for _ in range(2)]
        for _ in range(4):
            self.clock.move(LEASE / 2)
            self.heartbeat(0)
        for _ in range(2):
            self.clock.move(timedelta(minutes=6))
            self.heartbeat(0)
            self.claim(0)
            while self.processes[0].has:
                self.conclude(0, "refused")
                self.claim(0)
        for _ in range(2):
            self.clock.move(timedelta(minutes=6))
            self.report(0, "told")
        for id, state in self.run(self.processes[0].replica.states()).items():
            assert state in ("sent", "failed"), f"{id} is {state}"
            assert state == "sent" or id in self.heard, f"nobody heard of {id}"
            assert state == "sent" or id not in self.known, f"{id} was taken, and its sender heard of a failure"


def test_whatever_happens_nothing_is_sent_twice_knowingly_and_nothing_ends_unheard(mongo_url: str) -> None:
    with asyncio.Runner() as runner:

        async def connected() -> Mongo:
            return Mongo(mongo_url, prefix=f"t{uuid.uuid4().hex[:12]}_")

        Queue.runner, Queue.mongo = runner, runner.run(connected())
        runner.run(Replica("first", Queue.mongo.database("relay"), Clock()).queue.prepare())
        chosen = settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        try:
            run_state_machine_as_test(Queue, settings=chosen)  # type: ignore[no-untyped-call]
        finally:
            runner.run(drop_all(Queue.mongo))
            runner.run(Queue.mongo.close())
