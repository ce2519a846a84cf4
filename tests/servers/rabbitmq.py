"""A real RabbitMQ as a child process on free loopback ports, with its own cookie, node name and directory.

Debian's `/usr/lib/rabbitmq/bin/rabbitmq-server` is started directly, since the wrapper in `/usr/sbin` changes the user.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.ports import free_port

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
UP_WITHIN = 90.0
DOWN_WITHIN = 30.0


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class RabbitServer:
    """One node. `start` and the others block until the thing is done; `url` stays the same over restarts."""

    def __init__(self, directory: Path, *, port: int | None = None, config: Sequence[str] = ()) -> None:
        self.port = port or free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._directory = directory
        self._node = f"facteur{secrets.token_hex(4)}@localhost"
        self._config = [
            "loopback_users.guest = true",
            "log.console = false",
            "log.file.level = warning",
            *config,
        ]
        self._ports = {"dist": free_port(), "epmd": free_port()}
        self._process: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up and accepting connections. Raises `TimeoutError` with the end of its log."""
        self._write_files()
        if self._epmd is None:
            self._epmd = self._spawn(["epmd"])
            self._await_port(self._ports["epmd"])
        self._process = self._spawn([str(SCRIPTS / "rabbitmq-server")])
        self._await_port(self.port)

    def stop(self) -> None:
        """An orderly end of the node."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9` of the node."""
        self._end(signal.SIGKILL)

    def ensure_running(self) -> None:
        """For the next test, after one that stopped or killed it."""
        if self._process is None:
            self.start()

    def close(self) -> None:
        """End everything that this object started."""
        if self._process is not None:
            self.resume()
            self.kill()

    def pause(self) -> None:
        """The node neither answers nor closes its sockets (SIGSTOP), like a machine that lost its power."""
        self._signal(signal.SIGSTOP)
        # A thread that runs when the signal comes goes on for a moment.
        deadline = time.monotonic() + 10
        while not all(map(_is_stopped, self._threads())):
            if time.monotonic() > deadline:
                raise TimeoutError("the node does not stop")
            time.sleep(0.01)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` with these arguments prints. Raises `RuntimeError` if it fails."""
        command = [str(SCRIPTS / "rabbitmqctl"), "--quiet", "--node", self._node, *arguments]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, timeout=60, check=False, cwd=self._directory
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def raise_memory_alarm(self) -> None:
        self.control("set_vm_memory_high_watermark", "0.0000001")

    def clear_memory_alarm(self) -> None:
        self.control("set_vm_memory_high_watermark", "0.8")

    def _environment(self) -> dict[str, str]:
        here = self._directory
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(here),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            # One scheduler that does not spin keeps the node calm beside others on few cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
            "RABBITMQ_SERVER_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _write_files(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        cookie = self._directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)
        (self._directory / "enabled_plugins").write_text("[].\n")
        (self._directory / "rabbitmq.conf").write_text("\n".join([*self._config, ""]))

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._directory / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _await_port(self, port: int) -> None:
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            if _answers(port):
                return
            time.sleep(0.05)
        raise TimeoutError(f"RabbitMQ did not come up: {(self._directory / 'output').read_text()[-2000:]}")

    def _threads(self) -> list[Path]:
        """The directories of all threads of the group in procfs (proc(5))."""
        assert self._process is not None, "the server is not running"
        found: list[Path] = []
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getpgid(int(directory.name)) == self._process.pid:
                    found += (directory / "task").iterdir()
        return found

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        # The node is a group of processes: a shell, the virtual machine and its port programs.
        os.killpg(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        try:
            self._process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process = None
        # The shell in front may be gone before the virtual machine behind it.
        deadline = time.monotonic() + DOWN_WITHIN
        while _answers(self.port) or _answers(self._ports["dist"]):
            if time.monotonic() > deadline:
                raise TimeoutError("RabbitMQ did not end")
            time.sleep(0.01)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None


def _is_stopped(thread: Path) -> bool:
    """The state is the field behind the name in parentheses (proc(5))."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] in "TZ"
    except OSError:  # it has ended
        return True
