"""Rulebooks of domains in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.antispam.chain import CHAIN
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.policy.rulebook import Rulebook
from tests.specimens.antispam import a_rulebook

Rulebooks = Callable[..., RulebookCache]


@pytest.fixture
def rulebooks() -> Rulebooks:
    """Returns a cache of these rulebooks; other scopes have an empty one."""

    def cache(*books: Rulebook) -> RulebookCache:
        by_scope = {book.scope: book for book in books}

        async def load(scope: str) -> Rulebook:
            return by_scope.get(scope, a_rulebook(scope))

        return RulebookCache(load, CHAIN, max_age=timedelta(minutes=1), capacity=100)

    return cache
