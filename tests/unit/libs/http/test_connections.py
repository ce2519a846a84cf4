"""Which connection goes when there are too many."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.http import Connections
from libs.telemetry import Metrics


class Peer:
    """A connection that remembers whether it was cut."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def test_the_stranger_that_has_waited_longest_makes_room() -> None:
    connections = Connections(limit=2, limit_per_network=2)
    first, second, third = (Peer(f"192.0.2.{number}") for number in range(3))
    assert connections.admit(first)
    assert connections.admit(second)
    connections.asks(first)
    connections.waits(first, trusted=False)
    assert connections.admit(third)
    assert (first.is_cut, second.is_cut, third.is_cut) == (False, True, False)


def test_the_strangers_of_one_network_take_no_place_of_others() -> None:
    connections = Connections(limit=10, limit_per_network=2)
    flood = [Peer(f"2001:db8::{number:x}") for number in range(50)]
    other = Peer("192.0.2.1")
    assert connections.admit(other)
    assert all(connections.admit(each) for each in flood)
    assert [each.is_cut for each in flood] == [True] * 48 + [False] * 2
    assert not other.is_cut


def test_a_caller_with_a_token_is_never_cut_and_its_network_may_have_more() -> None:
    connections = Connections(limit=4, limit_per_network=1)
    callers = [Peer("127.0.0.1") for _ in range(4)]
    for each in callers:
        assert connections.admit(each)
        connections.asks(each)
        connections.waits(each, trusted=True)
    assert not connections.admit(Peer("192.0.2.1"))
    assert not any(each.is_cut for each in callers)
    connections.gone(callers[0])
    assert connections.admit(Peer("192.0.2.1"))


def test_the_series_tell_what_is_open_and_what_was_ended() -> None:
    metrics = Metrics()
    connections = Connections(limit=1, limit_per_network=1, metrics=metrics)
    connections.admit(Peer("192.0.2.1"))
    connections.admit(Peer("192.0.2.2"))
    page = metrics.render().decode()
    assert "facteur_http_connections 1.0" in page
    assert 'facteur_http_connections_closed_total{reason="idle"} 1.0' in page


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["new", "asks", "waits", "trusted", "gone"]), st.integers(0, 5)), max_size=80)
)
def test_the_limits_hold_whatever_comes(steps: list[tuple[str, int]]) -> None:
    connections = Connections(limit=4, limit_per_network=3)
    living: list[Peer] = []
    trusted: set[Peer] = set()
    for step, number in steps:
        if step == "new":
            peer = Peer(f"192.0.2.{number % 2}")
            if connections.admit(peer):
                living.append(peer)
        elif living:
            peer = living[number % len(living)]
            if step == "gone":
                connections.gone(peer)
                living.remove(peer)
            elif step == "asks":
                connections.asks(peer)
            else:
                connections.waits(peer, trusted=step == "trusted")
                trusted |= {peer} if step == "trusted" else set()
        assert not any(peer.is_cut for peer in trusted)
        living = [peer for peer in living if not peer.is_cut]
        assert len(living) <= 4
        strangers = [peer.peer for peer in living if peer not in trusted]
        assert all(strangers.count(network) <= 3 for network in set(strangers))
