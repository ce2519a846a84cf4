"""Triplets on a real MongoDB: all replicas agree, and triplets expire."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from libs.mongo import Mongo
from libs.network import parsed
from services.antispam.reputation.greylist import GreylistTimes, Triplet, greylisted_network
from services.antispam.reputation.mongo_greylist import MongoGreylist

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PATIENCE = GreylistTimes(5 * MINUTE, 24 * HOUR, 36 * DAY, 5, "recipient")
TRIPLET = Triplet("192.0.2.0/24", "a@b.example", "m@example.org")


@pytest.fixture
async def greylist(mongo: Mongo) -> MongoGreylist:
    made = MongoGreylist(mongo.database("antispam"), PATIENCE)
    await made.prepare()
    await made.prepare()
    return made


@pytest.mark.parametrize(
    ("moments", "waited", "passes", "word"),
    [
        ([timedelta()], None, 0, "the first time"),
        ([timedelta(), 4 * MINUTE], None, 0, "too soon"),
        ([timedelta(), 5 * MINUTE], 5 * MINUTE, 1, "patient enough"),
        ([timedelta(), MINUTE, 7 * MINUTE], 7 * MINUTE, 1, "an impatient try in between does no harm"),
        ([timedelta(), 25 * HOUR], None, 0, "so late that it is the first time again"),
        ([timedelta(), 25 * HOUR, 25 * HOUR + 6 * MINUTE], 6 * MINUTE, 1, "and counts from there"),
        ([timedelta(), 6 * MINUTE, 30 * DAY, 60 * DAY], 6 * MINUTE, 0, "each message makes it known anew"),
        ([timedelta(), 6 * MINUTE, 37 * DAY], None, 0, "forgotten"),
    ],
)
async def test_a_triplet_that_comes_again_in_time_is_known(
    greylist: MongoGreylist, moments: list[timedelta], waited: timedelta | None, passes: int, word: str
) -> None:
    for moment in moments:
        met = await greylist.record_attempt(TRIPLET, NOW + moment)
    assert met.waited == waited, word
    assert await greylist.network_passes(TRIPLET.network, NOW + moments[-1]) == passes


async def test_replicas_that_meet_the_same_triplet_at_once_agree_and_count_one_success(greylist: MongoGreylist) -> None:
    first = await asyncio.gather(
        *(greylist.record_attempt(TRIPLET, NOW + n * timedelta(milliseconds=1)) for n in range(20))
    )
    assert len({met.first_at for met in first}) == 1
    again = NOW + 6 * MINUTE
    met = await asyncio.gather(
        *(greylist.record_attempt(TRIPLET, again + n * timedelta(milliseconds=1)) for n in range(20))
    )
    assert len({one.passed_at for one in met}) == 1
    assert [one.newly for one in met].count(True) == 1
    assert await greylist.network_passes(TRIPLET.network, again) == 1
    await greylist.forget(TRIPLET.network)
    assert await greylist.network_passes(TRIPLET.network, again) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::9", "2001:db8:1:2::/64"),
    ],
)
def test_a_retry_from_a_neighbour_is_the_same_sender(address: str, network: str) -> None:
    peer = parsed(address)
    assert peer is not None
    assert greylisted_network(peer) == network
