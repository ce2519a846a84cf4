"""ARC: the chain of those who handed a message on and saw it authenticated before they changed it (RFC 8617)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.authentication import canonical
from libs.authentication.keys import Key, key_of
from libs.authentication.message import SignedMessage, unsigned, value_of
from libs.authentication.names import signing_name
from libs.authentication.outcome import Outcome, Txt, Unusable
from libs.authentication.signature import Signature, kind_of
from libs.authentication.tags import octets, tags
from libs.envelope import Temporary

MAX_SETS = 10  # RFC 8617 5.2 allows 50; each is a look-up, and no honest way has as many stations

_RESULTS, _SIGNATURE, _SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_INSTANCE = re.compile(rb"(?:\A[^:]*+:|;)\s*+i\s*+=\s*+([1-9][0-9]?)\s*+(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Chain:
    """Where it holds: the domains that sealed, the oldest first, and what the last one saw before it changed things."""

    outcome: Outcome
    reason: str = ""
    sealers: tuple[str, ...] = ()
    results: str = ""


@dataclass(frozen=True, slots=True)
class _Set:
    results: bytes
    signature: bytes
    seal: bytes


@dataclass(frozen=True, slots=True)
class _Seal:
    """ARC-Seal, RFC 8617 4.1.3."""

    domain: str
    selector: str
    kind: str
    verdict: str
    value: bytes


async def verify(message: SignedMessage, *, txt: Txt, now: datetime) -> Chain:
    """The state of the chain, RFC 8617 5.2. Never raises."""
    try:
        sets = _sets(message)
        if not sets:
            return Chain("none")
        seals = [_seal(each.seal, first=index == 0) for index, each in enumerate(sets)]
        newest = Signature.of(sets[-1].signature, in_arc=True)
        if b"arc-seal" in newest.names:
            raise Unusable("fail", "the newest signature covers seals")
        keys = await asyncio.gather(
            key_of(newest.selector, newest.domain, txt),
            *(key_of(seal.selector, seal.domain, txt) for seal in seals),
        )
        await newest.check(keys[0], message, now)
        for count, (seal, key) in enumerate(zip(seals, keys[1:], strict=True), start=1):
            _check(seal, key, sets[:count])
    except Unusable as error:
        return Chain("fail", error.reason)
    except Temporary as error:
        return Chain("temperror", error.reason)
    return Chain("pass", "", tuple(seal.domain for seal in seals), value_of(sets[-1].results))


def _sets(message: SignedMessage) -> Sequence[_Set]:
    """One set for each instance, from 1. Raises `Unusable` when one is incomplete, doubled or missing."""
    found = {name: _by_instance(message.named(name)) for name in (_RESULTS, _SIGNATURE, _SEAL)}
    counts = {len(each) for each in found.values()}
    count = max(counts)
    if count > MAX_SETS:
        raise Unusable("fail", f"more than {MAX_SETS} sets")
    wanted = set(range(1, count + 1))
    if counts != {count} or any(set(each) != wanted for each in found.values()):
        raise Unusable("fail", "a set is incomplete")
    return [_Set(found[_RESULTS][i], found[_SIGNATURE][i], found[_SEAL][i]) for i in sorted(wanted)]


def _by_instance(fields: Sequence[bytes]) -> Mapping[int, bytes]:
    numbered: dict[int, bytes] = {}
    for field in fields[: MAX_SETS + 1]:
        match = _INSTANCE.search(field)
        if match is None or int(match[1]) in numbered:
            raise Unusable("fail", "an instance is doubled or has no number")
        numbered[int(match[1])] = field
    return numbered


def _seal(field: bytes, *, first: bool) -> _Seal:
    try:
        found = tags(value_of(field))
        seal = _Seal(
            domain=signing_name(found["d"]),
            selector=signing_name(found["s"]),
            kind=kind_of(found["a"]),
            verdict=found["cv"].lower(),
            value=octets(found["b"]),
        )
    except (KeyError, ValueError) as error:
        raise Unusable("fail", "a seal is malformed") from error
    if "h" in found or "bh" in found:
        raise Unusable("fail", "a seal names fields")  # RFC 8617 4.1.3
    if seal.verdict != ("none" if first else "pass"):
        raise Unusable("fail", f"a seal says cv={seal.verdict[:10]}")
    return seal


def _check(seal: _Seal, key: Key, sets: Sequence[_Set]) -> None:
    """RFC 8617 5.1.1: a seal covers all sets up to its own, in the order in which they were added."""
    fields = [field for each in sets for field in (each.results, each.signature, each.seal)]
    covered = b"".join(canonical.field(field, "relaxed") for field in fields[:-1]) + unsigned(fields[-1], "relaxed")
    if key.kind != seal.kind or not key.verifies(seal.value, sha256(covered).digest()):
        raise Unusable("fail", f"the seal of {seal.domain} does not hold")
