"""What a filter says: what it saw, never what it is worth. The chain has the scores, the policy the action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# hit and miss are the filter's own words; the runner says the others: the filter raised or was too slow, the policy
# has it off, an exception rule spared it, the chain ended before it.
FilterOutcome = Literal["hit", "miss", "error", "off", "spared", "unreached"]


@dataclass(frozen=True, slots=True)
class Report:
    """`strength` multiplies the score of the filter's step: 1 is the plain hit, below 0 speaks for the message.

    `rules` are the administrators' rules that matched. `exempts` names filters and rules behind this one whose hits do
    not count (keyword exceptions). `measure` is what the learned statistics say (log-odds), for the headers.
    """

    outcome: FilterOutcome
    reason: str = ""
    strength: float = 1.0
    rules: tuple[str, ...] = ()
    exempts: frozenset[str] = frozenset()
    measure: float | None = None


MISS = Report("miss")


def hit(reason: str = "", strength: float = 1.0, *, rules: Sequence[str] = ()) -> Report:
    """The filter found what it looks for; `reason` is made one short line."""
    return Report("hit", one_line(reason), strength, tuple(rules))


def one_line(text: str) -> str:
    """Reasons quote strangers: printable, and short enough for a header."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return text[:200]
