"""Senders that RFC 5321 lets through and no header carries well, from SMTP to the notice; and what cannot be told."""

from __future__ import annotations

import itertools
import re
import smtplib
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest

from libs.envelope import Mail
from libs.envelope.queues import ANTISPAM
from libs.mail.address import normalise
from libs.mail.headers import Headers
from tests.integration.quarantine.people import People, Site, link_in, spam
from tests.servers.facteur import LISTENERS

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = re.compile(r"[@%!]|^\"<")

# Notices are limited for each peer.
PEERS = (f"127.1.{number}.9" for number in itertools.count(1))

ODD = {
    "an encoded line feed in quotes": '"=?utf-8?q?=0A?="@attacker.example',
    "an encoded field in quotes": '"=?utf-8?q?=0D=0ABcc:_v@victim.example?="@attacker.example',
    "an encoded line feed as atoms": "=?utf-8?q?=0A?=@second.attacker.example",
    "an encoded line feed in base64": '"=?utf-8?b?Cg==?="@attacker.example',
    "a space": '"luc dupont"@attacker.example',
    "an address in quotes": '"luc@victim.example"@attacker.example',
    "a list of addresses in quotes": '"v@victim.example,w@victim.example"@attacker.example',
    "angle brackets": '"<v@victim.example>"@attacker.example',
    "a quote and a backslash": '"a\\"b\\\\c"@attacker.example',
    "a group": '"undisclosed:;"@attacker.example',
    "a comment": '"(v@victim.example)"@attacker.example',
    "dots that no atom has": '"..luc.."@attacker.example',
    "the longest local part": "x" * 64 + "@attacker.example",
    "braces of a format": '"{recipients}{0}%s"@attacker.example',
}


async def by_smtp(people: People, sender: str, site: Site, subject: str) -> Mail:
    """The mail as ingress published it."""

    def talk() -> None:
        port = LISTENERS["mx"] + people.settings["ingress"].port_base
        with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=(next(PEERS), 0)) as smtp:
            smtp.ehlo("mx.attacker.example")
            for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{site.account}>"):
                assert smtp.docmd(command)[0] == 250, command
            raw = f"From: Luc <luc@attacker.example>\r\nTo: {site.account}\r\nSubject: {subject}\r\n\r\nBuy this.\r\n"
            assert smtp.data(raw)[0] == 250

    await people.in_thread(talk)

    async def published() -> Mail | None:
        return next((mail for mail in people.posted if f"Subject: {subject}\r\n".encode() in mail.raw), None)

    found: Mail = await people.until(published)
    return found


async def test_every_odd_sender_gets_one_letter_that_nothing_is_injected_into_or_none_and_the_loop_goes_on(
    people: People,
) -> None:
    mails: dict[str, Mail] = {}
    for number, (word, sender) in enumerate(ODD.items()):
        if number % 5 == 0:  # notices are limited for each domain, too
            site = await people.site(account=True, required=0.1)
        mails[word] = await by_smtp(people, sender, site, f"odd {word}")
        await people.shared.outbox.send(ANTISPAM, mails[word])
    states = {word: await people.until(partial(ended, people, mail)) for word, mail in mails.items()}
    # Addresses that only a relay could read are not sent to, by whomever (ingress says 550 5.7.1).
    tricks = {word for word, sender in ODD.items() if REFUSED.search(sender.rpartition("@")[0])}
    assert states == {word: "refused: rejected" if word in tricks else "sent" for word in ODD}
    for word in ODD.keys() - tricks:
        [letter] = people.letters_to(normalise(ODD[word]))
        assert link_in(letter), word
        assert_single(
            next(m for m in people.posted if m.envelope.recipients[0].address == normalise(ODD[word])), letter
        )


async def ended(people: People, mail: Mail) -> str:
    id = await people.entry_id(mail)
    state = await people.notice_state(id) if id else ""
    return "" if state.startswith(("due", "decided")) else state


def assert_single(posted: Mail, letter: EmailMessage) -> None:
    """Fields that the composer writes, each once, and no other; readers see one recipient at most, and not a victim."""
    assert posted.raw.isascii()
    names = [name.lower() for name, _ in letter.items()]
    assert sorted(names) == sorted({
        "from", "to", "subject", "date", "message-id", "auto-submitted", "x-auto-response-suppress", "mime-version",
        "content-type",
    }), names  # fmt: skip
    assert "\n" not in str(letter["From"])
    assert "victim.example" not in [address.rpartition("@")[2] for _, address in Headers(posted.raw).addresses("to")]


async def test_entries_that_cannot_be_told_are_set_aside_with_their_reason_and_the_next_start_tells_the_others(
    people: People,
) -> None:
    site = await people.site()
    await people.stop("store", "ingress")
    entries = people.mongo.database("store").quarantine
    await people.start("store")
    poisoned = await people.hold(*(spam(site, subject=f"poisoned {number}") for number in range(3)))
    await people.stop("store")
    await entries.update_one({"_id": poisoned[0]}, {"$set": {"envelope": "{no JSON"}})
    await entries.update_one({"_id": poisoned[1]}, {"$unset": {"subject": ""}})
    await entries.update_one({"_id": poisoned[2]}, {"$set": {"message_id": 7}})
    await people.due_now(poisoned)
    await people.start("ingress", "store")
    other = await people.site()
    await people.hold(spam(other))
    await people.letter_to(other.sender)

    async def states() -> list[str] | None:
        found = [await people.notice_state(id) for id in poisoned]
        return found if all(state.startswith("failed") for state in found) else None

    assert all(": " in state for state in await people.until(states))
    await entries.delete_many({"_id": {"$in": poisoned}})


async def test_a_digest_goes_to_an_account_outside_ascii_and_a_bad_entry_hides_no_other(people: People) -> None:
    site = await people.site(account=True, digest="daily")
    await add_account(people, f"mårten@{site.domain}")
    wide = Site(site.domain, f"mårten@{site.domain}", site.sender)
    ids = await people.hold(spam(wide, subject="for you"), spam(site, subject="for marie"), spam(site, subject="bad"))
    await people.mongo.database("store").quarantine.update_one({"_id": ids[2]}, {"$set": {"envelope": "{no JSON"}})
    people.clock.ahead += people.one_day
    await people.digests(hour=(people.clock().hour)).round()
    for address in (wide.account, site.account):
        letter = await people.letter_to(address)
        assert "/public/quarantine/held/" in link_in(letter)
    await people.mongo.database("store").quarantine.delete_one({"_id": ids[2]})


async def add_account(people: People, address: str) -> None:
    async def made() -> Any:
        new = {"address": address, "password": "passw0rd-of-marie"}
        return (await people.client("router").post("/v1/accounts", json=new)).status_code != 503

    assert await people.until(made)
