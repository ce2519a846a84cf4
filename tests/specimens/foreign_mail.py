"""Messages that other mail systems test themselves with: those beside this file, and all of them where they lie beside
the checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent / "foreign-mail"
_ALL = Path(__file__).parents[3] / "shared/testdata/foreign-mail"

FOREIGN: dict[str, bytes] = {
    path.name: path.read_bytes() for path in sorted((_ALL if _ALL.is_dir() else _HERE).glob("*.eml"))
}
