"""What the process keeps in memory is bounded and forgets in time."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.network import parsed
from services.antispam.message.digest import message_digest
from services.antispam.reputation.blacklisted_peers import BlacklistedPeerTable
from services.antispam.reputation.mass_mailings import MassMailingCounter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def sightings(capacity: int = 100) -> MassMailingCounter:
    return MassMailingCounter(threshold=3, window=10 * MINUTE, capacity=capacity)


def saw(memory: MassMailingCounter, digest: str, id: str, *, recipients: int = 1, at: datetime = NOW) -> int:
    return memory.saw(digest, recipients=recipients, message_id=id, now=at)


def test_a_sighting_is_forgotten_when_its_window_is_over() -> None:
    memory = sightings()
    seen = [saw(memory, "d", str(n), at=NOW + n * 4 * MINUTE) for n in range(4)]
    assert seen == [1, 2, 3, 1]


def test_unique_mail_is_never_shared_and_the_rest_only_by_what_is_new() -> None:
    memory = sightings()
    for n in range(50):
        saw(memory, f"unique{n}", str(n))
    assert memory.take_unshared() == {}
    saw(memory, "d", "1", recipients=4)
    saw(memory, "d", "2")
    taken = memory.take_unshared()
    assert taken == {"d": 5}
    assert memory.count_of("d", NOW) == 5  # while the exchange is under way
    memory.set_totals(taken, {"d": 30})
    assert saw(memory, "d", "3") == 31
    assert memory.take_unshared() == {"d": 1}


def test_counts_that_could_not_be_shared_wait_for_the_next_exchange() -> None:
    memory = sightings()
    for id in "12":
        saw(memory, "d", id)
    memory.put_back(memory.take_unshared())
    assert memory.count_of("d", NOW) == 2
    assert memory.take_unshared() == {"d": 2}


def test_only_so_many_digests_are_kept() -> None:
    memory = sightings(capacity=10)
    for n in range(1000):
        saw(memory, str(n), "1")
        saw(memory, str(n), "2")
    assert memory.take_unshared().keys() == {str(n) for n in range(990, 1000)}


def test_a_glance_counts_nothing() -> None:
    memory = sightings()
    saw(memory, "d", "1")
    glance = memory.without_counting()
    assert [glance.saw("d", recipients=2, message_id="2", now=NOW) for _ in range(2)] == [3, 3]
    assert memory.count_of("d", NOW) == 1


def test_peers_make_room_by_who_is_over_first() -> None:
    memory = BlacklistedPeerTable(capacity=20)
    for n in range(1, 101):
        memory.blacklist(f"192.0.2.{n}", NOW + n * MINUTE, "abuse", NOW)
    assert len(memory) <= 20
    for number, refused in ((100, True), (1, False)):
        peer = parsed(f"192.0.2.{number}")
        assert peer is not None
        assert (memory.reason(peer, NOW) == "abuse") is refused


@pytest.mark.parametrize(
    ("banned", "refused", "free"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.0/24", "192.0.2.77", "192.0.3.1"),
        ("192.0.2.77/24", "192.0.2.1", "192.0.3.1"),
        ("2001:db8::/64", "2001:db8::77", "2001:db8:0:1::1"),
        ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.1"),
        ("fe80::1%eth0", "fe80::2", "fe80:0:0:1::1"),
    ],
)
def test_a_network_is_refused_as_an_address_is(banned: str, refused: str, free: str) -> None:
    memory = BlacklistedPeerTable(capacity=20)
    memory.blacklist(banned, NOW + MINUTE, "abuse", NOW)

    def reason(address: str, at: datetime = NOW) -> str | None:
        peer = parsed(address)
        assert peer is not None
        return memory.reason(peer, at)

    assert (reason(refused), reason(free), reason(refused, NOW + 2 * MINUTE)) == ("abuse", None, None)
    memory.blacklist(banned, NOW, "", NOW)
    assert (reason(refused), len(memory)) == (None, 0)


def test_a_ban_that_is_over_does_not_hide_a_wider_one() -> None:
    memory, peer = BlacklistedPeerTable(capacity=20), parsed("192.0.2.1")
    assert peer is not None
    memory.blacklist("192.0.2.1", NOW + MINUTE, "narrow", NOW)
    memory.blacklist("192.0.2.0/24", NOW + 5 * MINUTE, "wide", NOW)
    assert [memory.reason(peer, NOW + n * MINUTE) for n in (0, 2, 6)] == ["narrow", "wide", None]


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "192.0.2.0/33", "", "x"])
def test_no_ban_refuses_half_the_world(text: str) -> None:
    memory = BlacklistedPeerTable(capacity=20)
    memory.blacklist(text, NOW + MINUTE, "abuse", NOW)
    assert len(memory) == 0


def test_what_is_no_address_is_not_refused() -> None:
    memory = BlacklistedPeerTable(capacity=20)
    memory.blacklist("localhost", NOW + MINUTE, "abuse", NOW)
    assert len(memory) == 0


def test_copies_of_a_mass_mailing_have_one_digest() -> None:
    text = (
        "Dear {name}@example.org,\n  buy {n} watches at https://shop.example/u/{name}?id={n} today! " + "Really. " * 20
    )
    copies = {
        message_digest("a@b.example", f"Offer {n}", text.format(name=name, n=n), [10])
        for n, name in enumerate(("marie", "luc", "zoé"))
    }
    assert len(copies) == 1
    assert len(copies.pop()) == 40
    other = message_digest("a@b.example", "Offer", text.replace("watches", "clocks").format(name="x", n=1), [10])
    assert other not in copies


def test_a_short_answer_is_the_same_from_one_author_only() -> None:
    one, same, other = (message_digest(author, "Re: x", "ok, thanks", []) for author in ("a@b", "a@b", "c@d"))
    assert one == same != other
