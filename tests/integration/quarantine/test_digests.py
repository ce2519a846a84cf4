"""What waits is told to each account once a period, with links that act without a login."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from libs.envelope import Recipient
from libs.envelope.queues import ANTISPAM
from tests.integration.quarantine.people import EICAR, People, Site, spam, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def tomorrow(people: People) -> AsyncIterator[None]:
    """For a test that turns the clock on; of the domains of other tests nobody needs to be told."""
    await people.mongo.database("store").quarantine.delete_many({})
    yield
    people.clock.ahead = timedelta()


async def told(people: People, site: Site, *, days: int = 1, replicas: int = 1) -> list[str]:
    """The texts of the digests for the site's account, after the rounds of so many replicas at once."""
    people.clock.ahead = timedelta(days=days)
    await asyncio.gather(*(people.digests().round() for _ in range(replicas)))
    people.clock.ahead = timedelta()
    return [text_of(letter) for letter in people.letters_to(site.account)]


async def settled(people: People, site: Site, count: int) -> list[str]:
    async def there() -> bool:
        return len(people.letters_to(site.account)) >= count

    await people.until(there)
    return [text_of(letter) for letter in people.letters_to(site.account)]


@pytest.mark.usefixtures("tomorrow")
async def test_a_digest_comes_once_a_period_however_many_replicas_and_crashes(people: People) -> None:
    site = await people.site(account=True, digest="daily", notices=False)
    await people.hold(spam(site, subject="First <b>offer</b>"), spam(site, subject="A virus", findings=(EICAR,)))
    await told(people, site, replicas=3)
    [text] = await settled(people, site, 1)
    assert "First <b>offer</b>" in text
    assert "A virus" not in text
    [letter] = people.letters_to(site.account)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "First &lt;b&gt;offer" in text_of(letter, "html")
    # The process died before it could write down that all were told, and before it wrote down this account.
    database = people.mongo.database("store")
    await database.digests.delete_many({"_id": {"$regex": re.escape(site.domain)}})
    await told(people, site)
    # The next period has nothing new.
    await told(people, site, days=2)
    await people.hold(spam(site, subject="Second offer"))
    await told(people, site, days=2)
    assert len(people.letters_to(site.account)) == 1


@pytest.mark.usefixtures("tomorrow")
async def test_no_digest_unless_the_domain_wants_one_and_none_for_nothing(people: People) -> None:
    silent, empty = await people.site(account=True), await people.site(account=True, digest="daily")
    gone = await people.site(account=True, digest="weekly", notices=False)
    await people.hold(spam(silent))
    [id] = await people.hold(spam(gone))
    assert (await people.client("store").delete(f"/v1/quarantine/{id}")).status_code == 204
    for site in (silent, empty, gone):
        assert await told(people, site, days=8) == []


@pytest.mark.usefixtures("tomorrow")
async def test_an_account_with_addresses_in_two_domains_gets_the_digest_of_each(people: People) -> None:
    site, other = [await people.site(account=True, digest="daily", notices=False) for _ in range(2)]
    second = f"second@{other.domain}"
    path = f"/v1/accounts/{site.account}/addresses"
    assert (await people.client("router").post(path, json={"address": second})).is_success
    to_second = Recipient(address=second, original=second, domain=other.domain, account=site.account)
    mail = spam(other, subject="For the second")
    await people.hold(spam(site, subject="For the first"), mail.with_envelope(mail.envelope.to((to_second,))))
    await told(people, site, replicas=2)
    texts = await settled(people, site, 2)
    await told(people, site, replicas=2)
    await told(people, site)
    assert len(people.letters_to(site.account)) == 2
    assert [[word in text for word in ("For the first", "For the second")] for text in sorted(texts)] in (
        [[True, False], [False, True]],
        [[False, True], [True, False]],
    )


@pytest.mark.usefixtures("tomorrow")
async def test_a_digest_waits_for_ingress_and_comes_then(people: People) -> None:
    site = await people.site(account=True, digest="daily", notices=False)
    await people.hold(spam(site))
    await people.stop("ingress")
    assert await told(people, site) == []
    await people.start("ingress")
    # The replica that tried has it for the length of a lease; here it has died.
    await people.mongo.database("store").digests.update_one({"_id": site.domain}, {"$unset": {"lease_until": ""}})
    await told(people, site)
    assert len(await settled(people, site, 1)) == 1


@pytest.mark.usefixtures("tomorrow")
async def test_links_of_a_digest_release_and_delete_for_their_account_alone(people: People) -> None:
    site = await people.site(account=True, digest="daily", notices=False)
    jean = f"jean@{site.domain}"
    both, second = spam(site, subject="For two", to=(site.account, jean)), spam(site, subject="For one")
    ids = await people.hold(both, second)
    await told(people, site)
    [text] = await settled(people, site, 1)
    first_link, second_link = re.findall(r"https?://\S+", text)
    for method in ("GET", "HEAD"):
        assert (await people.world.request(method, first_link)).status_code == 200
    assert (await people.world.post(first_link, data={"do": "nothing"})).status_code == 422
    page = (await people.world.get(first_link)).text
    assert "For two" in page
    assert jean not in page
    assert (await people.world.post(first_link, data={"do": "release"})).status_code == 200
    await people.until(lambda: people.inbox(site.account))
    left = (await people.client("store").get(f"/v1/quarantine/{ids[0]}")).json()
    assert left["recipients"] == [jean]
    assert (await people.world.post(second_link, data={"do": "delete"})).status_code == 200
    assert (await people.client("store").get(f"/v1/quarantine/{ids[1]}")).status_code == 404
    for link in (first_link, second_link):
        assert (await people.world.post(link, data={"do": "release"})).status_code == 404


@pytest.mark.usefixtures("tomorrow")
async def test_a_digest_is_not_held_for_the_spam_that_it_quotes(people: People) -> None:
    site = await people.site(account=True, digest="daily", notices=False)
    name = site.domain.partition(".")[0]
    rule = {"pattern": "(?i)cheap pills", "score": 50}
    made = await people.client("antispam").put(f"/v1/rules/keyword/{name}", params={"domain": site.domain}, json=rule)
    assert made.is_success, made.text
    body = "\r\nCheap pills\r\n"
    mail = spam(site, subject="Cheap pills", extra=body, verdicts={}, quarantine_reason="")
    await people.shared.outbox.send(ANTISPAM, mail)
    await people.until(lambda: people.entry_id(mail))
    await told(people, site)
    assert "Cheap pills" in (await settled(people, site, 1))[0]
    [digest] = [mail for mail in people.posted if mail.envelope.recipients[0].address == site.account]
    await people.shared.outbox.send(ANTISPAM, digest)
    [message] = await people.until(lambda: people.inbox(site.account))
    assert message["subject"].startswith("Quarantine: 1 message")
