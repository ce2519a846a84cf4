"""Memory of messages in transfer, in all and for each peer."""

from __future__ import annotations

from services.ingress.domain.budget import Budget


def test_a_budget_is_shared_and_given_back() -> None:
    budget = Budget(max_messages=2, max_bytes=100)
    first, second = budget.open(50), budget.open(0)
    assert first is not None
    assert second is not None
    assert budget.open(0) is None
    assert first.grow(60)
    assert not second.grow(50)
    assert second.grow(40)
    first.close()
    assert (budget.messages, budget.held_bytes) == (1, 40)
    assert budget.open(61) is None
    assert budget.open(60) is not None


def test_a_peer_has_a_part_of_the_budget_and_its_site_twice_that() -> None:
    budget = Budget(max_messages=100, max_bytes=1000, peer_share=0.25)
    narrow, wide = ("2001:db8::/64", "2001:db8::/48"), ("2001:db8:0:1::/64", "2001:db8::/48")
    assert not budget.has_room(251, narrow)
    first, second, third = budget.open(0, narrow), budget.open(0, wide), budget.open(0, ("192.0.2.1",))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.grow(250)
    assert not first.grow(1)
    assert not budget.has_room(1, narrow)
    assert second.grow(250)
    assert not budget.has_room(1, ("2001:db8:0:2::/64", "2001:db8::/48"))
    assert third.grow(250)
    assert budget.has_room(250, ("192.0.2.2",))
    for share in (first, second, third):
        share.close()
    assert (budget.messages, budget.held_bytes) == (0, 0)
    assert budget.has_room(250, narrow)


def test_the_largest_message_fits_into_a_small_budget_and_large_ones_leave_room_for_ordinary_ones() -> None:
    assert Budget(max_messages=4, max_bytes=30, peer_share=0.25, largest_bytes=30).has_room(30, ("192.0.2.1",))
    megabyte = 1024 * 1024
    budget = Budget(max_messages=100, max_bytes=16 * megabyte, peer_share=0.5, largest_bytes=8 * megabyte)
    large = [budget.open(0, (f"192.0.2.{n}",)) for n in range(2)]
    assert [share is not None and share.grow(7 * megabyte) for share in large] == [True, True]
    assert not any(share is not None and share.grow(1) for share in large)
    ordinary = budget.open(megabyte, ("192.0.2.3",))
    assert ordinary is not None
    assert ordinary.grow(megabyte)
