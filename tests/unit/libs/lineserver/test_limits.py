"""Connections in all, and of one peer and its site."""

from __future__ import annotations

from libs.lineserver import ConnectionLimits
from libs.network import networks_of


def test_all_places_are_given_once_and_again_after_a_close() -> None:
    limits = ConnectionLimits(limit=2, limit_per_peer=10)
    assert [limits.open() for _ in range(3)] == [True, True, False]
    limits.close(())
    assert limits.open()


def test_a_peer_has_its_part_and_its_site_twice_that() -> None:
    limits = ConnectionLimits(limit=100, limit_per_peer=1)
    first, neighbour, third = (networks_of(f"2001:db8:0:{n}::1") for n in range(3))
    assert limits.assign(first)
    assert not limits.assign(first)
    assert limits.assign(neighbour)
    assert not limits.assign(third)  # the same /48
    assert limits.assign(networks_of("192.0.2.1"))
    limits.open()
    limits.close(first)
    assert limits.assign(third)
