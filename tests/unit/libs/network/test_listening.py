"""Listening on several addresses of both families."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from libs.network import bound


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_both_families_listen_on_one_port() -> None:
    sockets = bound(("127.0.0.1", "::1", "127.0.0.2"), a_free_port())
    assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1", "::1", "127.0.0.2"]
    for each in sockets:
        each.close()


def test_when_one_address_cannot_be_had_none_is_kept() -> None:
    port = a_free_port()
    with (
        socket.create_server(("127.0.0.2", port)),
        pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.2:{port}: Address already in use"),
    ):
        bound(("127.0.0.1", "127.0.0.2"), port)
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    ("addresses", "kept"), [(("127.0.0.1", "::"), 1), (("::",), None), (("127.0.0.1", "::1"), None)]
)
def test_a_machine_without_ipv6_serves_a_default_that_names_both_families(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], kept: int | None
) -> None:
    real = socket.create_server

    def without_ipv6(address: Any, **options: Any) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(address, **options)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    if kept is None:
        with pytest.raises(OSError, match="cannot listen on ::"):
            bound(addresses, a_free_port())
        return
    sockets = bound(addresses, a_free_port())
    assert len(sockets) == kept
    for each in sockets:
        each.close()
