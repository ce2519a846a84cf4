"""What antispam remembers of peers, senders and people, from SMTP to mailbox and back."""

from __future__ import annotations

import smtplib
import socket
import ssl
import uuid
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from typing import Any

import pytest

from tests import builders
from tests.servers.facteur import Facteur
from tests.servers.sink import Sink
from tests.waiting import wait_for

BALANCER = "127.0.0.7"  # tests/e2e/conftest.py: connections from here begin with a PROXY header
PASSWORD = "motdepasse1"


class Stranger(smtplib.SMTP):
    """A server at `address` of the internet, as the balancer shows it."""

    def __init__(self, facteur: Facteur, address: str) -> None:
        self._address = address
        super().__init__("127.0.0.1", facteur.port("mx"), timeout=60, source_address=(BALANCER, 0))
        self.ehlo("mx.far.example")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connection.sendall(f"PROXY TCP4 {self._address} 127.0.0.1 40000 {port}\r\n".encode())
        return connection  # type: ignore[no-any-return]

    def asks(self, recipient: str, sender: str) -> tuple[int, str]:
        """Code and enhanced status at RCPT."""
        self.rset()
        self.mail(sender)
        code, text = self.rcpt(recipient)
        return code, text.decode().partition(" ")[0]


@pytest.fixture
def domain(facteur: Facteur) -> str:
    """A domain of this test alone, with the manager boss@ and the account marie@."""
    name = f"d-{uuid.uuid4().hex[:10]}.example.org"
    facteur.post("router", "/v1/domains", {"name": name})
    for local, profile in (("boss", "manager"), ("marie", "standard")):
        account = {"address": f"{local}@{name}", "password": PASSWORD, "profile": profile}
        facteur.post("router", "/v1/accounts", account)
    return name


def a_message(subject: str, sender: str, to: str) -> EmailMessage:
    text = "Bonjour Marie,\n\nvoici le compte rendu de la réunion.\n"
    return builders.a_letter(subject, sender=sender, to=to, text=text)


