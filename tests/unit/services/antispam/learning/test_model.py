"""Lessons, changes, and the counts in memory."""

from typing import Any

import pytest

from services.antispam.learning.model import Change, Class, Model, Models
from services.antispam.learning.samples import Lesson, Remembered, Step, worked_out

A, AB = frozenset("a"), frozenset("ab")
KEY = ("default", "1")


def lesson(kind: Class | None, digest: str = "1", scope: str = "default", **more: Any) -> Lesson:
    return Lesson(scope, digest, kind, AB, **more)


def was(kind: Class, times: int = 1, looks: int = 1) -> Remembered:
    return Remembered(kind, times, looks, A)


@pytest.mark.parametrize(
    ("before", "taught", "steps", "after"),
    [
        (None, lesson("spam"), [Step(1, 0, AB)], Remembered("spam", 1, 1, AB)),
        (None, lesson("ham"), [Step(0, 1, AB)], Remembered("ham", 1, 1, AB)),
        (None, lesson("ham", counts=False), [], Remembered("ham", 0, 1, AB)),
        (None, lesson(None), [], None),
        (was("spam"), lesson("spam"), [], was("spam")),
        (was("spam", 2, 2), lesson("ham"), [Step(-2, 0, A), Step(0, 1, AB)], Remembered("ham", 1, 1, AB)),
        (was("spam", 0), lesson("ham"), [Step(0, 1, AB)], Remembered("ham", 1, 1, AB)),
        (was("ham", 2, 2), lesson(None), [Step(0, -2, A)], None),
        (was("spam"), lesson("spam", look=2), [Step(1, 0, A)], was("spam", 2, 2)),
        (was("spam"), lesson("spam", look=2, counts=False), [], was("spam", 1, 2)),
        (was("spam", 2, 2), lesson("spam", look=2), [], was("spam", 2, 2)),  # another replica was quicker
        (was("ham"), lesson("spam", look=2), [], was("ham")),  # somebody changed his mind meanwhile
        (None, lesson("spam", look=2), [], None),
    ],
)
def test_a_lesson_changes_what_it_must(
    before: Remembered | None, taught: Lesson, steps: list[Step], after: Remembered | None
) -> None:
    outcome = worked_out([taught], {KEY: before} if before else {})
    assert outcome.befores == [before.kind if before else None]
    assert outcome.steps["default"] == steps
    assert outcome.after.get(KEY, before) == after


def test_lessons_of_one_batch_follow_each_other_and_scopes_are_apart() -> None:
    batch = [lesson("spam"), lesson("spam"), lesson("ham"), lesson("ham", scope="a.example"), lesson("spam", "2")]
    outcome = worked_out(batch, {})
    assert outcome.befores == [None, "spam", "spam", None, None]
    assert outcome.steps == {
        "default": [Step(1, 0, AB), Step(-1, 0, AB), Step(0, 1, AB), Step(1, 0, AB)],
        "a.example": [Step(0, 1, AB)],
    }
    assert {scope: (count["spam"], count["ham"]) for scope, count in outcome.learned.items()} == {
        "default": (1, 1),
        "a.example": (0, 1),
    }


def test_changes_add_up_once_each_and_in_order() -> None:
    model = Model()
    for change in (Change(1, 1, 0, AB), Change(2, 1, 0, A), Change(2, 1, 0, A), Change(3, 0, 1, A)):
        model.apply(change)
    assert (model.spam, model.ham, model.revision) == (2, 1, 3)
    assert model.tokens == {"a": (2, 1), "b": (1, 0)}
    model.apply(Change(4, -1, 0, AB))
    assert model.tokens == {"a": (1, 1)}
    model.apply(Change(5, 0, -2, frozenset("ax")))  # `x` was thrown away meanwhile, one of `a` as well
    assert sorted(model.taken().rows()) == [("a", 1, 0)]
    with pytest.raises(LookupError):
        model.apply(Change(7, 1, 0, A))


def test_rare_tokens_are_thrown_away_the_longest_known_first() -> None:
    model = Model(5, 5, 9)
    model.put([(f"rare{n}", 1, 0) for n in range(10)] + [(f"common{n}", 5, 5) for n in range(5)])
    kept = model.taken().pruned(8)
    assert [token for token, _, _ in kept.rows()] == [*("rare7", "rare8", "rare9"), *(f"common{n}" for n in range(5))]
    assert (kept.spam, kept.ham, kept.revision, kept.epoch) == (5, 5, 9, 1)
    assert len(model.taken().pruned(2)) == 2
    assert len(model) == 15


def test_what_was_taken_stays_as_it_was_whatever_is_learned_later() -> None:
    model = Model()
    model.apply(Change(1, 1, 0, AB))
    taken = model.taken()
    model.apply(Change(2, 0, 1, frozenset("bc")))
    assert (taken.spam, taken.ham, taken.revision, sorted(taken.rows())) == (1, 0, 1, [("a", 1, 0), ("b", 1, 0)])


def test_domains_used_longest_ago_make_room_and_the_common_model_stays() -> None:
    def of(tokens: int) -> Model:
        model = Model()
        model.put((f"t{n}", 1, 0) for n in range(tokens))
        return model

    models = Models(always="default", capacity=100)
    models.keep("default", of(1000))
    for name in ("a", "b", "c"):
        models.keep(name, of(40))
        models.get("a")
    assert list(models.loaded()) == ["default", "c", "a"]
    models.keep("huge", of(500))  # larger than all the room: it alone
    assert list(models.loaded()) == ["default", "huge"]
