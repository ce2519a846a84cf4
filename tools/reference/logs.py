"""The page of log events: each name that the code logs, with its level and its service."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tools.reference.source import called, modules, table, text_of

HEAD = """# Log events

One JSON line each: `event` is the name below, then its fields, the id of the message where there is one (`id`), the
service, the time, and the ids of the trace. `FACTEUR_LOG_LEVEL` sets the least level that is written.
"""

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


def page(root: Path) -> str:
    """Return the page, by name."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    fields: dict[tuple[str, str], set[str]] = defaultdict(set)
    for place, tree in modules(root):
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _is_log(call):
                name = text_of(call.args[0]) or ""
                key = name, _level(called(call))
                found[key].add(_owner(place))
                fields[key] |= {each.arg for each in call.keywords if each.arg and each.arg != "exc_info"}
    rows = [
        (
            f"`{name}`",
            level,
            ", ".join(f"`{field}`" for field in sorted(fields[name, level])),
            ", ".join(sorted(owners)),
        )
        for (name, level), owners in sorted(found.items())
    ]
    return f"{HEAD}\n{table(('event', 'level', 'fields', 'service'), rows)}\n"


def _is_log(call: ast.Call) -> bool:
    name = text_of(call.args[0]) if call.args else None
    on_a_logger = isinstance(call.func, ast.Attribute) and "log" in ast.unparse(call.func.value).lower()
    return on_a_logger and called(call) in LEVELS and name is not None and name.replace("_", "").isalnum()


def _level(method: str) -> str:
    return "error" if method == "exception" else method


def _owner(place: str) -> str:
    first, second = place.split("/")[:2]
    return second if first == "services" else "all"
