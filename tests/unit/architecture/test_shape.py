"""The shape that all services share: who knows one knows all of them."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from libs.settings import API_PORTS, ServiceSettings
from services import SERVICES, TABLE

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")])

# A file, or a package of the same name where it outgrew one.
PARTS = ("__init__", "__main__", "app", "settings", "handlers", "api")
LAYERS = ("domain", "ports", "adapters")
# The large services are cut by subject; each subject holds its own rules and its own storage.
SUBJECTS = {
    "antispam": ("message", "filtering", "policy", "learning", "reputation", "feedback", "images", "engines"),
    "store": ("mailboxes", "quarantine"),
}
LONGEST = 300


def has(service: str, part: str) -> bool:
    folder = ROOT / "services" / service
    return (folder / f"{part}.py").is_file() or (folder / part / "__init__.py").is_file()


def test_the_services_of_the_table_are_those_that_there_are() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}
    assert set(SERVICES) == folders
    assert {entry.name: entry.port for entry in TABLE} == API_PORTS


def test_the_table_of_services_is_in_the_order_of_their_ports_with_a_sentence_each() -> None:
    assert sorted(TABLE, key=lambda entry: entry.port) == list(TABLE)
    assert [entry.name for entry in TABLE if not re.fullmatch(r"[A-Z].{20,}\.", entry.sentence)] == []


def test_the_readme_shows_the_table_of_services() -> None:
    rows = re.findall(r"^\| (\w+) \| (\d{4})\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(entry.name, str(entry.port)) for entry in TABLE]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_parts_of_a_service(service: str) -> None:
    parts = (*PARTS, *SUBJECTS.get(service, LAYERS))
    assert [part for part in parts if not has(service, part)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_entry_point_is_the_same_three_lines(service: str) -> None:
    text = (ROOT / "services" / service / "__main__.py").read_text()
    assert text == f"from libs.runtime import main\nfrom services.{service} import app\n\nmain(app)\n"


@pytest.mark.parametrize("service", SERVICES)
def test_a_composition_root_has_the_face_that_the_runner_reads(service: str) -> None:
    app: ModuleType = importlib.import_module(f"services.{service}.app")
    assert service == app.NAME
    assert issubclass(app.Settings, ServiceSettings)
    assert callable(app.build)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_promises_in_words_what_it_does_and_how_it_fails(service: str) -> None:
    text = importlib.import_module(f"services.{service}").__doc__ or ""
    assert text.startswith(f"{service}: ")
    promised = re.findall(r"^(Consumes|Emits|Owns|Fails) {2,}\S", text, re.MULTILINE)
    assert promised == ["Consumes", "Emits", "Owns", "Fails"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_explained_by_a_sentence(service: str) -> None:
    fields = importlib.import_module(f"services.{service}.app").Settings.model_fields
    unexplained = {
        name: field.description
        for name, field in fields.items()
        if not re.fullmatch(r"[A-Z0-9].{10,}\.", field.description or "")
    }
    assert unexplained == {}


@pytest.mark.parametrize("service", SERVICES)
def test_settings_never_change_and_know_no_others(service: str) -> None:
    config = importlib.import_module(f"services.{service}.app").Settings.model_config
    assert config["frozen"]
    assert config["extra"] == "forbid"


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    mute = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name != "__main__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert mute == []


EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "base", "data", "misc"}
# SMTP has a command of this name.
NAMED_SO_BY_AN_RFC = {"services/ingress/smtp/data.py"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    paths = {str(path.relative_to(ROOT)): {*path.relative_to(ROOT).parts, path.stem} for path in SOURCES}
    assert {path for path, names in paths.items() if names & EMPTY_NAMES} <= NAMED_SO_BY_AN_RFC


# The words that this test forbids in all other files; nothing is left over in this one.
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError|breakpoint\(|pytest\.skip|xfail|mark\.skip)")


def test_nothing_was_left_for_later() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (*SOURCES, *(ROOT / "tests").rglob("*.py"))
        if path != Path(__file__)
        for line in path.read_text().splitlines()
        if LEFT_OVER.search(line)
    ]
    assert found == []


CATCHES_ALL = re.compile(r"^\s*except( BaseException)?\s*:|suppress\((Base)?Exception\)")


def test_no_error_is_swallowed_unseen() -> None:
    """`except:` and `suppress(Exception)` name nothing: lost mail begins there."""
    found = []
    for path in SOURCES:
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if CATCHES_ALL.search(line) and not _raises_again(lines, number):
                found.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert found == []


def _raises_again(lines: list[str], number: int) -> bool:
    """Whether the block of the `except` in this line ends with `raise`: cleaning up before it is fine."""
    depth = len(lines[number]) - len(lines[number].lstrip())
    block = []
    for line in lines[number + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        block.append(line.strip())
    return "raise" in block
