"""Lessons, changes, and the counts in memory."""

import pytest

from services.antispam.domain.learned import Change, Class, Lesson, Model, Models
from services.antispam.domain.lessons import Step, worked_out

A, AB = frozenset("a"), frozenset("ab")


def lesson(kind: Class | None, digest: str = "1", scope: str = "default", tokens: frozenset[str] = AB) -> Lesson:
    return Lesson(scope, digest, kind, tokens)


@pytest.mark.parametrize(
    ("before", "now", "steps"),
    [
        (None, "spam", [Step(1, 0, AB)]),
        (None, "ham", [Step(0, 1, AB)]),
        ("spam", "spam", []),
        ("spam", "ham", [Step(-1, 1, AB)]),
        ("ham", None, [Step(0, -1, AB)]),
        (None, None, []),
    ],
)
def test_a_lesson_changes_what_it_must(before: Class | None, now: Class | None, steps: list[Step]) -> None:
    outcome = worked_out([lesson(now)], {("default", "1"): before})
    assert (list(outcome.befores), list(outcome.steps.get("default", []))) == ([before], steps)
    assert outcome.known == {("default", "1"): now}


def test_lessons_of_one_batch_follow_each_other_and_scopes_are_apart() -> None:
    batch = [lesson("spam"), lesson("spam"), lesson("ham"), lesson("ham", scope="a.example"), lesson("spam", "2")]
    outcome = worked_out(batch, {})
    assert list(outcome.befores) == [None, "spam", "spam", None, None]
    assert outcome.steps == {
        "default": [Step(1, 0, AB), Step(-1, 1, AB), Step(1, 0, AB)],
        "a.example": [Step(0, 1, AB)],
    }


def test_changes_add_up_once_each_and_in_order() -> None:
    model = Model()
    for change in (Change(1, 1, 0, AB), Change(2, 1, 0, A), Change(2, 1, 0, A), Change(3, 0, 1, A)):
        model.apply(change)
    assert (model.spam, model.ham, model.revision) == (2, 1, 3)
    assert [model.counts(token) for token in "abc"] == [(2, 1), (1, 0), (0, 0)]
    model.apply(Change(4, -1, 1, AB))
    assert [model.counts(token) for token in "ab"] == [(1, 2), (0, 1)]
    model.apply(Change(5, 0, -1, frozenset("bx")))  # `x`: seen by a newer tokenizer only
    assert sorted(model.rows()) == [("a", 1, 2)]
    with pytest.raises(LookupError):
        model.apply(Change(7, 1, 0, A))


def test_rare_tokens_are_thrown_away_the_longest_known_first() -> None:
    model = Model(5, 5, 9)
    model.put([(f"rare{n}", 1, 0) for n in range(10)] + [(f"common{n}", 5, 5) for n in range(5)])
    kept = model.pruned(8)
    assert [token for token, _, _ in kept.rows()] == [*("rare7", "rare8", "rare9"), *(f"common{n}" for n in range(5))]
    assert (kept.spam, kept.ham, kept.revision, kept.epoch) == (5, 5, 9, 1)
    assert len(model.pruned(2)) == 2
    assert len(model) == 15


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
