"""Free loopback ports for servers of the tests, several workers at a time.

All lie below those that the system gives to outgoing connections, of which one could take a port before its server.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterable

WORKERS = 4
# Each worker has ports of its own, so that none takes what another has just found free.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS


def free_port() -> int:
    """A port that nobody uses now, for TCP and UDP."""
    return next(port for _ in range(1000) if is_free(port := random.randrange(14_000 + _WORKER, 28_000, WORKERS)))


def free_base(ports: Iterable[int]) -> int:
    """What to add to `ports` so that all of them are free."""
    wanted = list(ports)
    for _ in range(200):
        # 25 apart: no two ports of an instance differ by 25, 50 or 75, and so two workers never share one.
        base = random.randrange(1000, 5600, 100) + 25 * _WORKER
        if all(is_free(port + base) for port in wanted):
            return base
    raise AssertionError("no free ports")


def is_free(port: int) -> bool:
    """Whether a server may listen there now."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            stream.bind(("127.0.0.1", port))
            datagram.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
