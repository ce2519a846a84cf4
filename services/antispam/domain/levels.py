"""Seven levels of what the learned statistics say, from surely ham to surely spam (R-SPAM-24), and their weights."""

from __future__ import annotations

from bisect import bisect_right

_LEVELS = ("surely ham", "ham", "rather ham", "undecided", "rather spam", "spam", "surely spam")
_BOUNDS = (-2.0, -1.0, -0.25, 0.1, 0.9, 2.0)  # log-odds, nats

# (log-odds, strength); straight lines between. On the public corpus, 3-fold: from 0.9 on lie 96 % of the spam and 1.5
# of 1000 ham. There the chain's 8 points for Bayes make the default 7.5, so that a message which looks like nothing but
# spam needs no second witness; strictly growing beyond, so that a stricter or laxer `required` still sorts well.
_STRENGTHS = (
    (-5.0, -0.7),
    (-2.5, -0.5),
    (-1.0, -0.25),
    (-0.25, 0.0),
    (0.1, 0.0),
    (0.5, 0.55),
    (0.9, 0.9375),
    (5.0, 1.5),
)
_KNOTS = [log_odds for log_odds, _ in _STRENGTHS]


def level_of(log_odds: float) -> str:
    """In words."""
    return _LEVELS[bisect_right(_BOUNDS, log_odds)]


def strength_of(log_odds: float) -> float:
    """From -0.7 (surely ham) over 0 (undecided) to 1.5 (surely spam)."""
    if log_odds <= _KNOTS[0] or log_odds >= _KNOTS[-1]:
        return _STRENGTHS[0][1] if log_odds < 0 else _STRENGTHS[-1][1]
    right = bisect_right(_KNOTS, log_odds)
    (x0, y0), (x1, y1) = _STRENGTHS[right - 1], _STRENGTHS[right]
    return y0 + (y1 - y0) * (log_odds - x0) / (x1 - x0)
