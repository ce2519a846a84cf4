"""Another implementation signs (dkimpy), ours verifies; the keys stand in a zone that is a mapping."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.authentication.message import SignedMessage
from libs.envelope import Temporary
from libs.mail.headers import Headers

MESSAGE = (
    b"Received: from a.example.net by b.example.org; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"From: Jean Toto <jean@example.net>\r\n"
    b"To: marie@example.org\r\n"
    b"Subject: Bonjour \t tout\r\n  le monde\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@example.net>\r\n"
    b"\r\n"
    b"Un  mot \t \r\net  un autre.\r\n\r\n\r\n"
)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Zone:
    """TXT records by name; names in `broken` do not answer."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.broken: set[str] = set()
        self.asked: list[str] = []

    async def txt(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name in self.broken:
            raise Temporary(f"{name}: no answer")
        return self.records.get(name, ())


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture(scope="session")
def rsa_keys() -> Callable[[int], RSAPrivateKey]:
    made: dict[int, RSAPrivateKey] = {}

    def of(bits: int) -> RSAPrivateKey:
        if bits not in made:
            made[bits] = generate_private_key(public_exponent=65537, key_size=bits)
        return made[bits]

    return of


@pytest.fixture
def sign(zone: Zone, rsa_keys: Callable[[int], RSAPrivateKey]) -> Callable[..., bytes]:
    """The message with a signature of `domain` on top; the key goes into the zone."""

    def signed(
        message: bytes = MESSAGE,
        *,
        domain: str = "example.net",
        algorithm: str = "rsa-sha256",
        bits: int = 2048,
        record: str = "v=DKIM1; k={kind}; p={key}",
        canonicalize: tuple[bytes, bytes] = (b"relaxed", b"simple"),
        selector: bytes = b"s1",
        **more: Any,
    ) -> bytes:
        private, public, kind = _keys(algorithm, rsa_keys, bits)
        zone.records[f"{selector.decode()}._domainkey.{domain}"] = [record.format(kind=kind, key=public)]
        field: bytes = dkim.sign(
            message, selector, domain.encode(), private, canonicalize=canonicalize,
            signature_algorithm=algorithm.encode(), **more,
        )  # fmt: skip
        return field + message

    return signed


@pytest.fixture
def seal(zone: Zone, rsa_keys: Callable[[int], RSAPrivateKey]) -> Callable[..., bytes]:
    """The message as `domain` hands it on: with an ARC set more."""

    def sealed(
        message: bytes = MESSAGE,
        *,
        domain: str = "lists.example.com",
        arc: str = "pass",
        seen: str = "dmarc=pass header.from=example.net",
    ) -> bytes:
        private, public, _ = _keys("rsa-sha256", rsa_keys, 2048)
        zone.records[f"s1._domainkey.{domain}"] = [f"v=DKIM1; p={public}"]
        before = f"arc={arc}; " if b"ARC-Seal" in message else ""
        results = f"Authentication-Results: {domain}; {before}{seen}\r\n".encode()
        fields = dkim.arc_sign(results + message, b"s1", domain.encode(), private, domain.encode())
        assert fields
        return b"".join(fields) + message

    return sealed


@pytest.fixture
def message_of() -> Callable[[bytes], SignedMessage]:
    return lambda raw: SignedMessage(raw, Headers(raw))


def _keys(algorithm: str, rsa_keys: Callable[[int], RSAPrivateKey], bits: int) -> tuple[bytes, str, str]:
    if algorithm.startswith("ed25519"):
        edwards = Ed25519PrivateKey.generate()
        seed = edwards.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        point = edwards.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(seed), base64.b64encode(point).decode(), "ed25519"
    rsa = rsa_keys(bits)
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, base64.b64encode(der).decode(), "rsa"


@pytest.fixture
def rsa_record(rsa_keys: Callable[[int], RSAPrivateKey]) -> str:
    """A key that is none of those who signed."""
    return f"v=DKIM1; p={_keys('rsa-sha256', rsa_keys, 2048)[1]}"


@pytest.fixture
def specimen() -> bytes:
    return MESSAGE


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def records() -> Mapping[str, str]:
    """DMARC records by what they ask."""
    return {
        "reject": "v=DMARC1; p=reject; rua=mailto:a@example.net",
        "quarantine": "v=DMARC1; p=quarantine",
        "none": "v=DMARC1; p=none",
    }
