"""A process with few file descriptors, and strangers who want them all."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.servers.facteur import ACCOUNTS, Facteur

pytestmark = pytest.mark.timeout(300)

IDLE = 1100
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def facteur(tmp_path: Path) -> Iterator[Facteur]:
    facteur = Facteur(tmp_path, processes=[()], environ={}, descriptors=1024)
    facteur.start()
    yield facteur
    facteur.close()


def test_idle_http_connections_keep_no_mail_out(facteur: Facteur) -> None:
    connections: list[socket.socket] = []
    with ExitStack() as stack:
        for number in range(IDLE):
            service = ("ingress", "router", "store")[number % 3]
            port = int(facteur.url(service).rpartition(":")[2])
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            connection.sendall(REQUEST)
            connections.append(connection)
        for connection in connections:  # answered or closed: from now on they are idle
            with suppress(ConnectionResetError):
                connection.recv(1)
        for number in range(20):
            with smtplib.SMTP("127.0.0.1", facteur.port("mx"), timeout=20) as smtp:
                content = f"From: a@example.net\r\nTo: {ACCOUNTS[0]}\r\nSubject: n{number}\r\n\r\nBonjour\r\n"
                smtp.sendmail("a@example.net", [ACCOUNTS[0]], content)
        facteur.wait_for_message(ACCOUNTS[0], "n19")
        metrics = facteur.call("GET", "ingress", "/metrics").text
    assert 'facteur_http_connections_closed_total{reason="idle"}' in metrics
    assert "http_connection_closed" in facteur.log()
    assert "Too many open files" not in facteur.log()
