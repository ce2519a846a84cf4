"""A real Rspamd as a child process on free loopback ports, with Debian's rules and without any network look-up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tests.servers.ports import free_port

RSPAMD = "/usr/bin/rspamd"
UP_WITHIN = 60.0
DOWN_WITHIN = 10.0

# Modules that ask DNS or other servers; Redis is wanted by some of them.
_REMOTE = (
    *("rbl", "surbl", "fuzzy_check", "spf", "dkim", "dkim_signing", "arc", "dmarc", "asn", "phishing", "greylist"),
    *("ratelimit", "neural", "replies", "history_redis", "reputation", "url_redirector", "mx_check", "hfilter"),
    *("multimap", "whitelist", "http_headers", "bimi", "rspamd_update"),
)


class RspamdServer:
    """`start` and `close` block until the thing is done; `local` are files of local.d with their text.

    With `all_domains` it compiles the list of public suffixes at its first start in a directory, for half a minute.
    """

    def __init__(
        self, directory: Path, *, local: Mapping[str, str] | None = None, workers: int = 1, all_domains: bool = False
    ) -> None:
        self._directory = directory
        self._local = local or {}
        self._workers = workers
        self._all_domains = all_domains
        self.port = free_port()
        self.controller_port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "Rspamd is not running"
        return self._process.pid

    def start(self) -> None:
        """Up and judging. Raises `TimeoutError` with the end of its log."""
        self._write_files()
        variables = {"LOCAL_CONFDIR": "", "DBDIR": "db", "RUNDIR": "run", "LOGDIR": "log"}
        named = [f"--var={name}={self._directory / value}" for name, value in variables.items()]
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [RSPAMD, "-f", "--insecure", *named],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_WITHIN
        while not all(map(_answers, (self.port, self.controller_port))):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"Rspamd did not come up: {(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def pause(self) -> None:
        """Its workers neither answer nor close (SIGSTOP of the whole session)."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _write_files(self) -> None:
        for name in ("local.d", "override.d", "maps.d", "db", "run", "log"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        worker = f'bind_socket = "127.0.0.1:{self.port}";\ncount = {self._workers};\n'
        controller = f'bind_socket = "127.0.0.1:{self.controller_port}";\nsecure_ip = "127.0.0.1";\n'
        # Whoever would ask DNS all the same asks a port of ours where nobody listens.
        options = f'dns {{ nameserver = ["127.0.0.1:{free_port()}"]; timeout = 0.1s; retransmits = 1; }}\n'
        if not self._all_domains:
            (self._directory / "suffixes").write_text("com\nexample\nnet\norg\n")
            options += f'url_tld = "{self._directory}/suffixes";\n'
        files = {
            **{f"{module}.conf": "enabled = false;\n" for module in _REMOTE},
            "worker-normal.inc": worker,
            "worker-controller.inc": controller,
            "options.inc": options,
            "worker-proxy.inc": "enabled = false;\n",
            "logging.inc": 'type = "console";\n',
            **self._local,
        }
        for name, text in files.items():
            (self._directory / "local.d" / name).write_text(text)


def _answers(port: int) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
            return bool(answer.read().startswith(b"pong"))
    except OSError:
        return False
