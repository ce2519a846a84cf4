"""Cleanup: a loop for each job, and the age at which blobs are deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from libs.envelope import Temporary
from libs.telemetry import Metrics
from services.store.mailboxes.cleanup import RELEASED_KEEP, blob_expiry, cleanup_rounds

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


async def test_a_job_that_fails_holds_up_no_other_one_and_removals_are_counted_by_kind() -> None:
    async def bodies() -> int:
        return 3

    async def junk() -> int:
        raise Temporary("away")

    removed = Metrics().counter("facteur_store_removed_items", "-", ("kind",))
    first, second = cleanup_rounds({"bodies": bodies, "junk": junk}, period=timedelta(minutes=1), removed=removed)
    await first.round()
    with pytest.raises(Temporary):
        await second.round()
    assert (first.name, second.name) == ("cleanup_bodies", "cleanup_junk")
    assert removed.labels("bodies")._value.get() == 3


async def test_blobs_of_finished_messages_are_deleted_sooner_than_others() -> None:
    asked: list[tuple[datetime, datetime]] = []

    class Blobs:
        async def collect(self, before: datetime, *, released_before: datetime) -> int:
            asked.append((before, released_before))
            return 1

    assert await blob_expiry(cast(Any, Blobs()), clock=lambda: NOON, keep=timedelta(days=14))() == 1
    assert asked == [(NOON - timedelta(days=14), NOON - RELEASED_KEEP)]
