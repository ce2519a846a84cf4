"""File descriptors: as many as the system allows, and a share of them that HTTP connections never exceed."""

from __future__ import annotations

import resource

from libs.settings import API_PORTS

# More are of no use here, and some programs close every descriptor up to their limit when they start.
MOST = 65_536


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one (`setrlimit(2)`), at most to `MOST`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def http_share() -> int:
    """The connections that one API may hold: with all services in one process, half of the descriptors stay free."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = MOST if soft == resource.RLIM_INFINITY else soft
    return max(available // 2 // len(API_PORTS), 10)
