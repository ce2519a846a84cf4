"""The documents name files that exist, and nothing of the machines or papers that they were made with."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import gettempdir

import pytest

from tools.reference import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/decisions").glob("*.md")])
OURS = re.compile(r"`((?:libs|services|tests|tools|docs|k8s)/[\w./-]*[\w/])`")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
ID = re.compile(r"\bR-(?:IN|AV|SPAM|RT|OUT|ST|AC|QT|AD|OPS)-\d")
# Paths of the machine on which the tests run, and folders beside the repository.
FOREIGN = re.compile("|".join([*map(re.escape, (f"{ROOT.parent}/", f"{gettempdir()}/")), r"\.\./shared|shared/design"]))
HISTORY = "CHANGELOG.md"
# Files that a reader makes, or that are written with a name to be filled in.
TO_BE_MADE = {
    "services/antispam/filters/urgent_subject.py",
    "tests/unit/services/antispam/filters/test_urgent_subject.py",
    "services/antivirus/adapters/eicar.py",
    "tests/unit/services/antivirus/adapters/test_eicar.py",
    "tests/unit/services/tally",
    "k8s/base/tally.yaml",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_what_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == HISTORY:
        return
    missing = [name for name in OURS.findall(text) if name not in TO_BE_MADE and not (ROOT / name).exists()]
    missing += [name for name in LINKS.findall(text) if not (page.parent / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_no_paper_outside_the_repository(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert FOREIGN.findall(text) == []
    assert page.name in ("requirements.md", HISTORY) or ID.findall(text) == []
