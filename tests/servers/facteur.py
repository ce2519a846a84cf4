"""Facteur itself as its users run it: one embedded process, or a process a service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from libs.mongo.opening import EMBEDDED_PORT
from libs.settings import API_PORTS
from services import SERVICES
from tests.servers.ports import free_base
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
LISTENERS = {"mx": 2525, "submission": 2587, "submissions": 2465}
ACCOUNTS = ("jean.toto@example.org", "marie.dupont@example.org")


class Facteur:
    """A running product in `directory`. `processes` are the groups of services, a process each.

    `descriptors` is the hard limit of open files of each.
    """

    def __init__(
        self,
        directory: Path,
        *,
        processes: Iterable[tuple[str, ...]],
        environ: Mapping[str, str],
        descriptors: int | None = None,
    ) -> None:
        self.directory = directory
        self.port_base = free_port_base()
        self._groups = tuple(processes)
        self._environ = dict(environ)
        self._limited = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}:{descriptors}"]
        self._running: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}
        self._http = httpx.Client(timeout=30, trust_env=False)
        self.before_close: list[Callable[[], None]] = []  # what else ends with it: the peers

    def start(self, *services: str, deadline: float = 90) -> None:
        """Start all processes, or those of `services`, and wait until everything that runs is ready."""
        for group in self._groups:
            if not services or set(services) & set(group):
                self._running[group] = self._spawn(group)
        self.wait_ready(deadline=deadline)

    def wait_ready(self, *, deadline: float = 90) -> None:
        for group, process in self._running.items():
            for service in group or SERVICES:

                def ready(service: str = service, process: subprocess.Popen[bytes] = process) -> bool:
                    assert process.poll() is None, f"{service} ended: {self.log()[-3000:]}"
                    return self._answers(service)

                def said(service: str = service) -> str:
                    return f"{service} ready: {self.log()[-3000:]}"

                wait_for(ready, deadline=deadline, what=said)
        if () in self._running:
            wait_for((self.directory / "var/demo-passwords").exists, deadline=deadline, what="the demonstration")

    def missing(self, service: str) -> dict[str, str]:
        """What `service` needs and misses."""
        found: dict[str, str] = self.call("GET", service, "/readyz?verbose").json()["missing"]
        return found

    def pid(self, service: str) -> int:
        return self._process(service).pid

    def kill(self, *services: str) -> None:
        """kill -9 of all processes, or of those of `services`."""
        self._end(signal.SIGKILL, services)

    def stop(self, *services: str) -> None:
        """SIGTERM, and wait."""
        self._end(signal.SIGTERM, services)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{API_PORTS[service] + self.port_base}"

    def port(self, listener: str) -> int:
        return LISTENERS[listener] + self.port_base

    def call(self, method: str, service: str, path: str, **options: Any) -> httpx.Response:
        """As the administrator."""
        token = (self.directory / "var/admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return self._http.request(method, self.url(service) + path, headers=headers, **options)

    def get(self, service: str, path: str, **params: Any) -> Any:
        response = self.call("GET", service, path, params=params)
        response.raise_for_status()
        return response.json()

    def post(self, service: str, path: str, body: Any) -> Any:
        response = self.call("POST", service, path, json=body)
        assert response.is_success, response.text
        return response.json()

    def messages(self, address: str, folder: str = "INBOX") -> list[dict[str, Any]]:
        """All of them, page by page."""
        items: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            params = {"folder": folder, "limit": 200, **({"after": after} if after else {})}
            response = self.call("GET", "store", f"/v1/mailboxes/{address}/messages", params=params)
            if response.status_code == 404:
                return items
            response.raise_for_status()
            page = response.json()
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def raw(self, address: str, id: str) -> bytes:
        response = self.call("GET", "store", f"/v1/mailboxes/{address}/messages/{id}/raw")
        response.raise_for_status()
        return response.content

    def wait_for_message(
        self, address: str, subject: str, *, folder: str = "INBOX", deadline: float = 30
    ) -> dict[str, Any]:
        """The message with `subject`, once it is there."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [item for item in self.messages(address, folder) if item["subject"] == subject]
            return bool(found)

        wait_for(there, deadline=deadline, what=lambda: f"{subject!r} in {folder} of {address}: {self.log()[-3000:]}")
        return found[0]

    def password(self, address: str) -> str:
        lines = (self.directory / "var/demo-passwords").read_text().splitlines()
        return dict(line.split() for line in lines)[address]

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))

    def close(self) -> None:
        for end in self.before_close:
            end()
        self.stop()
        self._http.close()

    def _spawn(self, group: tuple[str, ...]) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{'-'.join(group) or 'all'}.log").open("ab")
        arguments = [f"services.{group[0]}"] if len(group) == 1 else ["services", *group]
        ours = ("FACTEUR_", "PYTHONDONTWRITEBYTECODE")  # compiled once, a process starts in a third of the time
        environ = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        environ |= {"PYTHONPATH": str(ROOT), "FACTEUR_PORT_BASE": str(self.port_base)}
        environ["FACTEUR_RELAY_PRIVATE_DESTINATIONS"] = '["127.0.0.0/8"]'  # the other servers of the tests
        environ |= self._environ
        return subprocess.Popen(
            [*self._limited, sys.executable, "-m", *arguments],
            cwd=self.directory,
            env=environ,
            stdout=log,
            stderr=log,
        )

    def _process(self, service: str) -> subprocess.Popen[bytes]:
        return next(process for group, process in self._running.items() if not group or service in group)

    def _end(self, number: signal.Signals, services: tuple[str, ...]) -> None:
        chosen = [group for group in self._running if not services or not group or set(services) & set(group)]
        for group in chosen:
            self._running[group].send_signal(number)
        for group in chosen:
            try:
                self._running.pop(group).wait(60)
            except subprocess.TimeoutExpired as error:
                raise AssertionError(f"{group} does not end: {self.log()[-3000:]}") from error

    def _answers(self, service: str) -> bool:
        """And so does all that it needs."""
        try:
            response = self._http.get(self.url(service) + "/readyz?verbose")
            return response.status_code == 200 and "down" not in response.json()["dependencies"].values()
        except httpx.TransportError:
            return False


def free_port_base() -> int:
    """A base at which all ports of an instance are free."""
    return free_base([*LISTENERS.values(), *API_PORTS.values(), EMBEDDED_PORT])
