"""Transactions and errors against a mongod that can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from libs.envelope import Temporary
from libs.mongo import DuplicateKey, EmbeddedMongod, InsertOne, Mongo, in_transaction, mongo_errors
from tests.servers.databases import drop_all


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[EmbeddedMongod]:
    """Its own, since all who share it would feel what is done to it here."""
    mongod = EmbeddedMongod(
        tmp_path_factory.mktemp("mongo"), port=free_port(), cache_gb=0.25, parameters=("enableTestCommands=1",)
    )
    asyncio.run(mongod.start())
    yield mongod
    asyncio.run(mongod.kill())


def connected(faulty: EmbeddedMongod, *, deadline: float) -> Mongo:
    # A fault that is only played leaves the driver waiting for its next look at the server.
    return Mongo(f"{faulty.url}&heartbeatFrequencyMS=500", prefix="t_", deadline=timedelta(seconds=deadline))


@pytest.fixture
async def db(faulty: EmbeddedMongod) -> AsyncIterator[Mongo]:
    mongo = connected(faulty, deadline=15)
    yield mongo
    await drop_all(mongo)
    await mongo.close()


@pytest.fixture
async def hasty(faulty: EmbeddedMongod) -> AsyncIterator[Mongo]:
    """Gives up soon: the driver tries again until its deadline."""
    mongo = connected(faulty, deadline=0.3)
    async with asyncio.timeout(30):
        while not await _answers(mongo):  # its first connection may take longer than it has patience
            await asyncio.sleep(0.05)
    yield mongo
    await mongo.close()


@pytest.fixture
async def notes(db: Mongo) -> Any:
    notes = db.database("x")["notes"]
    await notes.insert_one({"_id": "count", "n": 0})
    return notes


@asynccontextmanager
async def failing(db: Mongo, *commands: str, times: int | str = "alwaysOn", **how: Any) -> AsyncIterator[None]:
    """The server fails `commands`, as `how` says."""
    mode = {"times": times} if isinstance(times, int) else times
    admin = db._client.admin
    await admin.command("configureFailPoint", "failCommand", mode=mode, data={"failCommands": commands, **how})
    try:
        yield
    finally:
        await admin.command("configureFailPoint", "failCommand", mode="off")


FAULTS = {
    "not primary": {"errorCode": 10107},
    "the disk is full": {"errorCode": 14031},
    "the connection breaks": {"closeConnection": True},
    "not replicated in time": {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
}


@pytest.mark.parametrize("how", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_the_moment_is_temporary(db: Mongo, hasty: Mongo, notes: Any, how: dict[str, Any]) -> None:
    async with failing(db, "insert", **how):
        with pytest.raises(Temporary, match=r"^note: "), mongo_errors("note"):
            await hasty.database("x")["notes"].insert_one({"text": "x"})
    with mongo_errors("note"):
        await notes.insert_one({"text": "x"})


async def test_one_fault_is_mended_by_the_driver(db: Mongo, notes: Any) -> None:
    async with failing(db, "insert", times=1, closeConnection=True):
        await notes.insert_one({"_id": "once"})
    assert await notes.count_documents({"_id": "once"}) == 1


async def test_a_bug_and_a_duplicate_go_up(notes: Any) -> None:
    with pytest.raises(OperationFailure), mongo_errors("note"):
        await notes.update_one({"_id": "count"}, {"$sett": {"n": 1}})
    with pytest.raises(DuplicateKey), mongo_errors("note"):
        await notes.insert_one({"_id": "count"})
    with pytest.raises(DuplicateKey), mongo_errors("note"):
        await notes.bulk_write([InsertOne({"_id": id}) for id in ("new", "count", "newer")], ordered=False)
    assert await notes.count_documents({}) == 3


async def add_one(notes: Any, session: Any) -> int:
    """Reads and writes: two at the same time conflict."""
    found = await notes.find_one({"_id": "count"}, session=session)
    await asyncio.sleep(0)
    await notes.update_one({"_id": "count"}, {"$set": {"n": found["n"] + 1}}, session=session)
    return int(found["n"]) + 1


async def test_conflicting_transactions_all_happen_one_after_the_other(db: Mongo, notes: Any) -> None:
    results = await asyncio.gather(*(db.transaction(lambda session: add_one(notes, session)) for _ in range(8)))
    assert sorted(results) == list(range(1, 9))
    assert (await notes.find_one({"_id": "count"}))["n"] == 8


async def test_a_conflict_that_became_temporary_on_its_way_is_tried_again_all_the_same(db: Mongo, notes: Any) -> None:
    first_wrote, second_met_it, tries = asyncio.Event(), asyncio.Event(), 0

    async def first(session: Any) -> None:
        await notes.update_one({"_id": "count"}, {"$inc": {"n": 1}}, session=session)
        first_wrote.set()
        await second_met_it.wait()

    async def second(session: Any) -> None:
        nonlocal tries
        tries += 1
        await first_wrote.wait()
        try:
            with mongo_errors("inner"):
                await notes.update_one({"_id": "count"}, {"$inc": {"n": 10}}, session=session)
        finally:
            second_met_it.set()

    async with asyncio.timeout(20):
        await asyncio.gather(db.transaction(first), db.transaction(second))
    assert (await notes.find_one({"_id": "count"}))["n"] == 11
    assert tries > 1


class Refused(Exception):
    """The caller's own."""


