"""The examples of CONTRIBUTING work: each is laid over a copy of the tree, and its tests are run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from libs.settings import load
from services import SERVICES
from tools.reference import ROOT

EXAMPLES = ROOT / "docs" / "examples"
# What an example and its tests need of the tree.
COPIED = ("libs", "services", "tests/specimens", "tests/servers", "tests/unit/architecture")

Edits = tuple[tuple[str, str, str], ...]
# (file, what stands there, what is to stand before it): the same edits as in CONTRIBUTING.md.
FILTER: Edits = (
    ("services/antispam/chain.py", "    uribl,\n", "    urgent_subject,\n"),
    (
        "services/antispam/chain.py",
        "    Step.of(shouting_subject,",
        "    # People write so, too.\n    Step.of(urgent_subject, Kind.SCORE, 0.5),\n",
    ),
)
ENGINE: Edits = (
    (
        "services/antivirus/domain/engine_address.py",
        '        if text == "yara":\n',
        '        if text == "eicar":\n            return cls("eicar")\n',
    ),
    ("services/antivirus/domain/engine_address.py", '"clamav"]\n', '"eicar", '),
    (
        "services/antivirus/app.py",
        '        case "yara":\n',
        '        case "eicar":\n            return EicarEngine(name)\n',
    ),
    (
        "services/antivirus/app.py",
        "from services.antivirus.adapters.fingerprints import",
        "from services.antivirus.adapters.eicar import EicarEngine\n",
    ),
)
SERVICE: Edits = (
    ("services/__init__.py", ")\nSERVICES", '    ServiceEntry("tally", 8008, "Counts relayed mail by domain."),\n'),
    ("libs/settings/service.py", "}\n\n\n_SECONDS", '    "tally": 8008,\n'),
    ("README.md", "\nEach has `/docs`", "| tally | 8008 | counts relayed mail by domain |\n"),
    ("pyproject.toml", '    "services.quota",\n', '    "services.tally",\n'),
    ("pyproject.toml", '"services.relay", "services.quota"]\nlayers', '"services.tally", '),
    ("pyproject.toml", '    "services.quota.domain",\n', '    "services.tally.domain",\n'),
)
CASES: dict[str, tuple[Edits, tuple[str, ...]]] = {
    "filter": (FILTER, ("tests/unit/services/antispam/filters",)),
    "engine": (ENGINE, ("tests/unit/services/antivirus",)),
    "service": (
        SERVICE,
        ("tests/unit/services/tally", "tests/unit/architecture/test_shape.py", "-k", "tally or table or explained"),
    ),
}


def scratch(folder: Path, example: str, edits: Edits) -> None:
    """Copy the tree, make the edits, lay the files of the example over it."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.eml"))
    for name in ("pyproject.toml", "README.md", "tests/conftest.py"):
        shutil.copy(ROOT / name, folder / name)
    for builders in (ROOT / "tests").glob("*.py"):
        shutil.copy(builders, folder / "tests")
    for name, stands, before in edits:
        path = folder / name
        text = path.read_text()
        assert text.count(stands) == 1, f"{name} has no single {stands!r}: correct the edit here and in CONTRIBUTING.md"
        path.write_text(text.replace(stands, before + stands))
    shutil.copytree(EXAMPLES / example, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.parametrize("example", CASES)
def test_an_example_works_in_a_copy_of_the_tree(tmp_path: Path, example: str) -> None:
    edits, targets = CASES[example]
    scratch(tmp_path, example, edits)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *targets]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"\b[1-9]\d* passed", done.stdout), done.stdout[-500:]


@pytest.mark.parametrize("service", SERVICES)
def test_the_example_of_settings_is_understood_by_every_service(service: str) -> None:
    module = __import__(f"services.{service}.app", fromlist=["Settings"])
    settings = load(module.Settings, service, {"FACTEUR_CONFIG": str(EXAMPLES / "cluster.toml")})
    assert settings.hostname == "mail.example.org"


def test_every_file_of_an_example_is_named_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for example in CASES:
        assert f"docs/examples/{example}" in text
