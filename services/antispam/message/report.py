"""The report of a filter: what it saw, not what that is worth. The chain has the scores, the policy the action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# A filter reports hit and miss. The runner adds the others: error (it raised or was too slow), off (by the policy),
# spared (another step exempts the message from it), unreached (the chain ended before it).
FilterOutcome = Literal["hit", "miss", "error", "off", "spared", "unreached"]


@dataclass(frozen=True, slots=True)
class Report:
    """`strength` multiplies the score of the filter's step: 1 is the plain hit, below 0 speaks for the message.

    `rules` are the administrators' rules that matched. `exempts` names later filters and rules whose hits do not
    count. `measure` is the score of the learned statistics (log-odds), for the headers.
    """

    outcome: FilterOutcome
    reason: str = ""
    strength: float = 1.0
    rules: tuple[str, ...] = ()
    exempts: frozenset[str] = frozenset()
    measure: float | None = None


MISS = Report("miss")


def hit(reason: str = "", strength: float = 1.0, *, rules: Sequence[str] = ()) -> Report:
    """Report a hit; `reason` is made one short line."""
    return Report("hit", one_line(reason), strength, tuple(rules))


def one_line(text: str) -> str:
    """Make `text` printable and short enough for a header: reasons quote strangers."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return text[:200]
