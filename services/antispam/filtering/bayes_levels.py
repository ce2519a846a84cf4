"""Seven levels of the score of the learned statistics, from surely ham to surely spam, and their weights."""

from __future__ import annotations

from bisect import bisect_right

_LEVELS = ("surely ham", "ham", "rather ham", "undecided", "rather spam", "spam", "surely spam")
_BOUNDS = (-2.0, -1.0, -0.25, 0.1, 0.8, 2.0)  # log-odds, nats

# (log-odds, strength), joined by straight lines. At 0.8 the chain's 8 points for Bayes make the default 7.5, so that a
# message which looks like nothing but spam needs no second witness: on the public corpus, in three folds and with all
# offline filters, 97 % of spam and 1.5 of 1000 ham come to 7.5; in folds made at random 96.6 % and 2.3 of 1000. The
# line grows on, so that another `required` sorts as well, but by one point a nat only: were it steeper, form would
# decide less among what Bayes is sure of, and recall at 0.1 % false positives would fall.
_STRENGTHS = (
    (-5.0, -0.7),
    (-2.5, -0.5),
    (-1.0, -0.25),
    (-0.25, 0.0),
    (0.1, 0.0),
    (0.5, 0.55),
    (0.8, 0.9375),
    (5.0, 1.5),
)
_KNOTS = [log_odds for log_odds, _ in _STRENGTHS]

# A message that is like nothing learned so far has only few words that count: it needs a second filter to be spam.
_FEW = 8
_AT_MOST_BY_FEW = 0.8


def level_of(log_odds: float) -> str:
    """Name the level of `log_odds`."""
    return _LEVELS[bisect_right(_BOUNDS, log_odds)]


def strength_of(log_odds: float, words: int) -> float:
    """Weigh `log_odds` over so many words: from -0.7 (surely ham) over 0 (undecided) to 1.5 (surely spam)."""
    strength = _on_the_line(log_odds)
    return min(strength, _AT_MOST_BY_FEW) if words < _FEW else strength


def _on_the_line(log_odds: float) -> float:
    if log_odds <= _KNOTS[0] or log_odds >= _KNOTS[-1]:
        return _STRENGTHS[0][1] if log_odds < 0 else _STRENGTHS[-1][1]
    right = bisect_right(_KNOTS, log_odds)
    (x0, y0), (x1, y1) = _STRENGTHS[right - 1], _STRENGTHS[right]
    return y0 + (y1 - y0) * (log_odds - x0) / (x1 - x0)
