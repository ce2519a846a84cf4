"""Secrets that a process makes for itself."""

from __future__ import annotations

import stat
from pathlib import Path

from libs.runtime.shared import make_secret


def test_a_secret_is_readable_by_its_owner_only_and_an_existing_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens" / "ingress"
    make_secret(path)
    first = path.read_text()
    assert len(first.strip()) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    make_secret(path)
    assert path.read_text() == first
    assert [each.name for each in path.parent.iterdir()] == ["ingress"]
