"""A message as verifiers use it: its raw fields, and the digests of its body, each computed once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256

from libs.authentication import canonical
from libs.authentication.canonical import Form
from libs.mail.headers import Headers

_LARGE_OCTETS = 256 * 1024

# The value of `b=`, with the white space around it (RFC 6376 3.5, RFC 6376 3.7).
_SIGNATURE_VALUE = re.compile(rb"((?:\A[^:]*+:|;)\s*+b\s*+=)[^;]*+")


class SignedMessage:
    """`raw` and its header block."""

    def __init__(self, raw: bytes, headers: Headers) -> None:
        self._raw = raw
        self._headers = headers
        self._digests: dict[Form, bytes] = {}

    @property
    def is_large(self) -> bool:
        return len(self._raw) > _LARGE_OCTETS

    @cached_property
    def fields(self) -> Sequence[tuple[bytes, bytes]]:
        """(name in lower case, raw field), from the top."""
        return self._headers.raw_fields()

    def named(self, name: bytes) -> list[bytes]:
        """Return the fields of that lower-case name, from the top."""
        return [field for key, field in self.fields if key == name]

    def body(self, form: Form) -> bytes:
        return canonical.body(self._raw[self._headers.body_start :], form)

    def body_digest(self, form: Form) -> bytes:
        """SHA-256 of the canonical body."""
        if form not in self._digests:
            self._digests[form] = sha256(self.body(form)).digest()
        return self._digests[form]

    def digest(self, names: Iterable[bytes], own_field: bytes, form: Form) -> bytes:
        """Hash (SHA-256) what `own_field` signs: the named fields, each name from the bottom up, itself without `b=`.

        RFC 6376 3.7, RFC 6376 5.4.2: a name that is listed more often than it occurs adds nothing, and protects against
        added fields. The signature itself is not among the fields that it names (RFC 6376 3.5 `h=`).
        """
        left: dict[bytes, list[bytes]] = {}
        for key, field in self.fields:
            if field is not own_field:
                left.setdefault(key, []).append(field)
        chosen = [left[name].pop() for name in names if left.get(name)]
        covered = b"".join(canonical.field(field, form) for field in chosen)
        return sha256(covered + unsigned(own_field, form)).digest()


def unsigned(own_field: bytes, form: Form) -> bytes:
    """Canonicalize a signature field with an empty `b=`, without the last line end (RFC 6376 3.7)."""
    return canonical.field(_SIGNATURE_VALUE.sub(rb"\1", own_field, count=1), form)[:-2]


def value_of(field: bytes) -> str:
    """Unfold the value of a raw field."""
    return field.partition(b":")[2].replace(b"\r\n", b"").replace(b"\n", b"").decode("utf-8", "replace").strip()
