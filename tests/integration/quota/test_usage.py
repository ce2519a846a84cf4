"""Usage and send counters against a real MongoDB."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest

from libs.envelope import Temporary
from libs.mongo import Mongo
from services.quota.adapters.sends import MongoSends
from services.quota.adapters.usage import MongoUsage
from services.quota.domain.sending import ClassLimits
from services.quota.ports import MailboxTotals

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROFILES = {"guest": 2000, "standard": 1000}
ADDRESS = "a@example.org"


@pytest.fixture
async def usage(mongo: Mongo) -> MongoUsage:
    usage = MongoUsage(mongo.database("quota"), profiles=PROFILES, default_profile="standard")
    await usage.prepare()
    return usage


def counted(used: int, version: int, address: str = ADDRESS) -> MailboxTotals:
    return MailboxTotals(address=address, used_bytes=used, messages=version, version=version)


async def test_totals_that_come_late_twice_or_out_of_order_leave_the_newest(usage: MongoUsage) -> None:
    for used, version in ((10, 1), (30, 3), (20, 2), (30, 3)):
        await usage.apply(counted(used, version))
    found = await usage.get(ADDRESS)
    assert found is not None
    assert (found.used_bytes, found.messages, found.limit_bytes) == (30, 3, 1000)


async def test_a_crowd_of_totals_in_one_batch_leaves_the_newest(usage: MongoUsage) -> None:
    changes = await asyncio.gather(*(usage.apply(counted(n, n, f"{n % 5}@example.org")) for n in range(1, 101)))
    assert 5 <= sum(change is not None for change in changes) <= 100
    found = [await usage.get(f"{n}@example.org") for n in range(5)]
    assert [usage.used_bytes for usage in found if usage] == [100, 96, 97, 98, 99]


async def test_limits_come_from_account_then_domain_then_profile(usage: MongoUsage) -> None:
    await usage.set_profile(ADDRESS, limit_bytes=None, profile="guest")
    limits = []
    for change in (
        usage.set_domain_limit("example.org", 500, now=NOW),
        usage.set_profile(ADDRESS, limit_bytes=400, profile="guest"),
        usage.set_limit(ADDRESS, 300, now=NOW),
        usage.set_limit(ADDRESS, None, now=NOW),
        usage.set_domain_limit("example.org", None, now=NOW),
        usage.set_profile(ADDRESS, limit_bytes=None, profile="guest"),
    ):
        await change
        limits.append((await usage.get(ADDRESS)).limit_bytes)  # type: ignore[union-attr]
    assert limits == [500, 400, 300, 500, 2000, 2000]


async def test_of_a_limit_set_here_and_a_wish_of_router_the_younger_counts_in_any_order(usage: MongoUsage) -> None:
    def wish(limit: int | None, minutes: int) -> Awaitable[None]:
        moment = NOW + timedelta(minutes=minutes)
        return usage.set_profile(ADDRESS, limit_bytes=limit, profile="guest", made_at=NOW, limited_at=moment)

    limits = []
    for change in (
        wish(400, 0),
        usage.set_limit(ADDRESS, 300, now=NOW + timedelta(minutes=5)),
        wish(400, 0),  # another change of the account
        wish(600, 3),  # told late
        wish(700, 6),
        usage.set_limit(ADDRESS, None, now=NOW + timedelta(minutes=8)),
        wish(700, 6),
        wish(None, 9),
        wish(700, 6),
        wish(0, 10),
    ):
        await change
        limits.append((await usage.limits_of([ADDRESS]))[ADDRESS])
    assert limits == [400, 300, 300, 300, 700, 2000, 2000, 2000, 2000, 0]


async def test_of_two_limits_of_a_domain_the_younger_counts_and_a_new_domain_begins_without(usage: MongoUsage) -> None:
    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    await usage.set_domain_limit("example.org", 500, now=at(5))
    assert not await usage.wish_domain_limit("example.org", 400, limited_at=at(3))
    assert await usage.domain_limit("example.org") == 500
    assert await usage.wish_domain_limit("example.org", 600, limited_at=at(6))
    assert not await usage.wish_domain_limit("example.org", 600, limited_at=at(6))
    assert await usage.limits_of([ADDRESS]) == {ADDRESS: 600}
    assert await usage.wish_domain_limit("example.org", None, limited_at=at(9))
    assert await usage.domain_limit("example.org") is None
    assert await usage.limits_of([ADDRESS]) == {ADDRESS: 1000}


async def test_limits_that_a_former_version_left_count_until_the_next_one_is_set(mongo: Mongo) -> None:
    documents = mongo.database("quota")["usage"]
    await documents.insert_one({"_id": ADDRESS, "made_at": NOW, "account_limit_bytes": 400})
    await documents.insert_one({"_id": "set@example.org", "made_at": NOW, "limit_bytes": 7, "account_limit_bytes": 400})
    await mongo.database("quota")["domains"].insert_one({"_id": "example.org", "limit_bytes": 5})
    usage = MongoUsage(mongo.database("quota"), profiles=PROFILES, default_profile="standard")
    await usage.prepare()
    assert await usage.limits_of([ADDRESS, "set@example.org"]) == {ADDRESS: 400, "set@example.org": 7}
    for address in (ADDRESS, "set@example.org"):
        await usage.set_profile(address, limit_bytes=None, profile="guest", made_at=NOW, limited_at=NOW)
    assert not await usage.wish_domain_limit("example.org", None, limited_at=NOW)
    assert await usage.limits_of([ADDRESS, "set@example.org"]) == {ADDRESS: 5, "set@example.org": 7}


async def test_many_limits_are_told_at_once_also_of_accounts_never_heard_of(usage: MongoUsage) -> None:
    await usage.set_profile(ADDRESS, limit_bytes=None, profile="guest")
    await usage.set_profile("own@example.org", limit_bytes=400, profile="guest")
    await usage.set_domain_limit("example.net", 500, now=NOW)
    unheard = ("new@example.org", "new@example.net")
    assert await usage.limits_of([ADDRESS, "own@example.org", *unheard]) == {
        ADDRESS: 2000,
        "own@example.org": 400,
        "new@example.org": 1000,
        "new@example.net": 500,
    }


async def test_the_end_of_a_former_account_leaves_the_usage_of_the_next_one(usage: MongoUsage) -> None:
    await usage.set_profile(ADDRESS, limit_bytes=400, profile="guest", made_at=NOW)
    await usage.forget(ADDRESS, deleted_at=NOW - timedelta(days=1))
    assert (await usage.limits_of([ADDRESS])) == {ADDRESS: 400}
    await usage.forget(ADDRESS, deleted_at=NOW + timedelta(seconds=1))
    assert await usage.get(ADDRESS) is None


async def test_of_many_replicas_one_warns(usage: MongoUsage) -> None:
    await usage.apply(counted(900, 1))
    day = timedelta(hours=24)
    won = await asyncio.gather(*(usage.mark_warned(ADDRESS, now=NOW, again=day) for _ in range(10)))
    assert sum(won) == 1
    assert await usage.mark_warned(ADDRESS, now=NOW + day, again=day)


async def test_a_warning_that_was_not_sent_is_due_again(usage: MongoUsage) -> None:
    await usage.apply(counted(900, 1))
    day = timedelta(hours=24)
    assert await usage.mark_warned(ADDRESS, now=NOW, again=day)
    await usage.unmark_warned(ADDRESS, now=NOW)
    assert await usage.mark_warned(ADDRESS, now=NOW, again=day)


async def test_each_mailbox_is_recounted_once_in_a_period(usage: MongoUsage) -> None:
    for n in range(3):
        await usage.apply(counted(1, 1, f"{n}@example.org"))
    before = datetime.now(UTC) - timedelta(hours=1)
    assert sorted([address async for address in usage.due_for_recount(before)]) == [
        "0@example.org",
        "1@example.org",
        "2@example.org",
    ]
    assert [address async for address in usage.due_for_recount(before)] == []


async def test_concurrent_senders_of_one_key_never_exceed_the_limit(mongo: Mongo) -> None:
    replicas = [MongoSends(mongo.database("quota")) for _ in range(2)]
    await replicas[0].prepare()
    limits = ClassLimits(50, 10, None, None)
    decisions = await asyncio.gather(
        *(replicas[n % 2].check_and_count("external:a", 1, limits, now=NOW) for n in range(30))
    )
    assert sum(decision.allowed for decision in decisions) == 10
    assert {decision.retry_at for decision in decisions if not decision.allowed} == {NOW + timedelta(hours=1)}


async def test_what_is_told_late_of_an_account_that_is_gone_makes_no_usage_for_nobody_and_for_the_next_one(
    usage: MongoUsage,
) -> None:
    end, again = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    await usage.set_profile(ADDRESS, limit_bytes=400, profile="guest", made_at=NOW)
    await usage.set_limit(ADDRESS, 77, now=NOW)
    await usage.apply(of_account(counted(100, 1), NOW))
    await usage.forget(ADDRESS, deleted_at=end)
    await usage.apply(of_account(counted(200, 2), NOW))
    await usage.apply(counted(200, 3))
    await usage.set_profile(ADDRESS, limit_bytes=400, profile="guest", made_at=NOW)
    assert await usage.get(ADDRESS) is None
    assert (await usage.limits_of([ADDRESS])) == {ADDRESS: 1000}
    assert not await usage.set_limit(ADDRESS, 5, now=NOW)
    assert [address async for address in usage.due_for_recount(end)] == []
    with pytest.raises(Temporary):  # the account that it is of was not told of yet
        await usage.apply(of_account(counted(7, 9), again))
    await usage.set_profile(ADDRESS, limit_bytes=None, profile="guest", made_at=again)
    await usage.apply(of_account(counted(200, 20), NOW))
    await usage.forget(ADDRESS, deleted_at=end)
    found = await usage.get(ADDRESS)
    assert found is not None
    assert (found.used_bytes, found.limit_bytes) == (0, 2000)
    assert await usage.apply(of_account(counted(7, 9), again)) is not None


def of_account(counted: MailboxTotals, made_at: datetime) -> MailboxTotals:
    return counted.model_copy(update={"made_at": made_at})
