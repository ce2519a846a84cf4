"""Who may import whom: the contracts are in pyproject.toml, [tool.importlinter]."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from services import SERVICES
from tests.unit.architecture.test_shape import SUBJECTS

ROOT = Path(__file__).parents[3]
# Slices that are clients of HTTP servers.
ASK_OVER_HTTP = ("engines",)


def test_the_walls_stand() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_walls_know_every_service_and_every_library() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_name = {contract["name"]: contract for contract in contracts}
    assert set(by_name["services are independent of each other"]["modules"]) == {f"services.{s}" for s in SERVICES}
    libs = {f"libs.{path.parent.name}" for path in (ROOT / "libs").glob("*/__init__.py")}
    layers = {name.strip() for layer in by_name["libs in their order"]["layers"] for name in layer.split("|")}
    assert layers == libs
    domains = set(by_name["no framework or driver in a domain"]["source_modules"])
    for service in SERVICES:
        parts = [part for part in SUBJECTS.get(service, ("domain",)) if part not in ASK_OVER_HTTP]
        assert {f"services.{service}.{part}" for part in parts} <= domains
    for driver, owner in (("MongoDB", "libs.mongo"), ("RabbitMQ", "libs.bus"), ("DNS", "libs.dns")):
        walled = set(by_name[f"the driver of {driver} is behind {owner}"]["source_modules"])
        assert walled == {"services", *libs} - {owner}
