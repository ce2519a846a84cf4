"""The validation page over HTTP: only a right answer acts, once, and nothing else does."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import httpx
import pytest

from libs.envelope.queues import ANTISPAM
from tests.integration.quarantine.people import People, Site, challenge_in, spam

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_right_answer_delivers_the_message_and_makes_the_sender_known(people: People) -> None:
    site = await people.site(account=True, required=0.1)
    mail = spam(site)
    id, url = await people.noticed(mail)
    page = await people.world.get(url)
    done = await people.world.post(url, data=people.answer_to(page.text, url))
    assert (done.status_code, site.account in done.text, site.domain in done.text) == (200, True, True)
    [message] = await people.until(lambda: people.inbox(site.account))
    assert message["subject"] == "Offer"
    assert await people.notice_state(id) == ""
    # What he writes next passes the filters that held the first one.
    await people.until(lambda: _known(people, site))
    await people.shared.outbox.send(ANTISPAM, spam(site, subject="Again", verdicts={}, quarantine_reason=""))
    await people.until(lambda: _count(people, site, 2))
    # The link is good for nothing any more.
    for again in (await people.world.get(url), await people.world.post(url, data=people.answer_to(page.text, url))):
        assert again.status_code == 404


async def test_without_whitelisting_the_sender_stays_a_stranger(people: People) -> None:
    site = await people.site(account=True, validation_whitelists=False)
    _, url = await people.noticed(spam(site))
    page = await people.world.get(url)
    done = await people.world.post(url, data=people.answer_to(page.text, url))
    assert (done.status_code, site.domain + " knows you" in done.text) == (200, False)
    await people.until(lambda: people.inbox(site.account))
    assert not await _known(people, site)


async def test_looking_never_acts_and_the_page_is_shut_off_from_the_world(people: People) -> None:
    site = await people.site()
    id, url = await people.noticed(spam(site, subject='"><script>alert(1)</script>'))
    for method in ("GET", "HEAD", "GET"):
        answer = await people.world.request(method, url, params={"answer": "X", "challenge": "y", "do": "release"})
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
        assert "set-cookie" not in answer.headers
    assert await people.notice_state(id) == "sent"
    page = (await people.world.get(url)).text
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(1)" in page
    assert not re.findall(r"(?:src|href|action)=\"(?!data:image/png)", page)
    assert people.answer_to(page, url)["answer"] not in page


async def test_nothing_but_the_picture_is_asked_and_who_cannot_read_it_is_told_whom_to_ask(people: People) -> None:
    site = await people.site()
    _, url = await people.noticed(spam(site))
    for params in ({}, {"way": "question"}):
        page = (await people.world.get(url, params=params, headers={"Accept-Language": "en-GB"})).text
        assert "data:image/png" in page
        assert f"postmaster@{site.domain}" in page
        # What a machine reads of the page tells no answer.
        assert people.answer_to(page, url)["answer"] not in page


async def test_wrong_answers_replays_and_foreign_challenges_deliver_nothing(people: People) -> None:
    first, second = await people.site(), await people.site()
    (id, url), (_, other) = await people.noticed(spam(first)), await people.noticed(spam(second))
    page = await people.world.get(url)
    right = people.answer_to(page.text, url)
    wrong = await people.world.post(url, data={**right, "answer": "WRONG1"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    assert challenge_in(wrong.text) != right["challenge"]
    # The right answer comes too late: the challenge was used.
    assert (await people.world.post(url, data=right)).status_code == 422
    foreign = people.answer_to((await people.world.get(other)).text, other)
    assert (await people.world.post(url, data=foreign)).status_code == 422
    # The fourth try is the last one for today, and a fifth is not looked at, however right.
    assert (await people.world.post(url, data={})).status_code == 422
    limited = await people.world.post(url, data=people.answer_to((await people.world.get(url)).text, url))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3600")
    assert await people.notice_state(id) == "sent"
    # Nobody else's link suffers.
    assert (await people.world.post(other, data=foreign)).status_code == 200


async def test_two_answers_at_the_same_time_deliver_once(people: People) -> None:
    site = await people.site(account=True)
    _, url = await people.noticed(spam(site))
    form = people.answer_to((await people.world.get(url)).text, url)
    answers = await asyncio.gather(*(people.world.post(url, data=form) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert len(await people.until(lambda: people.inbox(site.account))) == 1


async def test_an_address_is_limited_over_all_links_and_by_its_real_one(people: People) -> None:
    async def tries(count: int, forwarded: str) -> list[int]:
        codes = []
        for _ in range(count):
            site = await people.site()
            _, url = await people.noticed(spam(site))
            codes.append((await people.world.post(url, data={}, headers={"X-Forwarded-For": forwarded})).status_code)
        return codes

    limit = people.settings["store"].page_limits.answers_an_address_an_hour
    await people.use_up("answer from", "2001:db8:7::/64", limit - 1)
    # What the client itself wrote into the header stands left of what our proxy added.
    assert await tries(2, "203.0.113.9, 2001:db8:7::1") == [422, 429]
    assert await tries(1, "2001:db8:7::1, 198.51.100.1") == [422]


BAD = {
    "no token": "x",
    "another signature": "eyJ4IjoxfQ.AAAA",
    "not base64": "%C3%A9.%C3%A9",
    "too long": "A" * 5000,
}


@pytest.mark.parametrize("case", BAD)
async def test_a_forged_link_is_no_link(people: People, case: str) -> None:
    base = people.settings["store"].url_of("store")
    for path in ("validate", "held"):
        url = f"{base}/public/quarantine/{path}/{BAD[case]}"
        answers = [await people.world.get(url), await people.world.post(url, data={"do": "release"})]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)


async def test_a_link_is_good_for_its_purpose_only_and_ends_with_its_message(people: People) -> None:
    site = await people.site()
    id, url = await people.noticed(spam(site))
    assert (await people.world.get(url.replace("validate", "held"))).status_code == 404
    assert (await people.client("store").delete(f"/v1/quarantine/{id}")).status_code == 204
    assert (await people.world.get(url)).status_code == 404
    _, late = await people.noticed(spam(await people.site()))
    page = await people.world.get(late)
    people.clock.ahead += timedelta(minutes=16)
    try:
        assert (await people.world.post(late, data={"challenge": challenge_in(page.text)})).status_code == 422
        people.clock.ahead += timedelta(days=31)
        assert (await people.world.get(late)).status_code == 404
    finally:
        people.clock.ahead = timedelta()


async def test_a_form_that_is_none_is_refused_at_little_cost(people: People) -> None:
    site = await people.site()
    _, url = await people.noticed(spam(site))
    for body in (b"x" * 10_000, b"\xff=\xff", b"&".join(b"a=%d" % n for n in range(50))):
        assert (await people.world.post(url, content=body)).status_code == 409


async def test_only_the_public_pages_are_open(people: People) -> None:
    base = people.settings["store"].url_of("store")
    for path in ("/v1/quarantine", "/public", "/publicity/x", "/", "/public/../v1/quarantine"):
        url = httpx.URL(base).copy_with(raw_path=path.encode())
        assert (await people.world.get(url)).status_code == 401, path
    assert (await people.world.get(f"{base}/public/nothing")).status_code == 404


async def _known(people: People, site: Site) -> bool:
    listed = await people.client("antispam").get(f"/v1/automatic-whitelist/{site.domain}")
    return [item["address"] for item in listed.json()["items"] if item["validated"]] == [site.sender]


async def _count(people: People, site: Site, count: int) -> bool:
    return len(await people.inbox(site.account)) == count
