"""The list of holders beside a blob that is a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.blobs import holders

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    return tmp_path / "a1"


def test_the_holders_are_read_as_they_were_written(blob: Path) -> None:
    assert holders.read(blob) == frozenset()
    holders.write(blob, {"mail.store", "mail.relay"}, at=NOW)
    assert holders.read(blob) == {"mail.store", "mail.relay"}
    assert holders.is_list(holders.list_of(blob))
    assert not holders.is_list(blob)
    assert holders.blob_of(holders.list_of(blob)) == blob
    assert len(list(blob.parent.iterdir())) == 1


def test_a_blob_is_released_when_its_last_holder_is_gone_for_long_enough(blob: Path) -> None:
    later = (NOW + timedelta(seconds=1)).timestamp()
    assert not holders.released_before(blob, later)  # it was never held
    holders.write(blob, {"mail.store"}, at=NOW)
    assert not holders.released_before(blob, later)
    holders.write(blob, set(), at=NOW)
    assert holders.read(blob) == frozenset()
    assert holders.released_before(blob, later)
    assert not holders.released_before(blob, NOW.timestamp())


def test_an_empty_list_releases_nothing(blob: Path) -> None:
    holders.list_of(blob).write_text("")
    assert not holders.released_before(blob, NOW.timestamp() + 10**9)
