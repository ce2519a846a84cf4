"""Letters of the product are no spam, held mail leaves once for each who gets it, odd octets harm nobody."""

from __future__ import annotations

import json
import smtplib
import uuid
from email import message_from_bytes, policy
from typing import Any

import pytest

from tests.e2e.test_mail_arrives import PEER, a_message, fresh, send, submit
from tests.servers.facteur import Facteur
from tests.servers.sink import Sink
from tests.specimens.broken_mail import EICAR
from tests.waiting import wait_for

JEAN = "jean.toto@example.org"


def test_a_warning_of_a_nearly_full_mailbox_has_the_null_sender_and_is_no_spam(facteur: Facteur) -> None:
    account = f"{fresh('presque')}@example.org"
    new = {"address": account, "password": "motdepasse1", "quota_bytes": 60_000}
    facteur.post("router", "/v1/accounts", new)
    wait_for(lambda: facteur.get("quota", f"/v1/usage/{account}")["limit_bytes"] == 60_000, what="its limit")
    send(facteur, a_message(fresh("gros"), to=account, text="0123456789 \n" * 4100), account)

    def arrived() -> list[dict[str, Any]]:
        return [item for item in facteur.messages(account) if "mailbox is" in item["subject"]]

    wait_for(lambda: bool(arrived()), what=lambda: facteur.log()[-3000:])
    [item] = arrived()
    raw = facteur.raw(account, item["id"])
    letter = message_from_bytes(raw, policy=policy.default)
    assert item["subject"].startswith("Your mailbox is ")
    assert raw.startswith(b"Return-Path: <>\r\n")
    assert letter["From"].addresses[0].addr_spec == "postmaster@example.org"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert not str(letter["X-Spam-Status"]).lower().startswith("yes")
    assert facteur.messages(account, "Junk") == []


def test_a_held_message_for_two_elsewhere_leaves_once_for_each_release(facteur: Facteur, sink: Sink) -> None:
    subject = fresh("retenu")
    first, second = (f"{fresh(name)}@example.com" for name in ("paul", "luc"))
    message = a_message(subject, sender=JEAN, to=first)
    message.add_attachment(EICAR, maintype="application", subtype="octet-stream", filename="eicar.com")
    submit(facteur, message, first, second)

    def entries() -> list[dict[str, Any]]:
        return list(facteur.get("store", "/v1/quarantine", subject=subject)["items"])

    wait_for(lambda: bool(entries()), what=lambda: facteur.log()[-3000:])
    [entry] = entries()
    for target, left in ((first, [second]), (second, [])):
        path = f"/v1/quarantine/{entry['id']}/release"
        body = {"recipients": [target]}
        released = facteur.call("POST", "store", path, params={"force": "true"}, json=body)
        assert released.is_success, released.text

        def has_mail(target: str = target) -> bool:
            return bool(sink.to(target))

        wait_for(has_mail, what=lambda: facteur.log()[-3000:])
        assert [item["recipients"] for item in entries()] == ([left] if left else [])
    # What leaves behind both has passed them.
    last = f"{fresh('dernier')}@example.com"
    submit(facteur, a_message(fresh("dernier"), sender=JEAN, to=last), last)
    wait_for(lambda: bool(sink.to(last)), what="the last one")
    assert [[taken.recipients for taken in sink.to(target)] for target in (first, second)] == [[(first,)], [(second,)]]


OCTETS = {
    "latin-1": "Réunion à l'été".encode("latin-1"),
    "koi8-r": "Привет".encode("koi8-r"),
    "gbk": "会议纪要".encode("gbk"),
    "cut utf-8": "été".encode()[:-1],
    "a surrogate in utf-8": b"a\xed\xa0\x80b",
    "octets that are no character": b"\xff\xfe\xc0\x80",
}


def with_octets(word: bytes, octets: bytes, *, attachment: bytes = b"hello") -> bytes:
    return b"\r\n".join(
        (
            b'From: "' + octets + b'" <someone@example.net>',
            b"To: " + octets + b" <jean.toto@example.org>",
            b"Subject: " + word + b" " + octets,
            b"Date: Sun, 22 Nov 2026 10:00:00 +0000",
            b"Message-ID: <" + word + b"@example.net>",
            b"X-Odd: " + octets,
            b"MIME-Version: 1.0",
            b'Content-Type: multipart/mixed; boundary="limit"',
            b"",
            b"--limit",
            b"Content-Type: text/plain",
            b"",
            b"Bonjour " + octets,
            b"--limit",
            b'Content-Type: application/octet-stream; name="' + octets + b'.bin"',
            b'Content-Disposition: attachment; filename="' + octets + b'.bin"',
            b"",
            attachment,
            b"--limit--",
            b"",
        )
    )


def posted(facteur: Facteur, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
        assert smtp.sendmail(PEER, [JEAN], raw, ["BODY=8BITMIME"]) == {}


def sound(facteur: Facteur, path: str, **params: Any) -> Any:
    """An answer that is JSON in UTF-8 (RFC 8259 8.1), without half a surrogate pair, which no encoding can hold."""
    answer = facteur.call("GET", "store", path, params=params)
    assert answer.status_code == 200, answer.text
    value = json.loads(answer.content.decode("utf-8"))
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


@pytest.mark.parametrize("name", OCTETS)
def test_octets_that_are_no_utf_8_are_readable_in_every_answer(facteur: Facteur, name: str) -> None:
    word = uuid.uuid4().hex
    raw = with_octets(word.encode(), OCTETS[name])
    posted(facteur, raw)
    mailbox = f"/v1/mailboxes/{JEAN}"

    def there() -> list[dict[str, Any]]:
        found = (sound(facteur, f"{mailbox}/messages", folder=folder, limit=200) for folder in ("INBOX", "Junk"))
        return [item for page in found for item in page["items"] if word in item["subject"]]

    wait_for(lambda: bool(there()), what=lambda: facteur.log()[-3000:])
    [item] = there()
    path = f"{mailbox}/messages/{item['id']}"
    sound(facteur, path)
    sound(facteur, f"{path}/headers")
    [*_, attached] = sound(facteur, f"{path}/parts")["items"]
    assert attached["filename"].endswith(".bin")
    part = facteur.call("GET", "store", f"{path}/parts/{attached['number']}")
    assert part.content == b"hello"
    assert [found["id"] for found in sound(facteur, f"{mailbox}/search", subject=word)["items"]] == [item["id"]]
    assert facteur.raw(JEAN, item["id"]).endswith(raw.partition(b"\r\n\r\n")[2])


def test_held_mail_with_octets_that_are_no_utf_8_is_readable_in_the_quarantine(facteur: Facteur) -> None:
    words = {name: uuid.uuid4().hex for name in OCTETS}
    for name, word in words.items():
        posted(facteur, with_octets(word.encode(), OCTETS[name], attachment=EICAR))

    def held() -> dict[str, str]:
        items = sound(facteur, "/v1/quarantine", limit=200)["items"]
        return {name: item["id"] for name, word in words.items() for item in items if word in item["subject"]}

    wait_for(lambda: len(held()) == len(words), what=lambda: facteur.log()[-3000:])
    for id in held().values():
        sound(facteur, f"/v1/quarantine/{id}")
