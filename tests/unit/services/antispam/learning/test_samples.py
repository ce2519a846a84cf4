"""Training samples, and the changes that they cause."""

from __future__ import annotations

from typing import Any

import pytest

from services.antispam.learning.model import MailClass
from services.antispam.learning.samples import CountChange, StoredSample, TrainingSample, training_outcome

A, AB = frozenset("a"), frozenset("ab")
KEY = ("default", "1")


def sample(kind: MailClass | None, digest: str = "1", scope: str = "default", **more: Any) -> TrainingSample:
    return TrainingSample(scope, digest, kind, AB, **more)


def was(kind: MailClass, times: int = 1, passes: int = 1) -> StoredSample:
    return StoredSample(kind, times, passes, A)


@pytest.mark.parametrize(
    ("before", "taught", "changes", "after"),
    [
        (None, sample("spam"), [CountChange(1, 0, AB)], StoredSample("spam", 1, 1, AB)),
        (None, sample("ham"), [CountChange(0, 1, AB)], StoredSample("ham", 1, 1, AB)),
        (None, sample("ham", counts=False), [], StoredSample("ham", 0, 1, AB)),
        (None, sample(None), [], None),
        (was("spam"), sample("spam"), [], was("spam")),
        (
            was("spam", 2, 2),
            sample("ham"),
            [CountChange(-2, 0, A), CountChange(0, 1, AB)],
            StoredSample("ham", 1, 1, AB),
        ),
        (was("spam", 0), sample("ham"), [CountChange(0, 1, AB)], StoredSample("ham", 1, 1, AB)),
        (was("ham", 2, 2), sample(None), [CountChange(0, -2, A)], None),
        (was("spam"), sample("spam", pass_number=2), [CountChange(1, 0, A)], was("spam", 2, 2)),
        (was("spam"), sample("spam", pass_number=2, counts=False), [], was("spam", 1, 2)),
        (was("spam", 2, 2), sample("spam", pass_number=2), [], was("spam", 2, 2)),  # another replica was quicker
        (was("ham"), sample("spam", pass_number=2), [], was("ham")),  # somebody changed his mind meanwhile
        (None, sample("spam", pass_number=2), [], None),
    ],
)
def test_a_sample_changes_counts_by_its_class_and_its_former_class(
    before: StoredSample | None, taught: TrainingSample, changes: list[CountChange], after: StoredSample | None
) -> None:
    outcome = training_outcome([taught], {KEY: before} if before else {})
    assert outcome.former == [before.kind if before else None]
    assert outcome.changes["default"] == changes
    assert outcome.stored.get(KEY, before) == after


def test_samples_of_one_batch_follow_each_other_and_scopes_are_separate() -> None:
    batch = [sample("spam"), sample("spam"), sample("ham"), sample("ham", scope="a.example"), sample("spam", "2")]
    outcome = training_outcome(batch, {})
    assert outcome.former == [None, "spam", "spam", None, None]
    assert outcome.changes == {
        "default": [CountChange(1, 0, AB), CountChange(-1, 0, AB), CountChange(0, 1, AB), CountChange(1, 0, AB)],
        "a.example": [CountChange(0, 1, AB)],
    }
    assert {scope: (count["spam"], count["ham"]) for scope, count in outcome.learned.items()} == {
        "default": (1, 1),
        "a.example": (0, 1),
    }
