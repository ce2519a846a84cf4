"""A message comes in by SMTP and ends where it should."""

from __future__ import annotations

import smtplib
import ssl
import uuid
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests import builders
from tests.servers.facteur import Facteur
from tests.servers.sink import Sink
from tests.specimens.broken_mail import EICAR, a_carrier
from tests.waiting import wait_for

JEAN = "jean.toto@example.org"
MARIE = "marie.dupont@example.org"
PEER = "someone@example.net"


def a_message(
    subject: str, *, sender: str = PEER, to: str = JEAN, text: str = "Bonjour Jean,\n\nà bientôt.\n"
) -> EmailMessage:
    return builders.a_letter(subject, sender=sender, to=to, text=text)


def send(facteur: Facteur, message: EmailMessage, *recipients: str, sender: str = PEER) -> bytes:
    """The body as it went over the wire."""
    raw = message.as_bytes(policy=SMTP)
    with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
        assert smtp.sendmail(sender, list(recipients), raw) == {}
    return raw.partition(b"\r\n\r\n")[2]


def submit(facteur: Facteur, message: EmailMessage, *recipients: str, account: str = JEAN) -> None:
    context = ssl._create_unverified_context()
    with smtplib.SMTP("127.0.0.1", facteur.port("submission"), timeout=60) as smtp:
        smtp.starttls(context=context)
        smtp.login(account, facteur.password(account))
        assert smtp.send_message(message, account, list(recipients)) == {}


def fresh(word: str) -> str:
    """A subject or local part of this test alone."""
    return f"{word}-{uuid.uuid4().hex[:10]}"


def test_mail_from_a_peer_is_in_the_inbox_with_what_the_cluster_found(facteur: Facteur) -> None:
    subject = fresh("bonjour")
    message = a_message(subject)
    sent = send(facteur, message, JEAN)
    item = facteur.wait_for_message(JEAN, subject)
    raw = facteur.raw(JEAN, item["id"])
    head, _, body = raw.partition(b"\r\n\r\n")
    assert item["size"] == len(raw)
    assert head.startswith(b"Return-Path: <someone@example.net>\r\n")
    for name in (b"Delivered-To:", b"Received:", b"X-Spam-Status:", b"X-Facteur-Id:"):
        assert b"\r\n" + name in head, name
    assert body == sent


def test_one_message_for_two_accounts_is_in_both(facteur: Facteur) -> None:
    subject = fresh("à deux")
    send(facteur, a_message(subject), JEAN, MARIE)
    facteur.wait_for_message(JEAN, subject)
    facteur.wait_for_message(MARIE, subject)


def test_an_unknown_recipient_and_a_foreign_domain_are_refused_at_rcpt(facteur: Facteur) -> None:
    with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
        smtp.ehlo("client.example.net")
        smtp.mail(PEER)
        unknown, foreign = smtp.rcpt("nobody@example.org"), smtp.rcpt("someone@example.com")
    assert (unknown[0], unknown[1][:5]) == (550, b"5.1.1")
    assert (foreign[0], foreign[1][:5]) == (550, b"5.7.1")


def test_an_alias_leads_to_its_targets(facteur: Facteur) -> None:
    alias, subject = f"{fresh('equipe')}@example.org", fresh("equipe")
    facteur.post("router", "/v1/aliases", {"address": alias, "targets": [JEAN, MARIE]})
    send(facteur, a_message(subject, to=alias), alias)
    facteur.wait_for_message(JEAN, subject)
    facteur.wait_for_message(MARIE, subject)


def test_a_forward_leaves_for_the_other_server(facteur: Facteur, sink: Sink) -> None:
    address, target, subject = f"{fresh('ailleurs')}@example.org", f"{fresh('paul')}@example.com", fresh("forward")
    facteur.post("router", "/v1/forwards", {"address": address, "target": target})
    send(facteur, a_message(subject, to=address), address)
    wait_for(lambda: bool(sink.to(target)), what=f"mail to {target}: {facteur.log()[-3000:]}")
    assert subject.encode() in sink.to(target)[0].content


