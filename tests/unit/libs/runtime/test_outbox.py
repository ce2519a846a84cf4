"""The way to the queue: what is large goes into the blob store first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.blobs import Missing
from libs.blobs.files import FileBlobs
from libs.bus import Refused
from libs.bus.embedded import EmbeddedBus
from libs.envelope import Mail, Temporary
from libs.runtime import Outbox
from tests import builders

LIMIT = 100


def a_mail(size: int, *, blob: str | None = None) -> Mail:
    mail = builders.a_mail(raw=b"x" * size, id="0190a1", sha256="", blob=blob)
    return Mail(mail.envelope, None) if blob else mail


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path / "bus")
    await bus.start()
    await bus.declare("mail.store")
    yield bus
    await bus.close()


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


@pytest.mark.parametrize(("size", "blob"), [(0, None), (LIMIT, None), (LIMIT + 1, "0190a1")])
async def test_only_what_is_above_the_limit_is_checked_in(
    bus: EmbeddedBus, blobs: FileBlobs, size: int, blob: str | None
) -> None:
    checked = await Outbox(bus, blobs, inline_limit_bytes=LIMIT).checked_in(a_mail(size))
    assert checked.envelope.blob == blob
    if blob is not None:
        assert await blobs.get(blob) == b"x" * size


async def test_what_is_checked_in_already_is_not_fetched_to_go_on(bus: EmbeddedBus, blobs: FileBlobs) -> None:
    mail = a_mail(1000, blob="0190ff")
    assert await Outbox(bus, blobs, inline_limit_bytes=LIMIT).checked_in(mail) == mail
    with pytest.raises(Missing):
        await blobs.get("0190a1")


async def test_without_its_blob_a_message_is_not_published(bus: EmbeddedBus, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outbox = Outbox(bus, FileBlobs(tmp_path / "file"), inline_limit_bytes=LIMIT)
    with pytest.raises(Temporary):
        await outbox.send("mail.store", a_mail(LIMIT + 1))
    assert (await bus.depth("mail.store")).ready == 0


async def test_a_queue_that_there_is_not_is_refused(bus: EmbeddedBus, blobs: FileBlobs) -> None:
    with pytest.raises(Refused):
        await Outbox(bus, blobs, inline_limit_bytes=LIMIT).send("mail.nowhere", a_mail(1))
