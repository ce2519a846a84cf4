"""DKIM, ARC and DMARC with the keys on a DNS server: the verdict and the authentication results."""

from __future__ import annotations

import base64
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.envelope import queues
from tests.servers.zone import Zone, ZoneServer
from tests.specimens.antispam import ZONE, a_message

FORGED = a_message(**{"from": "The Bank <service@bank.example>"})


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def records(key: RSAPrivateKey, zone_server: ZoneServer) -> str:
    """bank.example publishes the DMARC policy reject; lists.example adds ARC seals."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = base64.b64encode(der).decode()
    record = f'"v=DKIM1; p={public[:200]}" "{public[200:]}"'
    return "\n".join(
        (
            ZONE,
            f"s1._domainkey.bank.example TXT {record}",
            f"s1._domainkey.lists.example TXT {record}",
            '_dmarc.bank.example TXT "v=DMARC1; p=reject"',
        )
    )


def pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signed(raw: bytes, key: RSAPrivateKey) -> bytes:
    return bytes(dkim.sign(raw, b"s1", b"bank.example", pem(key), canonicalize=(b"relaxed", b"relaxed"))) + raw


async def judged(post: Any, raw: bytes) -> Any:
    return (await post.taken(await post.send(raw)))[queues.ROUTER].envelope


async def test_a_forged_author_is_spam_and_the_real_one_is_not(
    start: Any, post: Any, zone_server: ZoneServer, records: str, key: RSAPrivateKey
) -> None:
    await start()
    zone_server.zone = Zone(records)
    forged = await judged(post, FORGED)
    assert forged.verdicts["example.org"].spam
    assert "dmarc=fail" in forged.authentication
    assert "policy.dmarc=reject header.from=bank.example" in forged.authentication
    honest = await judged(post, signed(FORGED, key))
    assert not honest.verdicts["example.org"].spam
    assert "dkim=pass header.d=bank.example" in honest.authentication
    assert "dmarc=pass header.from=bank.example" in honest.authentication
    assert "spf=pass smtp.mailfrom=jean@elsewhere.example" in honest.authentication


async def test_a_trusted_list_may_change_a_message(
    start: Any, post: Any, zone_server: ZoneServer, records: str, key: RSAPrivateKey
) -> None:
    await start(arc_trusted_sealers=("lists.example",))
    zone_server.zone = Zone(records)
    changed = b"Authentication-Results: lists.example; dmarc=pass header.from=bank.example\r\n" + signed(
        FORGED, key
    ).replace(b"the minutes", b"[list] the minutes")
    sealed = b"".join(dkim.arc_sign(changed, b"s1", b"lists.example", pem(key), b"lists.example")) + changed
    assert not (await judged(post, sealed)).verdicts["example.org"].spam
    assert (await judged(post, changed)).verdicts["example.org"].spam


async def test_mail_flows_while_no_key_can_be_had(
    start: Any, post: Any, zone_server: ZoneServer, key: RSAPrivateKey
) -> None:
    replica = await start()
    zone_server.zone = Zone("\n".join((ZONE, "s1._domainkey.bank.example SERVFAIL", "_dmarc.bank.example SERVFAIL")))
    envelope = await judged(post, signed(FORGED, key))
    assert not envelope.verdicts["example.org"].spam
    assert "dkim=temperror" in envelope.authentication
    assert await replica.outcome("dkim", signed(FORGED, key), peer="192.0.2.1") == "error"
