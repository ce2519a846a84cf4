"""Slow peers, honest and hostile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from services.ingress.domain.timeouts import Progress, Timeouts

TIMEOUTS = Timeouts(greeting_delay=0, idle=300, command=60, data_block=180, grace=180, min_rate=256, message=3600)
MB = 1024 * 1024


def seconds_until_cut(arrivals: Iterable[tuple[float, int]], timeouts: Timeouts = TIMEOUTS) -> float | None:
    """When a peer that brings (after seconds, octets) is cut off; None when it is not."""
    progress, now = Progress(timeouts, 0.0), 0.0
    for after, octets in arrivals:
        if now + after >= progress.deadline(now):
            return progress.deadline(now)
        now += after
        progress.waited(after)
        progress.received(octets)
    return None


def at(rate: float, octets: int, every: float = 1.0) -> Iterator[tuple[float, int]]:
    for _ in range(int(octets / rate / every)):
        yield every, int(rate * every)


HONEST = {
    "the least rate": at(256, 800_000),
    "in blocks of two minutes": at(256, 800_000, every=120),
    "20 MB over 48 kbit/s": at(6000, 20 * MB),
    "20 MB over 48 kbit/s with a tunnel of two minutes each half megabyte": (
        arrival for _ in range(7) for arrival in (*at(12_000, MB // 2), (120.0, 12_000))
    ),
    "fast": at(10 * MB, 20 * MB),
}


@pytest.mark.parametrize("arrivals", HONEST.values(), ids=HONEST.keys())
def test_an_honest_slow_peer_is_heard_to_the_end(arrivals: Iterable[tuple[float, int]]) -> None:
    assert seconds_until_cut(arrivals) is None


HOSTILE = {
    "silent from the start": ([(10_000.0, 1)], 180),
    "a fast beginning, then an octet each 20 s": ([(1.0, 19 * MB), *[(20.0, 1)] * 1000], 182),
    "a fast beginning, then the least rate": ([(1.0, 19 * MB), *[(1.0, 256)] * 4000], 200),
    "a hundred small bursts, each followed by an octet": ([(1.0, 1000), *[(60.0, 1)] * 4] * 100, 700),
    "a little below the least rate": ([(10.0, 2000)] * 1000, 900),
    "as slow as it may for ever": ([(1.0, 256)] * 10_000, 3600),
}


@pytest.mark.parametrize(("arrivals", "limit"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_slow_peer_is_cut_off(arrivals: Iterable[tuple[float, int]], limit: float) -> None:
    ends = seconds_until_cut(arrivals)
    assert ends is not None
    assert ends <= limit