def test_a_replication_keeps_the_mail_and_sends_it_on(facteur: Facteur, sink: Sink) -> None:
    account, copies, subject = f"{fresh('test')}@example.org", f"{fresh('copies')}@example.org", fresh("replication")
    outside = [f"{fresh('copie')}@example.com" for _ in range(3)]
    facteur.post("router", "/v1/accounts", {"address": account, "password": "motdepasse1"})
    forwards = [f"{fresh('f')}@example.org" for _ in outside]
    for forward, target in zip(forwards, outside, strict=True):
        facteur.post("router", "/v1/forwards", {"address": forward, "target": target})
    facteur.post("router", "/v1/aliases", {"address": copies, "targets": forwards})
    facteur.post("router", "/v1/replications", {"address": account, "target": copies})
    send(facteur, a_message(subject, to=account), account)
    facteur.wait_for_message(account, subject)
    for target in outside:

        def has_one(target: str = target) -> bool:
            return len(sink.to(target)) == 1

        wait_for(has_one, what=f"one copy to {target}")


def test_an_authenticated_sender_reaches_another_server(facteur: Facteur, sink: Sink) -> None:
    target, subject = f"{fresh('paul')}@example.com", fresh("sortant")
    submit(facteur, a_message(subject, sender=JEAN, to=target), target)
    wait_for(lambda: bool(sink.to(target)), what=f"mail to {target}: {facteur.log()[-3000:]}")
    taken = sink.to(target)[0]
    assert taken.mail_from == JEAN
    assert b"X-Spam-Status" not in taken.content


def test_a_large_message_passes_all_stages_unchanged(facteur: Facteur) -> None:
    subject = fresh("gros")
    message = a_message(subject)
    message.add_attachment(
        bytes(range(256)) * 54000, maintype="application", subtype="octet-stream", filename="gros.bin"
    )
    sent = send(facteur, message, JEAN)
    item = facteur.wait_for_message(JEAN, subject, deadline=90)
    assert item["size"] > 18_000_000
    assert facteur.raw(JEAN, item["id"]).partition(b"\r\n\r\n")[2] == sent


def test_a_message_over_the_limit_is_refused_and_the_session_goes_on(facteur: Facteur) -> None:
    with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
        smtp.ehlo("client.example.net")
        code, text = smtp.docmd("MAIL", f"FROM:<{PEER}> SIZE=30000000")
        assert (code, text[:5]) == (552, b"5.3.4")
        assert smtp.noop()[0] == 250


@pytest.mark.parametrize("encoding", ["plain", "base64"])
def test_an_infected_message_is_in_the_quarantine_and_nobody_is_told(
    facteur: Facteur, sink: Sink, encoding: str
) -> None:
    subject = fresh("eicar")
    message = a_message(subject)
    if encoding == "plain":
        message.set_content(EICAR.decode())
    else:
        message.add_attachment(EICAR, maintype="application", subtype="octet-stream", filename="eicar.com")
        assert b64encode(EICAR)[:40] in message.as_bytes()
    before = len(sink.taken)
    send(facteur, message, JEAN)

    def quarantined() -> bool:
        return any(subject in str(item) for item in facteur.get("store", "/v1/quarantine", limit=100)["items"])

    wait_for(quarantined, what=lambda: facteur.log()[-3000:])
    assert not [item for item in facteur.messages(JEAN) if item["subject"] == subject]
    assert len(sink.taken) == before


ODD_STARTS = ((b" ",), (b"\t",), (b":x",), (b"X-A: b", b":x"), (b"garbage",), (b"X-A: b", b"garbage"))


def test_an_odd_line_before_the_fields_carries_no_virus_into_a_mailbox(facteur: Facteur) -> None:
    carriers = [a_carrier(*lines, b"X-Word: " + fresh("odd").encode()) for lines in ODD_STARTS]
    before = {item["id"] for item in facteur.messages(JEAN)}
    for raw in carriers:
        with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
            assert smtp.sendmail(PEER, [JEAN], raw) == {}
    clean = fresh("behind")
    send(facteur, a_message(clean), JEAN)
    facteur.wait_for_message(JEAN, clean)
    sizes = sorted(map(len, carriers))

    def held() -> bool:
        items = facteur.get("store", "/v1/quarantine", limit=100)["items"]
        return sorted(item["size_bytes"] for item in items if item["size_bytes"] in sizes) == sizes

    wait_for(held, what=lambda: facteur.log()[-3000:])
    arrived = [item for item in facteur.messages(JEAN) if item["id"] not in before]
    assert [item["id"] for item in arrived if b"X-Word: " in facteur.raw(JEAN, item["id"])] == []


