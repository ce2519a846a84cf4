"""The domain that somebody registered: the public suffix and one label more (publicsuffix.org, RFC 7489 3.2).

The list is the one that came with the package, read at the first question; nothing is fetched.
"""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=8192)
def registered_domain(domain: str) -> str:
    """`example.co.uk` for `www.example.co.uk`; empty for a public suffix itself. Lower-case A-labels in and out."""
    return _suffixes().privatesuffix(domain) or ""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=False)
