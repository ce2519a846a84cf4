"""The mongod that embedded mode starts for itself."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.envelope import Temporary
from libs.mongo import EmbeddedMongod, Mongo, embedded, open_mongo
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
Make = Callable[..., EmbeddedMongod]


@pytest.fixture
async def make(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Make]:
    """A mongod that is stopped in the end."""
    made: list[EmbeddedMongod] = []

    def make(directory: Path = tmp_path / "mongo", port: int | None = None) -> EmbeddedMongod:
        made.append(EmbeddedMongod(directory, port=port or free_port(), cache_gb=0.25))
        return made[-1]

    yield make
    for mongod in made:
        await mongod.kill()


async def note(mongod: EmbeddedMongod, text: str) -> None:
    mongo = Mongo(mongod.url, prefix="")
    await mongo.database("notes")["notes"].insert_one({"_id": text})
    await mongo.close()


async def noted(mongod: EmbeddedMongod) -> list[str]:
    mongo = Mongo(mongod.url, prefix="")
    found = [document["_id"] async for document in mongo.database("notes")["notes"].find().sort("_id")]
    await mongo.close()
    return found


def runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_what_was_written_survives_a_stop_a_kill_and_another_port(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make()
    await first.stop()  # harmless
    await first.start()
    await note(first, "a")
    with monkeypatch.context() as hurry:
        hurry.setattr(embedded, "_BUSY_PATIENCE", 0)
        with pytest.raises(Temporary, match="another mongod uses"):
            await make().start()
    await first.stop()
    assert not runs(first.pid)
    await first.stop()  # harmless
    second = make()
    await second.start()
    await note(second, "b")
    await second.kill()
    third = make()
    await third.start()
    await note(third, "c")
    assert await noted(third) == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "mongo").glob("mongod.log*")) == ["mongod.log", "mongod.log.1"]


async def test_it_ends_with_its_parent_and_the_next_start_waits_for_it(make: Make, tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from libs.mongo import EmbeddedMongod
async def main():
    mongod = EmbeddedMongod(pathlib.Path({str(tmp_path / "mongo")!r}), port={(port := make()._port)})
    await mongod.start()
    print(mongod.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    successor = make(port=port)
    await successor.start()  # at once: the old one may still have port and files
    await note(successor, "a")
    await eventually(lambda: not runs(pid))
    assert await noted(successor) == ["a"]


async def test_whoever_knocked_while_it_came_up_works_afterwards_on_the_same_connections(make: Make) -> None:
    """A connection from before the server is a member of its set has no sessions, for as long as it lives."""
    mongod = make()
    await mongod._spawned()
    mongo = Mongo(mongod.url, prefix="", deadline=timedelta(seconds=2))

    def written(id: str) -> Awaitable[Any]:
        return mongo.transaction(lambda session: notes.insert_one({"_id": id}, session=session))

    notes = mongo.database("notes")["notes"]
    early = await asyncio.gather(*(written(f"early {n}") for n in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in early} == {Temporary}
    await mongod._become_primary()
    await asyncio.gather(*(written(str(n)) for n in range(20)))
    await mongo.close()


async def test_the_mongod_of_somebody_else_is_never_taken_for_ours(
    make: Make, mongod: EmbeddedMongod, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_BUSY_PATIENCE", 0)
    port = int(mongod.url.partition("127.0.0.1:")[2].partition("/")[0])
    with pytest.raises(Temporary, match=f"another process listens on port {port}"):
        await make(port=port).start()
    await mongo.check()


async def test_a_port_that_is_taken_is_told(
    make: Make, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_BUSY_PATIENCE", 0)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Temporary, match="another process listens on"):
        await make(port=port).start()


async def test_files_that_it_cannot_read_are_told_at_once(make: Make, tmp_path: Path) -> None:
    (tmp_path / "mongo").mkdir()
    (tmp_path / "mongo" / "WiredTiger.turtle").write_bytes(b"nonsense")
    with pytest.raises(Temporary, match=r"mongod ended with \d+: .*see .*mongod\.log"):
        await make().start()


async def test_a_place_that_is_no_directory_is_told(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Temporary, match=r"mongod in .*Not a directory"):
        await make(tmp_path / "file" / "mongo").start()


async def test_a_start_that_takes_too_long_or_is_cancelled_leaves_nothing_running(make: Make) -> None:
    slow = make()
    with pytest.raises(Temporary, match=r"not ready within 0:00:00\.200000"):
        await slow.start(deadline=timedelta(seconds=0.2))
    assert not runs(slow.pid)
    cancelled = make()
    starting = asyncio.create_task(cancelled.start())
    await eventually(lambda: cancelled._process is not None)
    starting.cancel()
    await asyncio.wait([starting])
    assert not runs(cancelled.pid)


async def test_a_machine_without_mongod_is_told_what_to_install(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Temporary, match=r"install MongoDB 6 or newer .* or set FACTEUR_MONGO_URL"):
        await make().start()


async def test_an_address_is_opened_by_its_scheme(mongo_url: str) -> None:
    wait = timedelta(seconds=30)
    async with open_mongo(mongo_url, prefix="b_", port_base=0, start_deadline=wait) as mongo:
        await mongo.check()
        assert mongo.database("x").name == "b_x"
    for wrong in ("mongodb://", "mongodb://x:99999", "http://x"):
        with pytest.raises(ValueError, match="setting mongo_url: "):
            async with open_mongo(wrong, prefix="", port_base=0, start_deadline=wait):
                pytest.fail("there is no such address")
    with pytest.raises(ValueError, match="setting port_base"):
        async with open_mongo("embedded:x", prefix="", port_base=40_000, start_deadline=wait):
            pytest.fail("there is no such port")


async def test_a_mongodb_that_comes_up_later_is_waited_for(make: Make) -> None:
    late = make()
    opening = open_mongo(late.url, prefix="x_", port_base=0, start_deadline=timedelta(seconds=30))
    entering = asyncio.create_task(opening.__aenter__())
    await late.start()
    await (await entering).check()
    await opening.__aexit__(None, None, None)


async def test_a_mongodb_that_does_not_come_up_is_told(free_port: Callable[[], int]) -> None:
    url = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100"
    with pytest.raises(Temporary, match=r"^MongoDB is not there within 0:00:00\.300000: "):
        async with open_mongo(url, prefix="", port_base=0, start_deadline=timedelta(seconds=0.3)):
            pytest.fail("it is not there")


async def test_one_that_ended_by_itself_is_started_again_and_one_that_was_stopped_is_not(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongod = make()
    assert not await mongod.revive()
    await mongod.start()
    await note(mongod, "a")
    assert not await mongod.revive()
    await mongod.kill()
    with monkeypatch.context() as broken:
        broken.setattr(embedded, "find_mongod", lambda: "/bin/false")
        for _ in range(2):
            with pytest.raises(Temporary, match="mongod ended with 1"):
                await mongod.revive()
    assert await mongod.revive()
    await note(mongod, "b")
    assert await noted(mongod) == ["a", "b"]
    await mongod.stop()
    assert not await mongod.revive()


def test_the_last_words_of_a_mongod_on_a_full_disk_are_read_though_they_are_cut_off(make: Make, tmp_path: Path) -> None:
    (tmp_path / "mongo").mkdir()
    (tmp_path / "mongo/mongod.log").write_text('{"s":"F","msg":"no space left"}\n{"s":"F","ms')
    assert make()._last_words().startswith("no space left")