def test_an_infected_message_that_leaves_is_in_the_quarantine_and_is_not_sent(facteur: Facteur, sink: Sink) -> None:
    target, subject = f"{fresh('paul')}@example.com", fresh("sortant")
    infected, clean = a_message(subject, sender=JEAN, to=target), a_message(fresh("propre"), sender=JEAN, to=target)
    infected.add_attachment(EICAR, maintype="application", subtype="octet-stream", filename="eicar.com")
    submit(facteur, infected, target)
    submit(facteur, clean, target)
    wait_for(lambda: bool(sink.to(target)), what=f"mail to {target}: {facteur.log()[-3000:]}")

    def quarantined() -> bool:
        return any(subject in str(item) for item in facteur.get("store", "/v1/quarantine", limit=100)["items"])

    wait_for(quarantined, what=lambda: facteur.log()[-3000:])
    assert [subject.encode() in taken.content for taken in sink.to(target)] == [False]


def test_what_antivirus_tags_reaches_the_recipient_with_a_warning(facteur: Facteur) -> None:
    subject = fresh("programme")
    message = a_message(subject)
    message.add_attachment(b"WScript.Echo 1", maintype="application", subtype="octet-stream", filename="run.vbs")
    send(facteur, message, JEAN)
    raw = facteur.raw(JEAN, facteur.wait_for_message(JEAN, subject)["id"])
    assert b"\r\nX-Facteur-Warning: dangerous_name; run.vbs\r\n" in raw


def test_http_submission_goes_the_same_way(facteur: Facteur) -> None:
    subject = fresh("http")
    message = {"from": "app@example.org", "to": [JEAN], "subject": subject, "text": "Bonjour"}
    key = {"Idempotency-Key": fresh("key")}
    answers = [facteur.call("POST", "ingress", "/v1/messages", json=message, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert answers[0].json()["id"] == answers[1].json()["id"]
    facteur.wait_for_message(JEAN, subject)
    assert len([item for item in facteur.messages(JEAN) if item["subject"] == subject]) == 1


def test_usage_is_exact_and_live(facteur: Facteur) -> None:
    account = f"{fresh('usage')}@example.org"
    facteur.post("router", "/v1/accounts", {"address": account, "password": "motdepasse1"})
    for n in range(3):
        send(facteur, a_message(f"usage {n}", to=account), account)
    wait_for(lambda: len(facteur.messages(account)) == 3, what="three messages")
    size = sum(item["size"] for item in facteur.messages(account))

    def exact() -> bool:
        usage = facteur.get("quota", f"/v1/usage/{account}")
        return bool(usage["used_bytes"] == size and usage["messages"] == 3)

    wait_for(exact, what=lambda: str(facteur.get("quota", f"/v1/usage/{account}")))


def test_a_full_mailbox_answers_452_at_rcpt(facteur: Facteur) -> None:
    account = f"{fresh('plein')}@example.org"
    facteur.post("router", "/v1/accounts", {"address": account, "password": "motdepasse1", "quota_bytes": 9000})

    def refused() -> bool:
        """A message of 2 kB that declares no size, again and again."""
        with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=60) as smtp:
            smtp.ehlo("client.example.net")
            smtp.mail(PEER)
            code, text = smtp.rcpt(account)
            if code == 250:
                smtp.data(a_message(fresh("plein"), to=account, text="x\n" * 1000).as_bytes(policy=SMTP))
        return (code, text[:5]) == (452, b"4.2.2")

    wait_for(refused, what="452 4.2.2")
    usage = facteur.get("quota", f"/v1/usage/{account}")
    assert usage["percent"] > 50


def test_spam_goes_where_the_policy_of_the_domain_says(facteur: Facteur) -> None:
    domain = f"{fresh('d')}.example.org"
    account = f"marie@{domain}"
    facteur.post("router", "/v1/domains", {"name": domain})
    facteur.post("router", "/v1/accounts", {"address": account, "password": "motdepasse1"})
    entry = {"kind": "sender_black", "value": PEER, "domain": domain}
    for action, folder, prefix in (("tag", "INBOX", "[SPAM] "), ("junk", "Junk", "")):
        policy = facteur.call("PATCH", "antispam", f"/v1/policies/{domain}", json={"action": action})
        assert policy.is_success, policy.text
        if action == "tag":
            facteur.post("antispam", "/v1/lists/sender_black", {key: entry[key] for key in ("value", "domain")})

        def arrived(folder: str = folder, prefix: str = prefix) -> bool:
            # Replicas learn of a new policy by an event: mail that came just before goes the old way.
            subject = fresh("spam")
            send(facteur, a_message(subject, to=account), account)
            wait_for(
                lambda: any(
                    subject in item["subject"] for f in ("INBOX", "Junk") for item in facteur.messages(account, f)
                )
            )
            return any(item["subject"] == prefix + subject for item in facteur.messages(account, folder))

        wait_for(arrived, what=lambda: facteur.log()[-3000:])
