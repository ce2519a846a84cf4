"""One running product for all requests that are made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.facteur import Facteur


@pytest.fixture(scope="package")
def facteur(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facteur]:
    facteur = Facteur(tmp_path_factory.mktemp("fuzz"), processes=[()], environ={})
    facteur.start()
    yield facteur
    facteur.close()
