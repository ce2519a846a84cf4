"""Reads the source tree: modules as syntax trees, constants, table rows in Markdown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=2048)
def tree_of(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of libs and services with its path in the repository, in order."""
    for path in sorted([*(root / "libs").rglob("*.py"), *(root / "services").rglob("*.py")]):
        yield path.relative_to(root).as_posix(), tree_of(path)


def text_of(node: ast.expr | None) -> str | None:
    """Return the value of a string literal, also of one whose parts are joined by `+` or by juxtaposition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return None if left is None or right is None else left + right
    return None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the keyword argument `name` of a call."""
    return next((each.value for each in call.keywords if each.arg == name), None)


def called(call: ast.Call) -> str:
    """Return the last name of what is called: `metrics.counter(...)` gives `counter`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def row(*cells: str) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(_cell(each) for each in cells) + " |"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join([row(*heads), row(*["---"] * len(heads)), *(row(*each) for each in rows)])


def sentence(text: str | None) -> str:
    """Return the text of a docstring as one line."""
    return re.sub(r"\s+", " ", text or "").strip()


def _cell(text: str) -> str:
    return sentence(text).replace("|", r"\|")
