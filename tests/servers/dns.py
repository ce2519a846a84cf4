"""A real DNS server on loopback: dnsmasq, which answers from its command line and nothing else."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence

from tests.servers.ports import free_port


class DnsServer:
    """`records` are dnsmasq options, as `--mx-host=example.com,mail.example.com,10`."""

    def __init__(self, records: Sequence[str]) -> None:
        self.port = free_port()
        self._records = records
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]
        self._process = subprocess.Popen(
            ["/usr/sbin/dnsmasq", *options, f"--port={self.port}", "--listen-address=127.0.0.1", *self._records],
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < end, "dnsmasq does not come up"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
