"""A name has one meaning, and a function can be read at once."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")])
LONGEST_FUNCTION = 60

# Names that mean the same thing in each of their places.
SAME_THING = {
    "Settings": "the settings of each service",
    "BusInternals": "what parts of the embedded bus need of it, each its own share",
    "DeadLetters": "the dead letters of both buses",
    "DeliveryOwner": "the queue of a delivery in both buses",
    "IsolatedDispatcher": "the one-by-one dispatch of both buses",
    "MailboxTotals": "the totals of a mailbox, as store tells them and quota takes them",
    "NotFound": "status 404 as a refusal, of router and of store",
    "PreconditionFailed": "status 412 as a refusal, of router and of store",
}
# The services' wire models carry the names of the schemas that they read.
WIRE_MODELS = "libs/neighbours/"


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        name_of_file = str(path.relative_to(ROOT))
        if not name_of_file.startswith(WIRE_MODELS):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(name_of_file)
    several = {name: found for name, found in places.items() if len(found) > 1 and name not in SAME_THING}
    assert several == {}


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    """Functions inside a function are measured for themselves: those that declare routes hold several."""
    too_long = [
        f"{path.relative_to(ROOT)}: {node.name}, {length} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (length := _own_lines(node)) > LONGEST_FUNCTION
    ]
    assert too_long == []


def _own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - _nested_lines(function)


def _nested_lines(node: ast.AST) -> int:
    lines = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            assert child.end_lineno is not None
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            lines += child.end_lineno - first + 1
        else:
            lines += _nested_lines(child)
    return lines
