"""The embedded product, killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load.processes import descendants
from tests.servers.facteur import Facteur
from tests.servers.peer import Peer

pytestmark = pytest.mark.timeout(400)  # a retry may be on a rung of two minutes

# `terminationGracePeriodSeconds` less what `preStop` takes.
GRACE = 40
JEAN = "jean.toto@example.org"


@pytest.fixture
def facteur(tmp_path: Path) -> Iterator[Facteur]:
    facteur = Facteur(tmp_path, processes=[()], environ={})
    facteur.start()
    yield facteur
    facteur.close()


def test_kill_9_in_the_middle_of_300_messages_loses_and_doubles_nothing(facteur: Facteur) -> None:
    peer = Peer(facteur, JEAN)
    peer.start(300)
    for goal in (60, 150, 250):
        peer.wait_for_accepted(goal)
        facteur.kill()
        facteur.start()
    peer.finish()
    peer.all_are_there_once()
    counts = peer.counts()
    assert all(counts[subject] == 1 for subject in peer.accepted if subject not in _tried_again(peer, counts))
    peer.close()


def _tried_again(peer: Peer, counts: dict[str, int]) -> set[str]:
    """RFC 1047: a peer whose connection broke after DATA tries again, and what was accepted unseen is there twice."""
    assert sum(count - 1 for count in counts.values()) <= peer.refusals[0]
    return {subject for subject, count in counts.items() if count > 1}


def mongod_of(facteur: Facteur) -> int:
    return next(child for child, name in descendants(facteur.pid("store")).items() if name == "mongod")


def test_a_database_that_dies_comes_back_and_loses_nothing(facteur: Facteur) -> None:
    peer = Peer(facteur, JEAN)
    peer.start(60)
    peer.wait_for_accepted(20)
    dead = mongod_of(facteur)
    os.kill(dead, signal.SIGKILL)
    facteur.wait_ready()
    peer.finish()
    peer.all_are_there_once()
    assert mongod_of(facteur) != dead
    metrics = facteur.call("GET", "ingress", "/metrics").text
    assert "facteur_embedded_database_restarts_total 1.0" in metrics
    peer.close()


def test_sigterm_while_the_database_is_away_ends_within_the_grace(facteur: Facteur) -> None:
    peer = Peer(facteur, JEAN)
    peer.start(60)
    peer.wait_for_accepted(20)
    os.kill(mongod_of(facteur), signal.SIGSTOP)  # it does not end, and does not answer
    began = time.monotonic()
    facteur.stop()
    assert time.monotonic() - began < GRACE
    facteur.start()
    peer.finish()
    peer.all_are_there_once()
    peer.close()


def test_sigterm_ends_the_process_and_the_next_start_goes_on(facteur: Facteur) -> None:
    peer = Peer(facteur, JEAN)
    peer.start(60)
    peer.wait_for_accepted(20)
    facteur.stop()
    facteur.start()
    peer.finish()
    peer.all_are_there_once()
    peer.close()
