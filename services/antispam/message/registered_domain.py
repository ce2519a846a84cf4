"""The registered domain above any name, by the public suffix list as of the release of its package."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """The list is read from the package at the first use (60 ms); nothing is ever fetched."""
    return PublicSuffixList()


def load_suffixes() -> None:
    """Read the list at the start, so that no message has to wait for it."""
    _suffixes()


@lru_cache(maxsize=16_384)
def registered_domain(name: str) -> str | None:
    """`example.co.uk` of `a.b.example.co.uk`, in lower case; None of a public suffix, an address, or no name at all.

    The organizational domain of RFC 7489 3.2. Names are A-labels.
    """
    name = name.lower().removesuffix(".")
    if "." not in name or name.replace(".", "").isdigit() or ":" in name:
        return None
    found = _suffixes().privatesuffix(name)
    return found or None
