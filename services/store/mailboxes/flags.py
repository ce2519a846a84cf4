"""Flags of a message (RFC 9051 2.3.2): system flags and keywords, compared without case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.store.mailboxes.refusals import InvalidRequest

SEEN = "\\Seen"
MAX_FLAGS = 64

# RFC 9051 2.3.2, the registry of RFC 5788, and keywords that clients use: each is stored in this spelling.
_SPELLING = {
    flag.lower(): flag
    for flag in (
        *(SEEN, "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"),
        *("$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing", "$Important", "$SubmitPending", "$Submitted"),
        *("Junk", "NonJunk"),
    )
}
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]{1,50}")  # RFC 9051 9: an atom


def clean_flag(flag: str) -> str:
    """Return the canonical spelling of a flag; unregistered keywords are lower-cased. Raises `InvalidRequest`."""
    known = _SPELLING.get(flag.lower())
    if known:
        return known
    if not _KEYWORD.fullmatch(flag):
        raise InvalidRequest("a flag is a system flag or a keyword of at most 50 atom characters")
    return flag.lower()


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A change of flags: first `replace` all flags if it is not None, then `add`, then `remove`."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    replace: frozenset[str] | None = None

    @classmethod
    def of(
        cls, *, add: Iterable[str] = (), remove: Iterable[str] = (), replace: Iterable[str] | None = None
    ) -> FlagChange:
        """Build a change from flags in any spelling. Raises `InvalidRequest`."""
        return cls(
            frozenset(map(clean_flag, add)),
            frozenset(map(clean_flag, remove)),
            None if replace is None else frozenset(map(clean_flag, replace)),
        )

    def apply(self, flags: Iterable[str]) -> tuple[str, ...]:
        """Return the new flags, sorted. Raises `InvalidRequest` when they are too many."""
        start = frozenset(flags) if self.replace is None else self.replace
        after = (start | self.add) - self.remove
        if len(after) > MAX_FLAGS:
            raise InvalidRequest(f"a message has at most {MAX_FLAGS} flags")
        return tuple(sorted(after))
