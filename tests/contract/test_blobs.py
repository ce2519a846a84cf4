"""What every blob store promises: one test, two implementations."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.blobs import Blobs, Missing, open_blobs
from libs.blobs.files import FileBlobs
from libs.blobs.mongo import CHUNK_BYTES, MongoBlobs
from libs.envelope import Permanent, Temporary, new_id
from libs.mongo import Mongo

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Store:
    """`leftovers` counts everything that is kept, visible or not; `broken` is such a store that does not answer."""

    blobs: Blobs
    leftovers: Callable[[], Awaitable[int]]
    broken: Blobs
    program: str
    clock: Clock = field(default_factory=Clock)


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def of_files(directory: Path) -> Store:
    async def leftovers() -> int:
        return len(files(directory))

    clock = Clock()
    (directory / "file").touch()
    program = f"""
import asyncio, os, pathlib
from libs.blobs.files import FileBlobs
pathlib.Path.rename = lambda *_: os._exit(9)
asyncio.run(FileBlobs(pathlib.Path({str(directory / "blobs")!r})).put("a1", b"x" * 100))
"""
    return Store(
        FileBlobs(directory / "blobs", clock=clock), leftovers, FileBlobs(directory / "file"), program, clock
    )  # fmt: skip


def of_mongo(mongo: Mongo, url: str) -> Store:
    database = mongo.database("blobs")

    async def leftovers() -> int:
        return sum([await database[name].count_documents({}) for name in await database.list_collection_names()])

    clock = Clock()
    away = Mongo("mongodb://127.0.0.1:9/?directConnection=true", prefix="x", deadline=timedelta(seconds=0.2))
    program = f"""
import asyncio, os
from libs.blobs.mongo import MongoBlobs
from libs.mongo import Mongo
class Dying(MongoBlobs):
    async def _add_chunk(self, upload, n, content):
        if n == 2:
            os._exit(9)
        await super()._add_chunk(upload, n, content)
async def main():
    database = Mongo({url!r}, prefix={database.name.removesuffix("blobs")!r}).database("blobs")
    await Dying(database).put("a1", b"x" * {3 * CHUNK_BYTES})
