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

from libs.authentication.outcome import Txt, Unusable
from libs.authentication.tags import octets, tags, words

MIN_RSA_BITS = 1024  # RFC 8301 3.2
MAX_RSA_BITS = 4096  # RFC 8301 3.2 asks for these; what is larger only costs us time
_MAX_EXPONENT_BITS = 33  # 65537 is what everybody has; a huge one is an attempt to make us work
_MAX_RECORD = 4096

_SHA256 = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class Key:
    """`testing`: the owner only tries it out (`t=y`). `strict`: it signs for its own domain alone (`t=s`)."""

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


async def key_of(selector: str, domain: str, txt: Txt) -> Key:
    """The key at `selector._domainkey.domain`. Raises `Unusable`, and `Temporary` as `txt` does."""
    records = await txt(f"{selector}._domainkey.{domain}")
    if not records:
        raise Unusable("permerror", "no key")
    return _first_usable(records)


def _first_usable(records: Sequence[str]) -> Key:
    """RFC 6376 3.6.2.2 leaves it open which of several records counts; more than a few are a mistake."""
    problem: Unusable | None = None
    for record in records[:3]:
        try:
            return parse_key(record)
        except Unusable as error:
            problem = problem or error
    assert problem is not None
    raise problem


@lru_cache(maxsize=1024)
def parse_key(record: str) -> Key:
    """RFC 6376 3.6.1. Raises `Unusable`."""
    try:
        if len(record) > _MAX_RECORD:
            raise ValueError("longer than any key")
        found = tags(record)
        material = octets(found["p"])
    except (ValueError, KeyError) as error:
        raise Unusable("permerror", f"the key record is malformed: {error}") from error
    if "v" in found and (found["v"] != "DKIM1" or next(iter(found)) != "v"):
        raise Unusable("permerror", "the key record is of another version")
    if not material:
        raise Unusable("permerror", "the key is revoked")
    if "sha256" not in words(found.get("h", "sha256")):
        raise Unusable("policy", "the key is for other hashes than SHA-256")
    if not {"*", "email"} & set(words(found.get("s", "*"))):
        raise Unusable("permerror", "the key is not for mail")
    flags = words(found.get("t", ""))
    return Key(_public(found.get("k", "rsa").lower(), material), testing="y" in flags, strict="s" in flags)


def _public(kind: str, material: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        public = Ed25519PublicKey.from_public_bytes(material) if kind == "ed25519" else load_der_public_key(material)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable("permerror", "the key is none") from error
    match public:
        case Ed25519PublicKey() if kind == "ed25519":
            return public
        case RSAPublicKey() if kind == "rsa":
            if not MIN_RSA_BITS <= public.key_size <= MAX_RSA_BITS:
                raise Unusable("policy", f"the key has {public.key_size} bits")
            if public.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
                raise Unusable("policy", "the key has a huge exponent")
            return public
        case _:
            raise Unusable("permerror", f"no key of kind {kind[:20]!r}")
