"""Scores of the classifier, and the cases without an opinion."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.antispam.learning.classifier import (
    NO_OPINION,
    SURE,
    BayesScore,
    TokenCounts,
    _chance,
    combined,
    is_sure,
    score,
)

Learned = dict[str, tuple[int, int]]

LEARNED: Learned = {
    "pills": (90, 0),
    "cheap": (50, 2),
    "subject:pills": (60, 0),
    "patch": (0, 80),
    "kernel": (1, 70),
    "list-id:linux": (0, 60),
    "the": (100, 98),
}


def counts(learned: Learned = LEARNED, spam: int = 100, ham: int = 100) -> TokenCounts:
    return TokenCounts(spam, ham, learned.get)


@pytest.mark.parametrize(
    ("tokens", "least", "most"),
    [
        ({"pills", "cheap", "subject:pills"}, 2.0, 9.0),
        ({"patch", "kernel", "list-id:linux"}, -9.0, -2.0),
        ({"pills", "patch"}, -0.2, 0.2),  # as much for as against
        ({"the"}, 0.0, 0.0),  # in everything, so it says nothing
        ({"never", "seen"}, 0.0, 0.0),
        (set(), 0.0, 0.0),
    ],
)
def test_log_odds_tell_spam_from_ham(tokens: set[str], least: float, most: float) -> None:
    assert least <= score(tokens, counts()).log_odds <= most


def test_a_long_body_does_not_drown_the_header() -> None:
    body: Learned = {f"word{number}": (0, 50) for number in range(1000)}
    tokens = {*body, "subject:pills"}
    assert abs(score(tokens, counts({**LEARNED, **body})).log_odds) < 0.5


def test_a_header_alone_counts_half() -> None:
    both = score({"pills", "subject:pills"}, counts()).log_odds
    assert score({"subject:pills"}, counts()).log_odds == pytest.approx(both / 2, rel=0.05)


@pytest.mark.parametrize(("spam", "ham"), [(0, 0), (10, 0), (0, 10), (-1, 10)])
def test_no_opinion_while_one_class_is_unknown(spam: int, ham: int) -> None:
    assert score({"pills", "patch"}, counts(spam=spam, ham=ham)) == NO_OPINION


def test_little_opinion_while_little_was_learned() -> None:
    once: Learned = {"pills": (1, 0), "subject:pills": (1, 0)}
    known = [score(set(once), counts(once, spam=messages, ham=messages)).log_odds for messages in (1, 10, 100)]
    assert 0 < known[0] < 0.3 < known[1] < known[2]


def test_a_class_that_was_learned_more_often_is_no_likelier_for_it() -> None:
    even = score({"word"}, counts({"word": (30, 3)}, spam=100, ham=100))
    uneven = score({"word"}, counts({"word": (300, 3)}, spam=1000, ham=100))
    assert even.log_odds == pytest.approx(uneven.log_odds, rel=0.02)


@pytest.mark.parametrize(
    ("tokens", "least", "most"),
    [
        ({"pills", "cheap", "subject:pills"}, 0.99, 1.0),
        ({"patch", "kernel", "list-id:linux"}, 0.0, 0.01),
        ({"pills", "patch"}, 0.4, 0.6),
        ({"the"}, 0.5, 0.5),
    ],
)
def test_probability_is_near_the_ends_or_in_the_middle(tokens: set[str], least: float, most: float) -> None:
    assert least <= score(tokens, counts()).probability <= most


def test_a_message_of_ten_thousand_words_has_a_probability() -> None:
    learned: Learned = {f"s{n}": (50, 0) for n in range(6000)} | {f"h{n}": (0, 50) for n in range(6000)}
    assert score(learned, counts(learned)).probability == pytest.approx(0.5, abs=0.01)
    assert score([*learned][:6000], counts(learned)).probability == pytest.approx(1.0)


@pytest.mark.parametrize("pairs", [1, 2, 5, 30])
@pytest.mark.parametrize("share", [0.4, 1.0, 1.6])
def test_probability_is_that_of_the_exact_chi_square(pairs: int, share: float) -> None:
    half = pairs * share
    exact = math.exp(-half) * sum(half**k / math.factorial(k) for k in range(pairs))
    assert _chance(2 * half, pairs) == pytest.approx(exact, abs=0.011)


def test_counts_of_all_and_of_a_domain_are_one() -> None:
    own: Learned = {"pills": (5, 40), "invoice": (0, 30)}
    summed: Learned = {**LEARNED, "pills": (95, 40), "invoice": (0, 30)}
    tokens = {"pills", "invoice", "subject:pills", "never"}
    both = combined(counts(), counts(own, spam=20, ham=50))
    assert score(tokens, both) == score(tokens, counts(summed, spam=120, ham=150))


@pytest.mark.parametrize(
    ("log_odds", "spam", "sure"),
    [(SURE, True, True), (1.0, True, False), (-9.0, True, False), (-SURE, False, True), (0.0, False, False)],
)
def test_only_messages_that_are_not_classified_surely_are_learned(log_odds: float, spam: bool, sure: bool) -> None:
    assert is_sure(BayesScore(log_odds, 0.5, 10), spam=spam) is sure


def test_training_on_error_makes_the_classifier_sure_in_the_end() -> None:
    learned: dict[str, tuple[int, int]] = {}
    spam = ham = 0
    for _ in range(200):
        if not is_sure(score({"pills", "subject:pills"}, counts(learned, spam, ham)), spam=True):
            spam += 1
            learned |= {"pills": (spam, 0), "subject:pills": (spam, 0)}
        if not is_sure(score({"patch", "subject:patch"}, counts(learned, spam, ham)), spam=False):
            ham += 1
            learned |= {"patch": (0, ham), "subject:patch": (0, ham)}
    assert 5 < spam < 50
    assert 5 < ham < 50


PAIRS = st.tuples(st.integers(-5, 10**9), st.integers(-5, 10**9))


@given(st.dictionaries(st.text(max_size=3), PAIRS), st.integers(-5, 10**9), st.integers(-5, 10**9))
def test_any_counts_give_a_finite_score(learned: Learned, spam: int, ham: int) -> None:
    found = score(learned, counts(learned, spam, ham))
    assert math.isfinite(found.log_odds)
    assert 0.0 <= found.probability <= 1.0


@given(st.integers(1, 99), st.integers(0, 100))
def test_one_more_spam_never_speaks_for_the_message(in_spam: int, in_ham: int) -> None:
    less, more = ({"word": (number, in_ham)} for number in (in_spam, in_spam + 1))
    assert score(less, counts(less)).log_odds <= score(more, counts(more)).log_odds