def submit(facteur: Facteur, message: EmailMessage, account: str, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", facteur.port("submission"), timeout=60) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.login(account, PASSWORD)
        assert smtp.sendmail(account, list(recipients), message.as_bytes(policy=SMTP)) == {}


def test_a_stranger_waits_where_a_domain_greylists(facteur: Facteur, domain: str) -> None:
    marie = f"marie@{domain}"
    policy = facteur.call("PATCH", "antispam", f"/v1/policies/{domain}", json={"filters": {"greylisting": True}})
    assert policy.is_success, policy.text
    with Stranger(facteur, "192.0.2.10") as peer:
        # Ingress hears of the policy by an event; each try is another new sender.
        wait_for(lambda: peer.asks(marie, f"{uuid.uuid4().hex}@far.example") == (451, "4.7.1"), what="451 4.7.1")
        assert peer.asks(f"nobody@{domain}", "luc@far.example")[0] == 550
        wait_for(lambda: peer.asks(marie, "luc@far.example")[0] == 250, what="250 after a while")
        peer.data(a_message("patience", "luc@far.example", marie).as_bytes(policy=SMTP))
    facteur.wait_for_message(marie, "patience", deadline=60)
    with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as ours:
        ours.ehlo("client.example.net")
        ours.mail("other@far.example")
        assert ours.rcpt(marie)[0] == 250  # a machine that antispam trusts


def test_who_writes_to_a_honeypot_is_refused_and_nobody_gets_its_mail(facteur: Facteur, domain: str) -> None:
    trap, subject = f"trap@{domain}", f"offer-{uuid.uuid4().hex[:10]}"
    facteur.post("antispam", "/v1/honeypots", {"address": trap})
    with Stranger(facteur, "198.51.100.20") as peer:
        wait_for(lambda: peer.asks(trap, "eve@spam.example")[0] == 250, what="the honeypot")
        peer.data(a_message(subject, "eve@spam.example", trap).as_bytes(policy=SMTP))

    def held() -> list[dict[str, Any]]:
        return [
            item for item in facteur.get("store", "/v1/quarantine", limit=100)["items"] if item["subject"] == subject
        ]

    def refused() -> bool:
        try:
            Stranger(facteur, "198.51.100.20").close()
        except (smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected):
            return True
        return False

    wait_for(lambda: bool(held()), what=lambda: facteur.log()[-3000:], deadline=60)
    assert held()[0]["reason"] == "honeypot"
    wait_for(refused, what="no connection any more")
    assert facteur.messages(trap) == []
    with smtplib.SMTP("127.0.0.1", facteur.port("submission"), timeout=60) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.login(f"marie@{domain}", PASSWORD)
        smtp.mail(f"marie@{domain}")
        assert smtp.rcpt(trap)[0] == 550  # for one of ours it is a mistake


def learned(facteur: Facteur, domain: str) -> tuple[int, int]:
    found = facteur.get("antispam", "/v1/learned", domain=domain)
    return found["spam"], found["ham"]


def test_a_move_into_junk_teaches_and_complains_and_a_move_back_takes_both_back(facteur: Facteur, domain: str) -> None:
    marie, sender = f"marie@{domain}", f"{uuid.uuid4().hex[:10]}@far.example"
    with Stranger(facteur, "203.0.113.30") as peer:
        assert peer.sendmail(sender, [marie], a_message("novelties", sender, marie).as_bytes(policy=SMTP)) == {}
    id = facteur.wait_for_message(marie, "novelties", deadline=60)["id"]
    path = f"/v1/mailboxes/{marie}/messages/move"

    def complainants() -> list[str]:
        items = facteur.get("antispam", "/v1/complaints/sender", limit=200)["items"]
        return next((item["complainants"] for item in items if item["value"] == sender), [])

    def has_learned(lesson: tuple[int, int]) -> bool:
        return learned(facteur, domain) == lesson

    def complain(who: list[str]) -> bool:
        return complainants() == who

    steps: list[tuple[str, tuple[int, int], list[str]]]
    steps = [("Junk", (1, 0), [marie]), ("INBOX", (0, 1), []), ("Trash", (0, 1), [])]
    for folder, lesson, who in steps:
        facteur.post("store", path, {"ids": [id], "folder": folder})
        wait_for(partial(has_learned, lesson), what=lambda: facteur.log()[-3000:])
        wait_for(partial(complain, who), what=lambda: str(complainants()))
    facteur.post("store", path, {"ids": [id], "folder": "Junk"})
    wait_for(lambda: learned(facteur, domain) == (1, 0), what=lambda: str(learned(facteur, domain)))


def test_managers_train_by_mail_and_nobody_else(facteur: Facteur, domain: str) -> None:
    boss, marie, trainer = f"boss@{domain}", f"marie@{domain}", f"spam@{domain}"
    forwarded = a_message("Fwd: look at this", boss, trainer)
    forwarded.add_attachment(a_message("watches", "eve@spam.example", boss))
    submit(facteur, forwarded, boss, trainer)
    wait_for(lambda: learned(facteur, domain) == (1, 0), what=lambda: facteur.log()[-3000:])
    assert facteur.messages(trainer) == []
    for account in (marie, None):
        with smtplib.SMTP("127.0.0.1", facteur.port("submission" if account else "mx"), timeout=60) as smtp:
            smtp.ehlo("client.example.net")
            if account:
                smtp.starttls(context=ssl._create_unverified_context())
                smtp.login(account, PASSWORD)
            smtp.mail(account or "eve@spam.example")
            assert smtp.rcpt(trainer)[0] == 550


def test_whom_a_user_wrote_to_is_known_once_the_mail_was_taken(facteur: Facteur, domain: str, sink: Sink) -> None:
    marie, luc = f"marie@{domain}", f"{uuid.uuid4().hex[:10]}@far.example"
    submit(facteur, a_message("bonjour", marie, luc), marie, luc, f"boss@{domain}")

    def known() -> list[str]:
        return [item["address"] for item in facteur.get("antispam", f"/v1/automatic-whitelist/{domain}")["items"]]

    wait_for(lambda: known() == [luc], what=lambda: f"{known()} {facteur.log()[-3000:]}", deadline=60)
    assert sink.to(luc)
