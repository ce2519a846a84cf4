"""The statistics of a scope in memory: changes, snapshots, and the cache of models."""

from __future__ import annotations

import pytest

from services.antispam.learning.model import BayesModel, ModelCache, ModelChange

A, AB = frozenset("a"), frozenset("ab")


def test_changes_add_up_once_each_and_in_order() -> None:
    model = BayesModel()
    for change in (ModelChange(1, 1, 0, AB), ModelChange(2, 1, 0, A), ModelChange(2, 1, 0, A), ModelChange(3, 0, 1, A)):
        model.apply(change)
    assert (model.spam, model.ham, model.revision) == (2, 1, 3)
    assert model.tokens == {"a": (2, 1), "b": (1, 0)}
    model.apply(ModelChange(4, -1, 0, AB))
    assert model.tokens == {"a": (1, 1)}
    model.apply(ModelChange(5, 0, -2, frozenset("ax")))  # `x` was thrown away meanwhile, one of `a` as well
    assert sorted(model.copy().rows()) == [("a", 1, 0)]
    with pytest.raises(LookupError):
        model.apply(ModelChange(7, 1, 0, A))


def test_the_rarest_tokens_are_discarded_the_oldest_first() -> None:
    model = BayesModel(5, 5, 9)
    model.put([(f"rare{n}", 1, 0) for n in range(10)] + [(f"common{n}", 5, 5) for n in range(5)])
    kept = model.copy().pruned(8)
    assert [token for token, _, _ in kept.rows()] == [*("rare7", "rare8", "rare9"), *(f"common{n}" for n in range(5))]
    assert (kept.spam, kept.ham, kept.revision, kept.epoch) == (5, 5, 9, 1)
    assert len(model.copy().pruned(2)) == 2
    assert len(model) == 15


def test_a_copy_stays_as_it_was_whatever_is_learned_later() -> None:
    model = BayesModel()
    model.apply(ModelChange(1, 1, 0, AB))
    taken = model.copy()
    model.apply(ModelChange(2, 0, 1, frozenset("bc")))
    assert (taken.spam, taken.ham, taken.revision, sorted(taken.rows())) == (1, 0, 1, [("a", 1, 0), ("b", 1, 0)])


def test_domains_used_longest_ago_make_room_and_the_common_model_stays() -> None:
    def of(tokens: int) -> BayesModel:
        model = BayesModel()
        model.put((f"t{n}", 1, 0) for n in range(tokens))
        return model

    models = ModelCache(always="default", capacity=100)
    models.keep("default", of(1000))
    for name in ("a", "b", "c"):
        models.keep(name, of(40))
        models.get("a")
    assert list(models.loaded()) == ["default", "c", "a"]
    models.keep("huge", of(500))  # larger than all the room: it alone
    assert list(models.loaded()) == ["default", "huge"]
