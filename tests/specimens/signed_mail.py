"""Signed and sealed messages for filters, with the keys in DNS."""

from __future__ import annotations

import base64
from dataclasses import replace

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.antispam.filtering.context import FilterContext
from tests.servers.zone import Zone
from tests.specimens.antispam import a_context, a_message, an_environment

_KEY = generate_private_key(public_exponent=65537, key_size=1024)

_PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

_PUBLIC = base64.b64encode(_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def resolving(*records: str, trusted: str = "") -> FilterContext:
    sealers = frozenset({trusted})
    return a_context(environment=replace(an_environment(zone=Zone("\n".join(records))), arc_trusted_sealers=sealers))


def with_key(domain: str, *more: str, trusted: str = "") -> FilterContext:
    halves = " ".join(f'"{piece}"' for piece in (f"v=DKIM1; p={_PUBLIC[:100]}", _PUBLIC[100:]))
    return resolving(f"s1._domainkey.{domain} TXT {halves}", *more, trusted=trusted)


def signed() -> bytes:
    field: bytes = dkim.sign(a_message(), b"s1", b"elsewhere.example", _PEM)
    return field + a_message()


def sealed() -> bytes:
    seen = b"Authentication-Results: lists.example; dmarc=pass header.from=elsewhere.example\r\n"
    return b"".join(dkim.arc_sign(seen + a_message(), b"s1", b"lists.example", _PEM, b"lists.example")) + a_message()
