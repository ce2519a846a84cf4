"""Notices to senders of quarantined mail: to whom, how often, and their content."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.envelope import Finding, Peer, Recipient, Verdict
from libs.envelope.queues import ANTISPAM
from tests.integration.quarantine.people import (
    EICAR,
    VERDICT,
    People,
    Site,
    link_in,
    spam,
    text_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def found(name: str, outcome: str = "hit") -> dict[str, Verdict]:
    """The verdict with one more finding, for a domain that the test fills in."""
    return {"": VERDICT.model_copy(update={"tests": (Finding(stage="antispam", name=name, outcome=outcome),)})}


async def test_spam_by_the_filters_is_held_and_its_sender_gets_one_notice(people: People) -> None:
    site = await people.site(required=0.1)
    mail = spam(site, verdicts={}, quarantine_reason="")
    await people.shared.outbox.send(ANTISPAM, mail)
    letter = await people.letter_to(site.sender)
    assert "/public/quarantine/validate/" in link_in(letter)
    id = await people.entry_id(mail)
    assert await people.until(lambda: _is(people, str(id), "sent"))
    # The message comes a second time: at least once is what the bus promises.
    await people.hold(spam(site, id=mail.envelope.id, sha256=mail.envelope.sha256))
    await people.hold(spam(site, subject="the next one"))
    await people.until(lambda: _letters(people, site, 2))
    assert len(people.letters_to(site.sender)) == 2


async def test_a_notice_is_answered_by_no_machine_and_says_what_a_person_needs(people: People) -> None:
    site = await people.site(language="fr")
    mail = spam(site, subject="Devis pour lundi")
    await people.hold(mail)
    letter = await people.letter_to(site.sender)
    posted = next(mail for mail in people.posted if mail.envelope.recipients[0].address == site.sender)
    assert posted.envelope.mail_from == ""
    assert letter["Auto-Submitted"] == "auto-replied"
    assert letter["To"] == site.sender
    assert site.domain in str(letter["From"])
    assert letter["In-Reply-To"] == letter["References"]
    assert "elsewhere.example>" in str(letter["In-Reply-To"])
    assert "Auto : votre message" in str(letter["Subject"])
    for part in ("plain", "html"):
        assert "Devis pour lundi" in text_of(letter, part)
        assert site.account in text_of(letter, part)


BAIT = ["Win at http://casino.example", "write to me@evil.example", "call +33 1 23 45 67 89", "<b>see evil.ru/x</b>"]


async def test_a_notice_carries_no_bait_to_a_forged_sender(people: People) -> None:
    sites = [await people.site() for _ in BAIT]
    await people.hold(*(spam(site, subject=subject) for site, subject in zip(sites, BAIT, strict=True)))
    for site in sites:
        letter = await people.letter_to(site.sender)
        for part in ("plain", "html"):
            assert not [word for word in ("casino", "evil", "23 45", "<b>") if word in text_of(letter, part)]


SPARED: dict[str, tuple[str, dict[str, Any]]] = {
    "the null sender": ("null_sender", {"mail_from": ""}),
    "SPF says forged": ("forged", {"verdicts": found("spf")}),
    "SPF says likely forged": ("forged", {"verdicts": found("spf_softfail")}),
    "SPF could not be asked": ("forged", {"verdicts": found("spf", "error")}),
    "DMARC says forged": ("forged", {"verdicts": found("dmarc")}),
    "a blacklisted sender": ("banned", {"verdicts": found("sender_blacklist")}),
    "a virus": ("malware", {"findings": (EICAR,)}),
    "held by antivirus for its form": ("not_spam", {"verdicts": {}}),
    "an automatic answer": ("automatic", {"extra": "Auto-Submitted: auto-replied\r\n"}),
    "bulk mail": ("automatic", {"extra": "Precedence: bulk\r\n"}),
    "a mailing list": ("automatic", {"extra": "List-Id: <all.elsewhere.example>\r\n"}),
    "a robot by its name": ("automatic", {"mail_from": "no-reply@elsewhere.example"}),
    "a bounce address": ("automatic", {"mail_from": "bounces+1=marie@elsewhere.example"}),
    "a sender that is no address": ("no_address", {"mail_from": "luc@[192.0.2.1]"}),
    "a user of ours": ("own_user", {"peer": Peer(address="127.0.0.1", account="jean@example.org")}),
}


async def test_nobody_is_told_where_a_notice_would_do_harm(people: People) -> None:
    site = await people.site()
    mails = []
    for _, given in SPARED.values():
        verdicts = {name or site.domain: value for name, value in given.get("verdicts", {"": VERDICT}).items()}
        mails.append(spam(site, **{**given, "verdicts": verdicts}))
    ids = await people.hold(*mails)
    states = dict(zip(SPARED, [await people.notice_state(id) for id in ids], strict=True))
    assert states == {case: f"none: {reason}" for case, (reason, _) in SPARED.items()}


@pytest.mark.parametrize(
    ("policy", "own_sender", "told"),
    [
        ({"notices": False}, False, False),
        ({"notices_to_own_senders": False}, True, False),
        ({"notices_to_own_senders": False}, False, True),
        ({}, True, True),
    ],
)
async def test_the_switches_of_a_domain(people: People, policy: dict[str, Any], own_sender: bool, told: bool) -> None:
    site = await people.site(account=own_sender, **policy)
    sender = site.account if own_sender else site.sender
    [id] = await people.hold(spam(site, mail_from=sender))
    await people.until(lambda: _is(people, id, "sent" if told else "refused: policy"))
    assert len(people.letters_to(sender)) == told


async def test_one_notice_for_a_message_to_two_domains_of_which_one_wants_none(people: People) -> None:
    first, second = await people.site(), await people.site(notices=False)
    recipients = tuple(
        Recipient(address=site.account, original=f"{site.domain}@seen", domain=site.domain) for site in (first, second)
    )
    mail = spam(first, recipients=recipients, verdicts={first.domain: VERDICT, second.domain: VERDICT})
    await people.hold(mail)
    text = text_of(await people.letter_to(first.sender))
    assert f"{first.domain}@seen" in text
    assert f"{second.domain}@seen" not in text
    # Held a second time for one more of its recipients: the sender was told.
    [other] = await people.hold_again(mail, to=(f"jean@{first.domain}",))
    await people.until(lambda: _is(people, other, "refused: already_sent"))


@pytest.mark.parametrize(("what", "limit"), [("sender", 3), ("peer", 4), ("domain", 6)])
async def test_notices_are_limited_for_each(people: People, what: str, limit: int) -> None:
    site = await people.site()

    def differing(number: int) -> dict[str, Any]:
        sender = {} if what == "sender" else {"mail_from": f"l{number}.{site.sender}"}
        peer = {"peer": Peer(address=f"2001:db8:0:1::{number}")} if what == "peer" else {}
        return {**sender, **peer}

    sites = [site if what != "peer" else await people.site() for _ in range(limit + 1)]
    mails = [
        spam(
            each,
            **differing(number),
        )
        for number, each in enumerate(sites)
    ]
    ids = await people.hold(*mails)

    async def states() -> list[str] | None:
        found = sorted([await people.notice_state(id) for id in ids])
        return found if all(state.startswith(("sent", "refused")) for state in found) else None

    assert await people.until(states) == ["refused: limit", *["sent"] * limit]


async def test_two_replicas_and_a_crash_send_one_notice(people: People) -> None:
    site = await people.site()
    await people.stop("ingress")
    ids = await people.hold(*(spam(site, subject=f"no {number}") for number in range(3)))
    await people.until(lambda: _all(people, ids, "decided"))
    assert people.letters_to(site.sender) == []
    # The letters are decided; the process ends; two others take up what is left, at the same time.
    await people.stop("store")
    await people.due_now(ids)
    await people.start("ingress")
    second = people.beside()
    await asyncio.gather(people.start("store"), second.start("store"))
    await people.until(lambda: _all(people, ids, "sent"))
    # A replica that died behind the sending, before it could write that down: the letter goes again with its key.
    await people.forget_sent(ids)
    await people.until(lambda: _all(people, ids, "sent"))
    await second.close()
    assert len(people.letters_to(site.sender)) == 3


async def test_antispam_away_keeps_notices_waiting_and_loses_none(people: People) -> None:
    site = await people.site()
    await people.stop("antispam")
    [id] = await people.hold(spam(site))
    await people.until(lambda: _is(people, id, "due"))
    await people.start("antispam")
    await people.due_now([id])
    await people.letter_to(site.sender)


async def _is(people: People, id: str, state: str) -> bool:
    return await people.notice_state(id) == state


async def _all(people: People, ids: list[str], state: str) -> bool:
    return {await people.notice_state(id) for id in ids} == {state}


async def _letters(people: People, site: Site, count: int) -> bool:
    return len(people.letters_to(site.sender)) >= count
