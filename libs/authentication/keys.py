"""Public keys in the DNS (RFC 6376 3.6), of the kinds and sizes that RFC 8301 and RFC 8463 allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from libs.authentication.results import TxtLookup, VerificationFailed
from libs.authentication.tags import octets, parse_tags, split_list

MIN_RSA_BITS = 1024  # RFC 8301 3.2
MAX_RSA_BITS = 4096  # RFC 8301 3.2 requires these; larger ones only cost time
_MAX_EXPONENT_BITS = 33  # nearly all keys have 65537; a huge exponent is an attempt at denial of service
_MAX_RECORD = 4096

_SHA256 = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`testing`: the owner tests DKIM (`t=y`). `strict`: the key signs for its own domain alone (`t=s`)."""

    public: RSAPublicKey | Ed25519PublicKey
    testing: bool = False
    strict: bool = False

    @property
    def kind(self) -> str:
        return "rsa" if isinstance(self.public, RSAPublicKey) else "ed25519"

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` is this key's over the SHA-256 `digest`."""
        try:
            match self.public:
                case RSAPublicKey():
                    self.public.verify(signature, digest, PKCS1v15(), _SHA256)
                case Ed25519PublicKey():
                    self.public.verify(signature, digest)  # RFC 8463 3: PureEd25519 over the digest
        except InvalidSignature:
            return False
        return True


async def find_key(selector: str, domain: str, txt: TxtLookup) -> PublicKey:
    """Look up the key at `selector._domainkey.domain`. Raises `VerificationFailed`, and `Temporary` as `txt` does."""
    records = await txt(f"{selector}._domainkey.{domain}")
    if not records:
        raise VerificationFailed("permerror", "no key")
    return _first_usable(records)


def _first_usable(records: Sequence[str]) -> PublicKey:
    """RFC 6376 3.6.2.2 leaves open which of several records counts; more than a few are a mistake."""
    problem: VerificationFailed | None = None
    for record in records[:3]:
        try:
            return parse_key(record)
        except VerificationFailed as error:
            problem = problem or error
    assert problem is not None
    raise problem


@lru_cache(maxsize=1024)
def parse_key(record: str) -> PublicKey:
    """RFC 6376 3.6.1. Raises `VerificationFailed`."""
    try:
        if len(record) > _MAX_RECORD:
            raise ValueError("too long")
        found = parse_tags(record)
        material = octets(found["p"])
    except (ValueError, KeyError) as error:
        raise VerificationFailed("permerror", f"the key record is malformed: {error}") from error
    if "v" in found and (found["v"] != "DKIM1" or next(iter(found)) != "v"):
        raise VerificationFailed("permerror", "the key record is of another version")
    if not material:
        raise VerificationFailed("permerror", "the key is revoked")
    if "sha256" not in split_list(found.get("h", "sha256")):
        raise VerificationFailed("policy", "the key is for other hashes than SHA-256")
    if not {"*", "email"} & set(split_list(found.get("s", "*"))):
        raise VerificationFailed("permerror", "the key is not for mail")
    flags = split_list(found.get("t", ""))
    return PublicKey(_public(found.get("k", "rsa").lower(), material), testing="y" in flags, strict="s" in flags)


def _public(kind: str, material: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        public = Ed25519PublicKey.from_public_bytes(material) if kind == "ed25519" else load_der_public_key(material)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise VerificationFailed("permerror", "the key is malformed") from error
    match public:
        case Ed25519PublicKey() if kind == "ed25519":
            return public
        case RSAPublicKey() if kind == "rsa":
            if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
                raise VerificationFailed("policy", f"the key has {public.key_size} bits")
            if public.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
                raise VerificationFailed("policy", "the key has a huge exponent")
            return public
        case _:
            raise VerificationFailed("permerror", f"unknown type of key {kind[:20]!r}")
