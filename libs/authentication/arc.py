"""ARC: the chain of intermediaries that saw a message authenticated before they changed it (RFC 8617)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from libs.authentication import canonical
from libs.authentication.keys import PublicKey, find_key
from libs.authentication.message import SignedMessage, unsigned, value_of
from libs.authentication.names import signing_domain
from libs.authentication.results import AuthenticationOutcome, TxtLookup, VerificationFailed
from libs.authentication.signature import Signature, key_type_of
from libs.authentication.tags import octets, parse_tags
from libs.envelope import Temporary

MAX_SETS = 10  # RFC 8617 5.2 allows 50; each costs a look-up, and no honest path has as many intermediaries

_RESULTS, _SIGNATURE, _SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_INSTANCE = re.compile(rb"(?:\A[^:]*+:|;)\s*+i\s*+=\s*+([1-9][0-9]?)\s*+(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class ArcChain:
    """The state of the chain. If it passes: the sealing domains, the oldest first, and the results of the last one."""

    outcome: AuthenticationOutcome
    reason: str = ""
    sealers: tuple[str, ...] = ()
    results: str = ""


@dataclass(frozen=True, slots=True)
class _ArcSet:
    results: bytes
    signature: bytes
    seal: bytes


@dataclass(frozen=True, slots=True)
class _ArcSeal:
    """ARC-Seal, RFC 8617 4.1.3."""

    domain: str
    selector: str
    kind: str
    verdict: str
    value: bytes


async def verify(message: SignedMessage, *, txt: TxtLookup, now: datetime) -> ArcChain:
    """Validate the chain (RFC 8617 5.2). Never raises."""
    try:
        sets = _sets(message)
        if not sets:
            return ArcChain("none")
        seals = [_seal(each.seal, first=index == 0) for index, each in enumerate(sets)]
        newest = Signature.of(sets[-1].signature, in_arc=True)
        if b"arc-seal" in newest.names:
            raise VerificationFailed("fail", "the newest signature covers seals")
        keys = await asyncio.gather(
            find_key(newest.selector, newest.domain, txt),
            *(find_key(seal.selector, seal.domain, txt) for seal in seals),
        )
        await newest.check(keys[0], message, now)
        for count, (seal, key) in enumerate(zip(seals, keys[1:], strict=True), start=1):
            _check(seal, key, sets[:count])
    except VerificationFailed as error:
        return ArcChain("fail", error.reason)
    except Temporary as error:
        return ArcChain("temperror", error.reason)
    return ArcChain("pass", "", tuple(seal.domain for seal in seals), value_of(sets[-1].results))


def _sets(message: SignedMessage) -> Sequence[_ArcSet]:
    """Collect one set for each instance, from 1. Raises `VerificationFailed` if one is incomplete or duplicate."""
    found = {name: _by_instance(message.named(name)) for name in (_RESULTS, _SIGNATURE, _SEAL)}
    counts = {len(each) for each in found.values()}
    count = max(counts)
    if count > MAX_SETS:
        raise VerificationFailed("fail", f"more than {MAX_SETS} sets")
    wanted = set(range(1, count + 1))
    if counts != {count} or any(set(each) != wanted for each in found.values()):
        raise VerificationFailed("fail", "a set is incomplete")
    return [_ArcSet(found[_RESULTS][i], found[_SIGNATURE][i], found[_SEAL][i]) for i in sorted(wanted)]


def _by_instance(fields: Sequence[bytes]) -> Mapping[int, bytes]:
    numbered: dict[int, bytes] = {}
    for field in fields[: MAX_SETS + 1]:
        match = _INSTANCE.search(field)
        if match is None or int(match[1]) in numbered:
            raise VerificationFailed("fail", "an instance is duplicate or has no number")
        numbered[int(match[1])] = field
    return numbered


def _seal(field: bytes, *, first: bool) -> _ArcSeal:
    try:
        found = parse_tags(value_of(field))
        seal = _ArcSeal(
            domain=signing_domain(found["d"]),
            selector=signing_domain(found["s"]),
            kind=key_type_of(found["a"]),
            verdict=found["cv"].lower(),
            value=octets(found["b"]),
        )
    except (KeyError, ValueError) as error:
        raise VerificationFailed("fail", "a seal is malformed") from error
    if "h" in found or "bh" in found:
        raise VerificationFailed("fail", "a seal names fields")  # RFC 8617 4.1.3
    if seal.verdict != ("none" if first else "pass"):
        raise VerificationFailed("fail", f"a seal says cv={seal.verdict[:10]}")
    return seal


def _check(seal: _ArcSeal, key: PublicKey, sets: Sequence[_ArcSet]) -> None:
    """RFC 8617 5.1.1: a seal covers all sets up to its own, in the order in which they were added."""
    fields = [field for each in sets for field in (each.results, each.signature, each.seal)]
    covered = b"".join(canonical.field(field, "relaxed") for field in fields[:-1]) + unsigned(fields[-1], "relaxed")
    if key.kind != seal.kind or not key.verifies(seal.value, sha256(covered).digest()):
        raise VerificationFailed("fail", f"the seal of {seal.domain} does not verify")