asyncio.run(main())
"""
    return Store(MongoBlobs(database, clock=clock), leftovers, MongoBlobs(away.database("blobs")), program, clock)


@pytest.fixture(params=["files", "mongo"])
def store(request: pytest.FixtureRequest, tmp_path: Path, mongo: Mongo, mongo_url: str) -> Store:
    return of_files(tmp_path) if request.param == "files" else of_mongo(mongo, mongo_url)


@pytest.fixture
def blobs(store: Store) -> Blobs:
    return store.blobs


SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 21_000_000]


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_got(blobs: Blobs, size: int) -> None:
    content = os.urandom(size)
    await blobs.put("0190a1", content)
    assert await blobs.get("0190a1") == content


async def test_every_id_of_a_message_will_do(blobs: Blobs) -> None:
    id = new_id(NOW)
    await blobs.put(id, b"raw")
    assert await blobs.get(id) == b"raw"


async def test_what_is_not_there_is_missing_and_so_permanent(blobs: Blobs) -> None:
    for attempt in (blobs.get("0190a1"), blobs.touch("0190a1")):
        with pytest.raises(Missing) as raised:
            await attempt
        assert isinstance(raised.value, Permanent)
        assert raised.value.reason == "blob 0190a1 is missing"


async def test_putting_again_changes_nothing(store: Store) -> None:
    await store.blobs.put("0190a1", b"raw")
    kept = await store.leftovers()
    await store.blobs.put("0190a1", b"raw")
    assert await store.blobs.get("0190a1") == b"raw"
    assert await store.leftovers() == kept


async def test_many_who_put_the_same_at_once_leave_it_whole(blobs: Blobs) -> None:
    content = os.urandom(CHUNK_BYTES + 1)
    await asyncio.gather(*(blobs.put("0190a1", content) for _ in range(5)))
    assert await blobs.get("0190a1") == content


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: Store) -> None:
    await store.blobs.put("0190a1", b"raw")
    await store.blobs.put("0190b2", b"other")
    for _ in range(2):
        await store.blobs.delete("0190a1")
    with pytest.raises(Missing):
        await store.blobs.get("0190a1")
    assert await store.blobs.get("0190b2") == b"other"


# Empty, paths, a hidden file, control characters, letters that are not ASCII, far too long, a query.
WEIRD = (
    "", "../0190a1", "a/b", "/etc/passwd", ".a1", "a.b", "a\0b", "\u00e9\u00b2", " ", "a1\n", "a" * 300, '{"$gt": ""}',
)  # fmt: skip


async def test_an_id_that_can_be_none_is_refused_for_ever(blobs: Blobs) -> None:
    for id in WEIRD:
        for attempt in (blobs.put(id, b"raw"), blobs.get(id), blobs.touch(id), blobs.delete(id)):
            with pytest.raises(Missing, match="cannot exist"):
                await attempt


async def test_the_collector_takes_what_nobody_touched(store: Store) -> None:
    for id in ("old1", "old2", "touched", "again"):
        await store.blobs.put(id, b"raw")
    store.clock.now += 10 * DAY
    await store.blobs.put("young", b"raw")
    await store.blobs.touch("touched")
    await store.blobs.put("again", b"raw")
    assert await store.blobs.collect(store.clock.now - DAY) == 2
    for id in ("old1", "old2"):
        with pytest.raises(Missing):
            await store.blobs.get(id)
    for id in ("young", "touched", "again"):
        assert await store.blobs.get(id) == b"raw"
    assert await store.blobs.collect(store.clock.now - DAY) == 0
    assert await store.blobs.collect(store.clock.now + DAY) == 3
    assert await store.leftovers() <= 1  # the file that the broken store stands on


async def test_a_folder_that_vanishes_under_a_put_is_no_missing_blob(tmp_path: Path) -> None:
    """Missing would be for ever: the message that is put would end in the dead letters."""

    class Folderless(FileBlobs):
        def _make(self, folder: Path) -> None:
            """Somebody removes it at once."""

    with pytest.raises(Temporary):
        await Folderless(tmp_path).put("a1", b"raw")


async def test_a_blob_that_is_deleted_under_the_collectors_hands_does_not_stop_it(tmp_path: Path) -> None:
    class Contested(FileBlobs):
        def _is_older(self, path: Path, before: float) -> bool:
            older = super()._is_older(path, before)
            if path.with_name("seen").exists():
                path.unlink(missing_ok=True)
            path.with_name("seen").touch()
            return older

    clock = Clock()
    blobs = Contested(tmp_path, clock=clock)
    await blobs.put("a1", b"raw")
    assert await blobs.collect(clock.now + DAY) == 1


async def test_a_store_that_holds_nothing_has_nothing_to_collect(blobs: Blobs) -> None:
    assert await blobs.collect(NOW) == 0


async def test_whoever_touched_in_time_finds_it_after_the_collector_came_by(store: Store) -> None:
    ids = [f"a{n:03}" for n in range(60)]
    await asyncio.gather(*(store.blobs.put(id, b"raw") for id in ids))
    store.clock.now += 10 * DAY
    collecting = asyncio.create_task(store.blobs.collect(store.clock.now - DAY))
    touched = await asyncio.gather(*(store.blobs.touch(id) for id in ids), return_exceptions=True)
    await collecting
    for id, result in zip(ids, touched, strict=True):
        if result is None:
            assert await store.blobs.get(id) == b"raw"
        else:
            assert isinstance(result, Missing)


async def test_what_is_put_again_while_the_collector_comes_by_is_there(store: Store) -> None:
    ids = [f"a{n:03}" for n in range(30)]
    await asyncio.gather(*(store.blobs.put(id, b"raw") for id in ids))
    store.clock.now += 10 * DAY
    collecting = asyncio.create_task(store.blobs.collect(store.clock.now - DAY))
    await asyncio.gather(*(store.blobs.put(id, b"raw") for id in ids))
    await collecting
    assert [await store.blobs.get(id) for id in ids] == [b"raw"] * 30


async def test_a_crash_in_the_middle_leaves_nothing_visible_and_the_rest_is_collected(store: Store) -> None:
    before = await store.leftovers()
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", store.program], cwd=ROOT, timeout=60)
    assert done.returncode == 9
    assert await store.leftovers() > before
    with pytest.raises(Missing):
        await store.blobs.get("a1")
    store.clock.now = datetime.now(UTC)
    assert await store.blobs.collect(store.clock.now - DAY) == 0
    assert await store.leftovers() > before  # it may be under way
    assert await store.blobs.collect(store.clock.now + DAY) == 0  # it never was a blob
    assert await store.leftovers() == before


async def test_a_store_that_does_not_answer_is_temporary(store: Store) -> None:
    blobs = store.broken
    for attempt in (
        blobs.put("a1", b"raw"), blobs.get("a1"), blobs.touch("a1"), blobs.delete("a1"), blobs.collect(NOW),
        blobs.hold("a1", "mail.store"), blobs.release("a1", "mail.store"),
    ):  # fmt: skip
        with pytest.raises(Temporary):
            await attempt


async def test_a_full_disk_is_temporary_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Temporary, match="No space left"):
        await FileBlobs(tmp_path).put("a1", b"raw")
    assert files(tmp_path) == []


async def test_the_scheme_of_the_address_picks_the_store(mongo: Mongo, tmp_path: Path) -> None:
    assert isinstance(open_blobs(f"file:{tmp_path}", mongo), FileBlobs)
    assert isinstance(open_blobs("mongo:", mongo), MongoBlobs)
    with pytest.raises(ValueError, match="unknown scheme 's3', expected file: or mongo:"):
        open_blobs("s3:bucket", mongo)


async def test_a_blob_goes_some_time_after_its_last_holder_released_it(store: Store) -> None:
    for id in ("done", "held", "never"):
        await store.blobs.put(id, b"raw")
    for holder in ("mail.store", "mail.relay"):
        await store.blobs.hold("done", holder)
        await store.blobs.hold("held", holder)
        await store.blobs.release("done", holder)
    await store.blobs.release("held", "mail.store")
    hour = timedelta(hours=1)

    async def collected() -> int:
        return await store.blobs.collect(store.clock.now - 14 * DAY, released_before=store.clock.now - hour)

    assert await collected() == 0  # a second copy may still come
    store.clock.now += 2 * hour
    assert await store.blobs.collect(store.clock.now - 14 * DAY) == 0
    assert await collected() == 1
    with pytest.raises(Missing):
        await store.blobs.get("done")
    for id in ("held", "never"):
        assert await store.blobs.get(id) == b"raw"
    store.clock.now += 15 * DAY
    assert await collected() == 2  # a holder that a crash left behind
    assert await store.leftovers() <= 1


AGAIN = {
    "held again": lambda blobs: blobs.hold("a1", "mail.store"),
    "touched": lambda blobs: blobs.touch("a1"),
    "put again": lambda blobs: blobs.put("a1", b"raw"),
}


@pytest.mark.parametrize("need", AGAIN.values(), ids=AGAIN.keys())
async def test_a_blob_that_is_needed_again_in_time_stays(
    store: Store, need: Callable[[Blobs], Awaitable[None]]
) -> None:
    await store.blobs.put("a1", b"raw")
    await store.blobs.hold("a1", "mail.router")
    await store.blobs.release("a1", "mail.router")
    store.clock.now += DAY
    await need(store.blobs)
    assert await store.blobs.collect(store.clock.now - 14 * DAY, released_before=store.clock.now - DAY / 24) == 0
    assert await store.blobs.get("a1") == b"raw"


async def test_holding_and_releasing_may_be_done_again_and_in_any_order(store: Store) -> None:
    await store.blobs.put("a1", b"raw")
    await store.blobs.release("a1", "mail.store")  # it never held it
    await store.blobs.hold("a1", "mail.store")
    await store.blobs.hold("a1", "mail.store")
    await store.blobs.put("a1", b"raw")  # does not forget who holds it
    await store.blobs.release("a1", "mail.relay")
    store.clock.now += DAY
    before = store.clock.now - DAY / 2
    assert await store.blobs.collect(before - 14 * DAY, released_before=before) == 0
    await store.blobs.release("a1", "mail.store")
    await store.blobs.release("a1", "mail.store")
    store.clock.now += DAY
    assert await store.blobs.collect(before - 14 * DAY, released_before=store.clock.now - DAY / 2) == 1


async def test_what_is_not_there_cannot_be_held_and_may_be_released(blobs: Blobs) -> None:
    with pytest.raises(Missing, match="blob 0190a1 is missing"):
        await blobs.hold("0190a1", "mail.store")
    await blobs.release("0190a1", "mail.store")
    for holder in ("", "-", "a b", "a\nb", "../x", "$x"):
        with pytest.raises(ValueError, match="cannot hold"):
            await blobs.hold("0190a1", holder)


async def test_many_who_hold_and_release_at_once_leave_no_hold_behind(store: Store) -> None:
    queues = [f"mail.q{n}" for n in range(8)]
    await store.blobs.put("a1", b"raw")
    await asyncio.gather(*(store.blobs.hold("a1", queue) for queue in queues))
    await asyncio.gather(*(store.blobs.release("a1", queue) for queue in queues))
    store.clock.now += DAY
    assert await store.blobs.collect(store.clock.now - 14 * DAY, released_before=store.clock.now - DAY / 2) == 1
