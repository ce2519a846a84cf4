"""Wishes of RFC 3461 over real SMTP: who asks to hear of a delivery hears of it, once, and nobody else does."""

from __future__ import annotations

import email
import smtplib
import ssl
import uuid
from email.message import EmailMessage, Message
from email.policy import SMTP

import pytest

from tests import builders
from tests.servers.facteur import Facteur
from tests.servers.sink import Sink
from tests.waiting import wait_for

JEAN, MARIE = "jean.toto@example.org", "marie.dupont@example.org"
SECRET = "a line of the body"
SUBJECT = "Successful mail delivery report"


def a_message(sender: str, to: str) -> EmailMessage:
    return builders.a_letter(f"asked-{uuid.uuid4().hex[:10]}", sender=sender, to=to, text=f"Bonjour,\n\n{SECRET}\n")


def send(facteur: Facteur, message: EmailMessage, recipients: dict[str, str], *, mail: list[str]) -> None:
    """As a stranger, or signed in where the sender is Jean. `recipients` have their parameters of RCPT."""
    sender = message["From"]
    with smtplib.SMTP("127.0.0.1", facteur.port("submission" if sender == JEAN else "mx"), timeout=60) as smtp:
        smtp.ehlo("client.far.example")
        if sender == JEAN:
            smtp.starttls(context=ssl._create_unverified_context())
            smtp.login(JEAN, facteur.password(JEAN))
            smtp.ehlo("client.far.example")
        assert smtp.has_extn("dsn")
        assert smtp.mail(sender, mail)[0] == 250
        for address, options in recipients.items():
            assert smtp.rcpt(address, [options] if options else [])[0] == 250
        assert smtp.data(message.as_bytes(policy=SMTP))[0] == 250


def about(raw: bytes) -> tuple[Message, list[Message]]:
    """The fields of the message, and those of each recipient (RFC 3464 2.1)."""
    message = email.message_from_bytes(raw)
    assert message.get_content_type() == "multipart/report"
    [status] = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    first, *others = [part for part in status.get_payload() if isinstance(part, Message)]
    return first, others


def reports_to_jean(facteur: Facteur, message_id: str) -> list[bytes]:
    raws = [facteur.raw(JEAN, item["id"]) for item in facteur.messages(JEAN) if item["subject"] == SUBJECT]
    return [raw for raw in raws if message_id.encode() in raw]


@pytest.mark.parametrize("ret", ["RET=FULL", "RET=HDRS"])
def test_a_user_hears_once_that_another_one_has_got_the_mail(facteur: Facteur, ret: str) -> None:
    message = a_message(JEAN, MARIE)
    send(facteur, message, {MARIE: f"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{MARIE}"}, mail=[ret, "ENVID=Q+2B7"])
    facteur.wait_for_message(MARIE, message["Subject"])
    wait_for(lambda: bool(reports_to_jean(facteur, message["Message-ID"])), what=lambda: facteur.log()[-3000:])
    [raw] = reports_to_jean(facteur, message["Message-ID"])
    fields, [recipient] = about(raw)
    assert fields["Original-Envelope-Id"] == "Q+7"
    assert recipient["Original-Recipient"] == f"rfc822; {MARIE}"
    assert (recipient["Final-Recipient"], recipient["Action"]) == (f"rfc822; {MARIE}", "delivered")
    assert recipient["Status"] == "2.0.0"
    assert raw.startswith(b"Return-Path: <>\r\n")
    # RFC 3461 4.3: RET is about failures; with a success the header alone goes back.
    assert message["Subject"].encode() in raw
    assert SECRET.encode() not in raw


def test_a_stranger_who_asked_hears_of_it_and_others_do_not(facteur: Facteur, sink: Sink) -> None:
    asking, quiet = (f"{uuid.uuid4().hex[:10]}@far.example" for _ in range(2))
    for sender, options in ((quiet, "NOTIFY=FAILURE,DELAY"), (quiet, ""), (asking, "NOTIFY=SUCCESS")):
        message = a_message(sender, MARIE)
        send(facteur, message, {MARIE: options, JEAN: ""}, mail=[])
        facteur.wait_for_message(MARIE, message["Subject"], deadline=60)
    wait_for(lambda: bool(sink.to(asking)), what=lambda: facteur.log()[-3000:])
    [taken] = sink.to(asking)
    _, [recipient] = about(taken.content)
    assert taken.mail_from == "<>"
    assert (recipient["Final-Recipient"], recipient["Action"]) == (f"rfc822; {MARIE}", "delivered")
    assert sink.to(quiet) == []


def test_of_an_alias_one_report_tells_and_not_who_is_behind_it(facteur: Facteur, sink: Sink) -> None:
    alias, list_ = (f"{name}-{uuid.uuid4().hex[:10]}@example.org" for name in ("alias", "liste"))
    forward, outside = (f"{uuid.uuid4().hex[:10]}@{domain}" for domain in ("example.org", "example.com"))
    facteur.post("router", "/v1/forwards", {"address": forward, "target": outside})
    facteur.post("router", "/v1/aliases", {"address": alias, "targets": [MARIE]})
    facteur.post("router", "/v1/aliases", {"address": list_, "targets": [JEAN, MARIE, forward]})
    asking = f"{uuid.uuid4().hex[:10]}@far.example"
    for address, action in ((alias, "delivered"), (list_, "expanded")):
        sink.taken.clear()
        message = a_message(asking, address)
        send(facteur, message, {address: "NOTIFY=SUCCESS"}, mail=["ENVID=list"])
        facteur.wait_for_message(MARIE, message["Subject"], deadline=60)
        wait_for(lambda: bool(sink.to(asking)), what=lambda: facteur.log()[-3000:])
        _, [recipient] = about(sink.to(asking)[0].content)
        assert (recipient["Final-Recipient"], recipient["Action"]) == (f"rfc822; {address}", action)
        assert all(MARIE.encode() not in taken.content for taken in sink.to(asking))
    wait_for(lambda: bool(sink.to(outside)), what=lambda: facteur.log()[-3000:])
    assert len(sink.to(asking)) == 1
