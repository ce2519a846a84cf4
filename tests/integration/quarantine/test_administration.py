"""The quarantine by API: search, whitelist, block; who else hears of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from libs.bus import Event
from libs.envelope.model import utc_now
from libs.events import MailQuarantined, MailReleased
from tests.integration.quarantine.people import EICAR, People, Site, spam

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def found(people: People, **params: Any) -> list[str]:
    answer = await people.client("store").get("/v1/quarantine", params=params)
    assert answer.status_code == 200, answer.text
    return [item["subject"] for item in answer.json()["items"]]


async def listed(people: People, site: Site, name: str) -> list[str]:
    answer = await people.client("antispam").get(f"/v1/lists/{name}", params={"domain": site.domain})
    return [item["value"] for item in answer.json()["items"]]


async def test_a_search_by_each_property_and_by_several(people: People) -> None:
    site = await people.site(notices=False)
    jean = f"jean@{site.domain}"
    await people.hold(spam(site, subject="Cheap (pills)", mail_from="a.b@pills.example"))
    await people.hold(spam(site, subject="Lottery", to=(jean,), quarantine_reason="policy: encrypted"))
    await people.hold(spam(site, subject="Bad file", findings=(EICAR,), quarantine_reason="virus: Eicar"))
    mine = {"domain": site.domain}
    assert await found(people, **mine) == ["Bad file", "Lottery", "Cheap (pills)"]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"account": jean.upper()}, ["Lottery"]),
        ({"account": site.account, "infected": False}, ["Cheap (pills)"]),
        ({"sender": "B@PILLS"}, ["Cheap (pills)"]),
        ({"sender": "luc <"}, ["Bad file", "Lottery", "Cheap (pills)"]),
        ({"subject": "(PILL"}, ["Cheap (pills)"]),
        ({"subject": ".*"}, []),
        ({"reason": "encrypted"}, ["Lottery"]),
        ({"since": (utc_now() + timedelta(minutes=1)).isoformat()}, []),
        ({"until": (utc_now() + timedelta(minutes=1)).isoformat(), "subject": "lot"}, ["Lottery"]),
        ({"account": "marie@elsewhere.example"}, []),
    ]
    for params, subjects in cases:
        assert await found(people, **{**mine, **params}) == subjects, params
    page = (await people.client("store").get("/v1/quarantine", params={**mine, "limit": 2})).json()
    assert await found(people, **mine, limit=2, after=page["next"]) == ["Cheap (pills)"]
    assert (await people.client("store").get("/v1/quarantine", params={"since": "2026-01-01"})).status_code == 422


async def test_release_and_whitelist(people: People) -> None:
    site = await people.site(account=True, notices=False)
    sender_only, whole = await people.hold(spam(site), spam(site, mail_from="x@Shop.example"))
    store = people.client("store")
    answer = await store.post(f"/v1/quarantine/{sender_only}/release", json={"whitelist": "sender"})
    assert (answer.status_code, answer.json()["whitelisted"]) == (200, site.sender)
    answer = await store.post(f"/v1/quarantine/{whole}/release", json={"whitelist": "domain"})
    assert answer.json()["whitelisted"] == "shop.example"
    assert await listed(people, site, "sender_white") == sorted([site.sender, "shop.example"])
    await people.until(lambda: people.inbox(site.account))


async def test_block_blacklists_and_deletes_if_wanted(people: People) -> None:
    site = await people.site(notices=False)
    kept, deleted, null = await people.hold(spam(site), spam(site, mail_from="y@bad.example"), spam(site, mail_from=""))
    store = people.client("store")
    answer = await store.post(f"/v1/quarantine/{kept}/block")
    assert answer.json() == {"id": kept, "blacklisted": site.sender, "domains": [site.domain], "deleted": False}
    answer = await store.post(f"/v1/quarantine/{deleted}/block", json={"what": "domain", "delete": True})
    assert answer.json()["deleted"]
    assert await listed(people, site, "sender_black") == ["bad.example", site.sender]
    assert (await store.get(f"/v1/quarantine/{kept}")).status_code == 200
    assert (await store.get(f"/v1/quarantine/{deleted}")).status_code == 404
    assert (await store.post(f"/v1/quarantine/{null}/block")).status_code == 422
    assert (await store.post("/v1/quarantine/none/block")).status_code == 404


async def test_with_antispam_away_nothing_is_released_that_was_to_be_whitelisted_too(people: People) -> None:
    site = await people.site(notices=False)
    [id] = await people.hold(spam(site))
    await people.stop("antispam")
    answer = await people.client("store").post(f"/v1/quarantine/{id}/release", json={"whitelist": "sender"})
    await people.start("antispam")
    assert answer.status_code == 503
    assert await found(people, domain=site.domain) == ["Offer"]


async def test_malware_whitelists_nobody_on_its_way(people: People) -> None:
    site = await people.site()
    [id] = await people.hold(spam(site, findings=(EICAR,)))
    answer = await people.client("store").post(f"/v1/quarantine/{id}/release", json={"whitelist": "sender"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:facteur:problem:infected")
    assert await listed(people, site, "sender_white") == []


async def test_two_recipients_decide_at_the_same_time_and_both_are_heard(people: People) -> None:
    site = await people.site(notices=False)
    names = [f"n{number}@{site.domain}" for number in range(6)]
    [id] = await people.hold(spam(site, to=tuple(names)))
    store = people.client("store")
    await asyncio.gather(
        *(store.delete(f"/v1/quarantine/{id}", params={"recipient": name}) for name in names[:5])
    )  # fmt: skip
    assert (await store.get(f"/v1/quarantine/{id}")).json()["recipients"] == names[5:]
    assert (await store.delete(f"/v1/quarantine/{id}", params={"recipient": names[0]})).status_code == 404


async def test_statistics_hear_of_what_is_held_and_released(people: People) -> None:
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    names = (MailQuarantined.__name__, MailReleased.__name__)
    consumer = await people.shared.bus.subscribe(names, hear)
    site = await people.site(account=True, notices=False)
    mail = spam(site)
    [id] = await people.hold(mail)
    await people.client("store").post(f"/v1/quarantine/{id}/release")

    async def both() -> bool:
        return len(heard) == 2

    await people.until(both)
    await consumer.stop()
    held, released = heard
    assert MailQuarantined.from_bus(held) == MailQuarantined(
        id=mail.envelope.id, reason=mail.envelope.quarantine_reason, domains=[site.domain], accounts=[site.account]
    )
    assert MailReleased.from_bus(released) == MailReleased(
        id=mail.envelope.id, domains=[site.domain], accounts=[site.account]
    )
