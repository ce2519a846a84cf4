"""A check for ports in use, before anything is opened: the error is one line."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable


def check_ports_free(addresses: Iterable[tuple[str, int, str]]) -> None:
    """Bind each (host, port, owner) for a moment. Raises `OSError` that names the first one in use."""
    for host, port, owner in addresses:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = os.strerror(errno.EADDRINUSE)
                raise OSError(f"cannot listen on {host}:{port} ({owner}): {reason}") from error
            raise OSError(f"cannot listen on {host}:{port} ({owner}): {error.strerror or error}") from error
