"""A random walk over the queue: two processes that crash, are cut off from the database, freeze and answer late.

The model is a queue without a database: what each entry is, who has it, and whether a server took it from a holder that
was late. After each step the database says the same. So what is known to be taken is not sent again, no late holder
changes what another one has, and no late answer is lost; at the end nothing ends without somebody who hears of it.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from libs.envelope import Temporary
from libs.mongo import Mongo
from services.relay.adapters.leases import LEASE
from services.relay.adapters.queue import Settlement
from services.relay.domain.entries import Entry, State
from services.relay.domain.reporting import ReportEvent
from services.relay.outcome_writer import OutcomeWriter
from tests.integration.relay.conftest import Clock, QueueReplica
from tests.servers.databases import drop_all

T = TypeVar("T")
DESTINATION = "far.example"
PROCESSES = st.integers(0, 1)
OUTCOMES = st.sampled_from(["taken", "refused", "later"])


@dataclass
class Believed:
    """An entry as the database should have it."""

    state: str = "queued"
    fence: str = ""
    holder: str = ""
    is_taken: bool = False  # a server took it from a holder whose lease was lost

    def settle(self, fence: str, outcome: str) -> None:
        """Under its own fence an outcome counts; under a lost one only that a server took it does."""
        has_it = self.state == "sending" and self.fence == fence
        if outcome == "taken" and self.state == "sending" and not has_it:
            self.is_taken = True
        elif outcome == "taken" and (has_it or self.state == "queued"):
            self.become("sent")
        elif has_it:
            self.become("sent" if self.is_taken else {"refused": "failed", "later": "queued"}[outcome])

    def give_back(self) -> None:
        self.become("sent" if self.is_taken else "queued")

    def become(self, state: str, *, fence: str = "", holder: str = "") -> None:
        self.state, self.fence, self.holder, self.is_taken = state, fence, holder, False


class Process:
    """A process of relay as its connections use it. `has` is what it claimed and has not concluded.

    `unwritten` are the outcomes that it has not been able to write.
    """

    def __init__(self, name: str, database: Any, clock: Clock) -> None:
        self.replica = QueueReplica(name, database, clock)
        self.outcomes = OutcomeWriter(self.replica.queue, clock)
        self.has: dict[str, Entry] = {}
        self.unwritten: dict[str, tuple[Entry, str]] = {}
        self.is_cut_off = False
        self._settle = self.replica.queue.settle
        self.replica.queue.settle = self._settle_if_connected  # type: ignore[method-assign]

    async def _settle_if_connected(self, settlements: Any, **more: Any) -> None:
        if self.is_cut_off:
            raise Temporary("the database is away")
        await self._settle(settlements, **more)


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
        self.believed: dict[str, Believed] = {}
        self.heard: set[str] = set()
        self.numbers = itertools.count()
        self.add(2)
        self.claim(0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _new(self) -> Process:
        process = Process(next(self.names), self.database, self.clock)
        self.run(process.replica.leases.renew(now=self.clock()))
        return process

    @rule(recipients=st.integers(1, 3))
    def add(self, recipients: int) -> None:
        id = f"m{next(self.numbers)}"
        addresses = [f"r{n}@{DESTINATION}" for n in range(recipients)]
        self.run(self.processes[0].replica.add(*addresses, id=id))
        self.believed |= {f"{id}:{address}": Believed() for address in addresses}

    @rule(which=PROCESSES)
    def claim(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off or not process.replica.leases.is_valid:
            return
        for entry in self.run(process.replica.claim(DESTINATION, messages=2)):
            assert self.believed[entry.id].state == "queued", f"{entry.id} is sent again"
            self.believed[entry.id].become("sending", fence=entry.fence, holder=process.replica.name)
            process.has[entry.id] = entry

    @rule(which=PROCESSES, outcome=st.sampled_from(["taken", "refused", "later", "released"]))
    def conclude(self, which: int, outcome: str) -> None:
        """Of the first entry in flight; a frozen process does so long after its lease."""
        process = self.processes[which]
        if not process.has:
            return
        id = next(iter(process.has))
        entry = process.has.pop(id)
        if (known := process.outcomes.accepted(id)) is not None:
            # It came back before that could be written: no server sees it a second time.
            self._write(process, Settlement(entry, known.transition, known.report), "taken")
        elif outcome != "released":
            state = {"taken": State.SENT, "refused": State.FAILED, "later": State.QUEUED}[outcome]
            tell = ReportEvent.FAILED if outcome == "refused" else None
            self._write(process, process.replica.settlement(entry, state, tell=tell), outcome)
        elif process.is_cut_off:
            process.has[id] = entry
        else:
            self.run(process.replica.queue.release([entry], now=self.clock()))
            self._given_back(lambda believed: believed.fence == entry.fence, of=id)

    def _write(self, process: Process, settlement: Settlement, outcome: str) -> None:
        process.unwritten[settlement.entry.id] = (settlement.entry, outcome)
        if self.run(process.outcomes.write([settlement])):
            del process.unwritten[settlement.entry.id]
            self.believed[settlement.entry.id].settle(settlement.entry.fence, outcome)

    def _flush(self, process: Process) -> None:
        self.run(process.outcomes.flush())
        for id, (entry, outcome) in process.unwritten.items():
            self.believed[id].settle(entry.fence, outcome)
        process.unwritten.clear()

    def _given_back(self, is_meant: Callable[[Believed], bool], *, of: str = "") -> None:
        for id, believed in self.believed.items():
            if believed.state == "sending" and is_meant(believed) and of in ("", id):
                believed.give_back()

    @invariant()
    def the_database_says_the_same(self) -> None:
        found = {document["_id"]: document for document in self.run(self._documents())}
        for id, believed in self.believed.items():
            if id not in found:
                assert believed.state in ("sent", "failed"), f"{id} is lost"  # it went by its age
                continue
            lease = found[id].get("lease", {})
            said = Believed(
                found[id]["state"], lease.get("fence", ""), lease.get("holder", ""), is_taken="taken" in found[id]
            )
            assert said == believed, f"{id} is {said} and should be {believed}"

    async def _documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.database["deliveries"].find({}).to_list(None)
        return found

    @rule(which=PROCESSES, is_cut_off=st.booleans())
    def cut_off(self, which: int, is_cut_off: bool) -> None:
        self.processes[which].is_cut_off = is_cut_off

    @rule(which=PROCESSES)
    def heartbeat(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off:
            return
        self._flush(process)
        dead = self.run(process.replica.look_after_the_dead())
        self._given_back(lambda believed: believed.holder in dead)

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

    @rule(which=PROCESSES, late=OUTCOMES, then=OUTCOMES)
    def answer_late(self, which: int, late: str, then: str) -> None:
        """A server answers a frozen process when another one is at the same entry, which ends as that one says."""
        self.claim(which)
        self.freeze(which)
        self.conclude(which, late)
        self.the_database_says_the_same()
        self.conclude(1 - which, then)

    @rule(which=PROCESSES)
    def crash(self, which: int) -> None:
        """All that it knew and had not written is lost: RFC 1047."""
        self.processes[which] = self._new()

    @rule(which=PROCESSES)
    def stop_in_order(self, which: int) -> None:
        process = self.processes[which]
        if process.is_cut_off:
            return
        self._flush(process)
        self.run(process.replica.queue.release_all([process.replica.name], now=self.clock()))
        self._given_back(lambda believed: believed.holder == process.replica.name)
        self.run(process.replica.leases.remove([process.replica.name]))
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
                self.run(process.replica.reports.mark_sent(letter, now=self.clock()))
            elif outcome == "later":
                due_at = self.clock() + timedelta(minutes=1)
                self.run(process.replica.reports.reschedule(letter, letter[0].report, due_at=due_at))

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
            self._flush(process)
            process.has.clear()
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
        self.the_database_says_the_same()


def test_whatever_happens_nothing_is_sent_twice_knowingly_and_nothing_ends_unheard(mongo_url: str) -> None:
    with asyncio.Runner() as runner:

        async def connected() -> Mongo:
            return Mongo(mongo_url, prefix=f"t{uuid.uuid4().hex[:12]}_")

        Queue.runner, Queue.mongo = runner, runner.run(connected())
        runner.run(QueueReplica("first", Queue.mongo.database("relay"), Clock()).queue.prepare())
        chosen = settings(
            max_examples=16,
            stateful_step_count=25,
            phases=[Phase.generate],  # a failure is found at once; each step to a shorter one is a walk of its own
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        try:
            run_state_machine_as_test(Queue, settings=chosen)
        finally:
            runner.run(drop_all(Queue.mongo))
            runner.run(Queue.mongo.close())
