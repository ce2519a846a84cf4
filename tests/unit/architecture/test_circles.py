"""Modules depend on each other in one direction: no circle of imports, not even one that a guard hides."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("libs", "services")


def test_no_circle_of_imports_exists() -> None:
    """Imports under `TYPE_CHECKING` and inside functions count: they are the ones that hide a circle."""
    circles = [sorted(component) for component in components(import_graph()) if len(component) > 1]
    assert not circles, "these modules import each other:\n" + "\n".join("  " + " <-> ".join(each) for each in circles)


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert sorted(map(sorted, components(graph))) == [["a"], ["b", "c"], ["d"]]


def import_graph() -> dict[str, set[str]]:
    """The modules of this project that each module imports, the packages above itself and the target left out.

    The `__init__` of a package runs before its modules, so importing a package from below is not counted either.
    """
    paths = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    modules = {_name(path): path for path in paths}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = set(_imported(ast.parse(path.read_text())))
        graph[module] = {found for name in names if (found := _module(name, modules)) is not None} - {module}
    return graph


def components(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """The strongly connected components (Kosaraju), each module in exactly one of them."""
    order: list[str] = []
    seen: set[str] = set()
    for module in graph:
        _visit(module, graph, seen, order)
    reverse: dict[str, list[str]] = {module: [] for module in graph}
    for module, targets in graph.items():
        for target in targets:
            reverse[target].append(module)
    found: list[set[str]] = []
    seen = set()
    for module in reversed(order):
        if module not in seen:
            component: list[str] = []
            _visit(module, reverse, seen, component)
            found.append(set(component))
    return found


def _visit(start: str, graph: Mapping[str, Iterable[str]], seen: set[str], order: list[str]) -> None:
    """Append every module that is reachable and not seen yet to `order`, after those that it reaches."""
    stack = [(start, iter(graph[start]))] if start not in seen else []
    seen.add(start)
    while stack:
        module, targets = stack[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(graph[target])))
                break
        else:
            order.append(module)
            stack.pop()


def _imported(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(name: str, modules: Mapping[str, Path]) -> str | None:
    """The module that an imported name is, or stands in."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules else None


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
