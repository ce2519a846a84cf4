"""Parses and verifies signature fields: DKIM-Signature (RFC 6376 3.5), ARC-Message-Signature (RFC 8617 4.1.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from libs.authentication.canonical import Form
from libs.authentication.keys import PublicKey
from libs.authentication.message import SignedMessage, value_of
from libs.authentication.names import signing_domain
from libs.authentication.results import VerificationFailed
from libs.authentication.tags import octets, parse_number, parse_tags, split_list

_ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
_MAX_FIELD = 16_384
_MAX_NAMES = 1_000


@dataclass(frozen=True, slots=True)
class Signature:
    """`names` are the signed fields in lower case; `length` is `l=`, octets of the body; `kind` is that of the key."""

    field: bytes
    domain: str
    selector: str
    identity: str
    kind: str
    header_form: Form
    body_form: Form
    names: tuple[bytes, ...]
    body_digest: bytes
    value: bytes
    length: int | None
    signed_at: int | None
    expires: int | None

    @classmethod
    def of(cls, field: bytes, *, in_arc: bool = False) -> Signature:
        """Parse a raw field; in ARC the tag `i=` is a number (RFC 8617 4.1.2). Raises `VerificationFailed`."""
        if len(field) > _MAX_FIELD:
            raise VerificationFailed("policy", "the signature is too long")
        try:
            found = parse_tags(value_of(field))
            if in_arc:  # RFC 8617 4.1.2: there is no version
                return _read(field, {**found, "i": ""})
            if found.get("v") != "1":
                raise VerificationFailed("permerror", "the signature is of another version")  # RFC 6376 6.1.1
            return _read(field, found)
        except KeyError as error:
            raise VerificationFailed("neutral", f"the signature has no {error.args[0]}=") from error
        except ValueError as error:
            raise VerificationFailed("neutral", f"the signature is malformed: {error}") from error

    async def check(self, key: PublicKey, message: SignedMessage, now: datetime) -> None:
        """Verify this signature of `message`. Raises `VerificationFailed`."""
        if message.is_large:  # 20 MB take a quarter of a second, for which other messages do not wait
            await asyncio.to_thread(self._check, key, message, now)
        else:
            self._check(key, message, now)

    def _check(self, key: PublicKey, message: SignedMessage, now: datetime) -> None:
        # RFC 6376 3.5: a `t=` in the future may be ignored, and is: a wrong clock forges nothing.
        if self.expires is not None and self.expires < now.timestamp():
            raise VerificationFailed("policy", "the signature expired")
        if self.expires is not None and self.signed_at is not None and self.expires <= self.signed_at:
            raise VerificationFailed("permerror", "the signature expired before it was made")
        if key.kind != self.kind:
            raise VerificationFailed("permerror", f"the key is of kind {key.kind}")
        if key.strict and self.identity != self.domain:
            raise VerificationFailed("permerror", "the key does not sign for subdomains")
        # RFC 6376 8.2: a stranger may have appended text behind the signed octets.
        if self.length is not None and self.length != len(message.body(self.body_form)):
            raise VerificationFailed("policy", f"only {self.length} octets of the body are signed")
        if message.body_digest(self.body_form) != self.body_digest:
            raise VerificationFailed("fail", "the body was changed")
        if not key.verifies(self.value, self.digest(message)):
            raise VerificationFailed("fail", "the signature does not match the header")

    def digest(self, message: SignedMessage) -> bytes:
        """Hash (SHA-256) the signed fields."""
        return message.digest(self.names, self.field, self.header_form)


def _read(field: bytes, found: Mapping[str, str]) -> Signature:
    kind = key_type_of(found["a"])
    domain = signing_domain(found["d"])
    names = tuple(name.encode() for name in split_list(found["h"]))
    if b"from" not in names or len(names) > _MAX_NAMES:
        raise VerificationFailed("permerror", "the From field is not signed")  # RFC 6376 5.4
    if "dns/txt" not in split_list(found.get("q", "dns/txt")):
        raise VerificationFailed("permerror", "the key is not in the DNS")
    header_form, _, body_form = found.get("c", "simple/simple").lower().partition("/")
    return Signature(
        field=field,
        domain=domain,
        selector=signing_domain(found["s"]),
        identity=_identity(found.get("i", ""), domain),
        kind=kind,
        header_form=_form(header_form),
        body_form=_form(body_form or "simple"),
        names=names,
        body_digest=octets(found["bh"]),
        value=octets(found["b"]),
        length=_number(found, "l"),
        signed_at=_number(found, "t"),
        expires=_number(found, "x"),
    )


def key_type_of(algorithm: str) -> str:
    """Return the type of the key of an `a=`. RFC 8301 3.1: SHA-1 must not be used any more."""
    if algorithm.lower() not in _ALGORITHMS:
        raise VerificationFailed("policy", f"{algorithm[:20]} is not an accepted algorithm")
    return algorithm.lower().partition("-")[0]


def _number(found: Mapping[str, str], name: str) -> int | None:
    return parse_number(found[name]) if name in found else None


def _identity(text: str, domain: str) -> str:
    """Return the domain of `i=`, which is `d=` or below it (RFC 6376 3.5)."""
    if not text:
        return domain
    _, at, name = text.rpartition("@")
    if not at:
        raise ValueError("the identity has no @")
    identity = signing_domain(name)
    if identity != domain and not identity.endswith(f".{domain}"):
        raise VerificationFailed("permerror", "the identity is not of the signing domain")
    return identity


def _form(text: str) -> Form:
    if text not in ("simple", "relaxed"):
        raise ValueError("unknown canonicalization")
    return cast(Form, text)
