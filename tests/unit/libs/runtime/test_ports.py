"""A port in use is found before anything is opened."""

from __future__ import annotations

import socket

import pytest

from libs.runtime.ports import check_ports_free


def test_the_error_names_the_port_and_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(quota\): "):
            check_ports_free([("127.0.0.1", port, "quota")])
    check_ports_free([("127.0.0.1", port, "quota")])


def test_an_address_that_the_machine_does_not_have_is_told_too() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0 \(router\)"):
        check_ports_free([("192.0.2.1", 0, "router")])
