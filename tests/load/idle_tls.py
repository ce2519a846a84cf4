"""Measures the memory that an idle TLS connection costs a listener of `libs.lineserver`.

    python -m tests.load.idle_tls [--connections 1000] [--loop uvloop]

The clients live in another process. The figure is the growth of the server's proportional set size (PSS) divided by
the connections. The product runs on uvloop; asyncio's own TLS layer reserves a read buffer of 256 KiB a connection.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import uvloop

from libs.lineserver import Connection, ConnectionLimits, Listener, ListenerOptions, PeerTimeout, Rejection
from libs.tls import Certificates
from services.ingress.adapters.self_signed import self_signed

LIMIT_KIB = 25.0
_CLIENT = """
import resource, socket, ssl, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
port, count = int(sys.argv[1]), int(sys.argv[2])
connections = []
for _ in range(count):
    peer = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    assert peer.recv(100) == b"ready\\r\\n"
    connections.append(peer)
print("open", flush=True)
sys.stdin.read()
"""


class _IdleSession:
    """Greets, then waits for a line that never comes, as an IMAP client in IDLE does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run(self) -> None:
        self._connection.write(b"ready\r\n")
        await self._connection.flush()
        try:
            await self._connection.reader.wait(self._connection.loop.time() + 3600)
        except PeerTimeout:
            return

    def stop(self) -> None:
        self._connection.reader.end()


class _IdleProtocol:
    """Accepts everyone (`LineProtocol`)."""

    def open_session(self, connection: Connection) -> _IdleSession:
        return _IdleSession(connection)

    def is_banned(self, address: str) -> bool:
        return False

    def rejection(self, reason: Rejection) -> bytes:
        return b""

    def count_connection(self, outcome: str) -> None:
        return

    def count_open(self, change: int) -> None:
        return


def memory_kib() -> int:
    """The PSS of this process, without what it shares with others."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the PSS")


async def _crowd(port: int, count: int) -> asyncio.subprocess.Process:
    """Start a process that opens the connections and keeps them until its input ends."""
    pipe = subprocess.PIPE
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CLIENT, str(port), str(count), stdin=pipe, stdout=pipe
    )
    assert client.stdout is not None
    assert await client.stdout.readline() == b"open\n"
    return client


async def _leave(client: asyncio.subprocess.Process) -> None:
    assert client.stdin is not None
    client.stdin.close()
    await client.wait()


async def measure(connections: int) -> float:
    """Return KiB a connection."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(self_signed(Path(folder), "localhost"))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = ListenerOptions(
            name="idle",
            addresses=("127.0.0.1",),
            port=port,
            header_timeout=60,
            handshake_timeout=60,
            write_timeout=60,
            implicit_tls=True,
        )
        limits = ConnectionLimits(limit=10**6, limit_per_peer=10**6)
        listener = Listener(options, _IdleProtocol(), limits, certificates)
        await listener.open()
        await _leave(await _crowd(port, 20))  # what is allocated once is not counted
        before = memory_kib()
        client = await _crowd(port, connections)
        used = memory_kib() - before
        assert len(listener) == connections
        await _leave(client)
        await listener.close(timedelta(seconds=10))
        return used / connections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    kib = run(measure(options.connections))
    print(f"{options.loop}, {ssl.OPENSSL_VERSION}: {kib:.1f} KiB an idle TLS connection of {options.connections}")
    sys.exit(kib > LIMIT_KIB if options.loop == "uvloop" else 0)


if __name__ == "__main__":
    main()
