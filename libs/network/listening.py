"""Sockets that listen on several addresses, of both families."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

BACKLOG = 512
_ANY_IPV6 = "::"


def bound(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Return a listening socket for each address. Raises `OSError` that names the one that failed; then none is open.

    `::` beside other addresses is left out on a machine without IPv6, so that a default can name both families.
    """
    with ExitStack() as opened:
        sockets = []
        for address in addresses:
            try:
                sockets.append(opened.enter_context(_bound(address, port)))
            except OSError as error:
                if not (address == _ANY_IPV6 and len(addresses) > 1 and _is_family_missing(error)):
                    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
                    raise OSError(f"cannot listen on {address}:{port}: {reason}") from error
        opened.pop_all()
    return sockets


def _bound(address: str, port: int) -> socket.socket:
    # An IPv6 socket accepts no IPv4 connections (IPV6_V6ONLY), so that "0.0.0.0" and "::" can be used together.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG)


def _is_family_missing(error: OSError) -> bool:
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