@pytest.mark.parametrize("error", [Refused("no"), Temporary("later"), KeyError("bug")])
async def test_work_that_raises_leaves_nothing(db: Mongo, notes: Any, error: Exception) -> None:
    async def work(session: Any) -> None:
        await notes.insert_one({"_id": "half"}, session=session)
        raise error

    with pytest.raises(type(error)) as raised:
        await db.transaction(work)
    assert raised.value is error
    assert await notes.count_documents({"_id": "half"}) == 0


async def test_work_that_is_cancelled_leaves_nothing_and_holds_nothing(db: Mongo, notes: Any) -> None:
    written = asyncio.Event()

    async def work(session: Any) -> None:
        await notes.update_one({"_id": "count"}, {"$inc": {"n": 1}}, session=session)
        written.set()
        await asyncio.Event().wait()

    transaction = asyncio.create_task(db.transaction(work))
    await written.wait()
    transaction.cancel()
    await asyncio.wait([transaction])
    assert transaction.cancelled()
    await db.transaction(lambda session: add_one(notes, session))
    assert (await notes.find_one({"_id": "count"}))["n"] == 1


async def test_a_duplicate_in_a_transaction_is_an_answer_and_leaves_nothing(db: Mongo, notes: Any) -> None:
    async def work(session: Any) -> None:
        await notes.insert_many([{"_id": "new"}, {"_id": "count"}], ordered=False, session=session)

    with pytest.raises(DuplicateKey):
        await db.transaction(work)
    assert await notes.count_documents({}) == 1


async def test_a_commit_whose_answer_is_lost_is_asked_again_and_happens_once(db: Mongo, notes: Any) -> None:
    # The driver repeats a commit once by itself; here two answers are lost.
    async with failing(db, "commitTransaction", times=2, closeConnection=True):
        assert await db.transaction(lambda session: add_one(notes, session)) == 1
    assert (await notes.find_one({"_id": "count"}))["n"] == 1


async def test_a_commit_that_is_never_answered_is_temporary(db: Mongo, hasty: Mongo, notes: Any) -> None:
    mine = hasty.database("x")["notes"]
    async with failing(db, "commitTransaction", errorCode=91, errorLabels=["UnknownTransactionCommitResult"]):
        with pytest.raises(Temporary, match=r"^transaction: "):
            await hasty.transaction(lambda session: add_one(mine, session))
    await db._client.admin.command("killAllSessions", [])  # else the server waits a minute for it


async def test_a_conflict_without_end_is_temporary(db: Mongo, notes: Any) -> None:
    tries: list[int] = []

    async def work(session: Any) -> None:
        tries.append(1)
        await add_one(notes, session)

    async with failing(db, "update", errorCode=112, errorLabels=["TransientTransactionError"]):
        with pytest.raises(Temporary, match=r"^transaction: "):
            await in_transaction(db._client, work, patience=timedelta(seconds=1))
    assert len(tries) > 1


async def test_a_mongod_that_dies_is_temporary_and_what_was_confirmed_is_there_again(
    db: Mongo, hasty: Mongo, notes: Any, faulty: EmbeddedMongod
) -> None:
    await notes.insert_one({"_id": "confirmed"})
    await faulty.kill()
    mine = hasty.database("x")["notes"]
    with pytest.raises(Temporary, match=r"^ping: "):
        await hasty.check()
    with pytest.raises(Temporary), mongo_errors("note"):
        await mine.insert_one({"_id": "lost"})
    with pytest.raises(Temporary):
        await hasty.transaction(lambda session: add_one(mine, session))
    await faulty.start()
    await db.check()
    assert [found["_id"] async for found in notes.find().sort("_id")] == ["confirmed", "count"]


async def is_written(notes: Any, document: dict[str, Any]) -> bool:
    try:
        with mongo_errors("note"):
            await notes.insert_one(document)
    except Temporary:
        return False
    return True


async def test_a_primary_that_steps_down_is_temporary_and_comes_back(db: Mongo, hasty: Mongo, notes: Any) -> None:
    await db._client.admin.command("replSetStepDown", 1, force=True)
    with pytest.raises(Temporary), mongo_errors("note"):
        await hasty.database("x")["notes"].insert_one({"_id": "while it is none"})
    async with asyncio.timeout(15):
        while not await is_written(notes, {"_id": "when it is one again"}):
            await asyncio.sleep(0.05)


async def _answers(mongo: Mongo) -> bool:
    try:
        await mongo.check()
    except Temporary:
        return False
    return True
