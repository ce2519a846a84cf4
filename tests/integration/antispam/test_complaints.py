"""Complaints and the automatic whitelist on a real MongoDB."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from libs.mongo import Mongo
from services.antispam.reputation.complaints import ComplaintSubject, ComplaintThresholds, subjects_of
from services.antispam.reputation.correspondents import Correspondent, CorrespondentKey
from services.antispam.reputation.mongo_complaints import MongoComplaints
from services.antispam.reputation.mongo_correspondents import MongoCorrespondents

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
THRESHOLDS = ComplaintThresholds(peer=3, sender=3, domain=5)
SENDER = ComplaintSubject("sender", "$a@spam.example")


@pytest.fixture
async def complaints(mongo: Mongo) -> MongoComplaints:
    made = MongoComplaints(mongo.database("antispam"), retention=30 * DAY)
    await made.prepare()
    return made


def test_a_complaint_is_about_peer_sender_and_domain() -> None:
    found = subjects_of(sender="A@Spam.example", peer="2001:db8::1")
    assert found == [
        ComplaintSubject("sender", "a@spam.example"),
        ComplaintSubject("domain", "spam.example"),
        ComplaintSubject("peer", "2001:db8::/64"),
    ]
    assert subjects_of(sender="", peer="no address") == []


async def test_distinct_complainants_count_however_often_and_at_once_they_complain(complaints: MongoComplaints) -> None:
    subjects = subjects_of(sender=SENDER.value, peer="192.0.2.1")
    names = [f"${n}@example.org" for n in range(4)]
    await asyncio.gather(*(complaints.complain(subjects, who, NOW) for who in names * 3))
    over_threshold = await complaints.over_threshold(THRESHOLDS, NOW)
    assert over_threshold == {SENDER: 4, ComplaintSubject("peer", "192.0.2.1"): 4}  # the domain needs five
    [shown] = await complaints.page("sender", NOW, after="", limit=10)
    assert (shown.subject, sorted(shown.complainants), shown.last_at) == (SENDER, names, NOW)


async def test_a_complaint_can_be_taken_back_cleared_and_grows_old(complaints: MongoComplaints) -> None:
    for n in range(4):
        await complaints.complain([SENDER], f"{n}@example.org", NOW + n * DAY)
    await complaints.withdraw([SENDER], "3@example.org", NOW + 4 * DAY)
    await complaints.withdraw([SENDER, ComplaintSubject("sender", "x@y.example")], "nobody@example.org", NOW + 4 * DAY)
    assert await complaints.clear(ComplaintSubject("sender", "x@y.example")) is False
    assert await complaints.over_threshold(THRESHOLDS, NOW + 4 * DAY) == {SENDER: 3}
    assert await complaints.over_threshold(THRESHOLDS, NOW + 31 * DAY) == {}
    await complaints.complain([SENDER], "0@example.org", NOW + 31 * DAY)
    assert await complaints.over_threshold(THRESHOLDS, NOW + 31 * DAY) == {}  # those of days 0 and 1 are over
    assert await complaints.clear(SENDER) is True
    assert await complaints.clear(SENDER) is False
    assert await complaints.page("sender", NOW, after="", limit=10) == []


async def test_recipients_of_local_users_are_known_to_their_domain_for_a_time(mongo: Mongo) -> None:
    known = MongoCorrespondents(mongo.database("antispam"), retention=180 * DAY)
    await known.prepare()
    luc, eve = CorrespondentKey("example.org", "luc@far.example"), CorrespondentKey("example.org", "eve@far.example")
    await asyncio.gather(*(known.record([luc], validated=False, now=NOW + n * DAY) for n in range(3)))
    await known.record([eve], validated=True, now=NOW)
    await known.record([eve], validated=False, now=NOW)
    elsewhere = CorrespondentKey("example.com", "luc@far.example")
    found = await known.find([luc, eve, elsewhere], NOW)
    assert found == {luc: Correspondent(False, 3), eve: Correspondent(True, 1)}
    assert set(await known.find([luc, eve], NOW + 181 * DAY)) == {luc}
    assert [one.address for one in await known.page("example.org", NOW, after="", limit=1)] == ["eve@far.example"]
    assert [one.address for one in await known.page("example.org", NOW, after="eve@far.example", limit=9)] == [
        "luc@far.example"
    ]
    assert (await known.delete(luc), await known.delete(luc)) == (True, False)
