"""The page of HTTP operations: method, path, summary and callers of each route, as the code declares them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.settings import API_PORTS
from services import SERVICES
from tools.reference.source import called, keyword, modules, table, text_of

HEAD = """# HTTP operations

Each service serves its OpenAPI document at `/openapi.json` and as pages at `/docs`: parameters, bodies, answers and
errors are there. Every request needs a bearer token (`Authorization: Bearer ...`), except `/healthz`, `/readyz`,
`/metrics` and the pages below `/public/`. Callers: `ADMIN` is the administrator's token, `APPLICATION` a program of the
operator, others are services by name ([operating.md](../operating.md) says where tokens are).
"""
OPEN = ("/healthz", "/readyz", "/metrics", "/public/")
UNKNOWN = "see `/docs`"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, order=True)
class Operation:
    """A route."""

    path: str
    method: str
    summary: str
    callers: str


def page(root: Path) -> str:
    """Return the page, by service and path."""
    parts = [HEAD, "## All services (dead letters: those that consume a queue)\n"]
    parts.append(_table(sorted(operations(root, "libs/"))))
    for service in SERVICES:
        found = sorted(operations(root, f"services/{service}/"))
        parts += [f"## {service} (port {API_PORTS[service]})\n", _table(found)]
    return "\n".join(parts)


def _table(found: list[Operation]) -> str:
    rows = [(each.method.upper(), f"`{each.path}`", each.summary, each.callers) for each in found]
    return table(("method", "path", "what it does", "callers"), rows) + "\n"


def operations(root: Path, below: str) -> Iterator[Operation]:
    """Yield the operations of the modules below a folder."""
    for place, tree in modules(root):
        if place.startswith(below):
            yield from _of(tree, {}, {})


def _of(tree: ast.AST, prefixes: dict[str, tuple[str, str]], names: dict[str, str]) -> Iterator[Operation]:
    """Walk one scope: routers and callers that are assigned in it are known to the scopes inside."""
    prefixes, names = dict(prefixes), dict(names)
    inner: list[ast.AST] = []
    for node in _own(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target, value = node.targets[0].id, node.value
            if isinstance(value, ast.Call) and called(value) == "APIRouter":
                prefixes[target] = text_of(keyword(value, "prefix")) or "", _callers(value, names)
            elif callers := _callers(value, names):
                names[target] = callers
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            targets, values = node.targets[0].elts, node.value.elts if isinstance(node.value, ast.Tuple) else []
            for each in [each for each in targets if isinstance(each, ast.Name)]:
                index = targets.index(each)
                names[each.id] = (_callers(values[index], names) if values else "") or UNKNOWN
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _decorated(node, prefixes, names)
            inner.append(node)
    for each in inner:
        yield from _of(each, prefixes, names)


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of the functions inside it."""
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def _decorated(
    function: ast.FunctionDef | ast.AsyncFunctionDef, prefixes: dict[str, tuple[str, str]], names: dict[str, str]
) -> Iterator[Operation]:
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            continue
        owner, method = decorator.func.value, decorator.func.attr
        if method in METHODS and isinstance(owner, ast.Name) and owner.id in prefixes and decorator.args:
            if ast.unparse(keyword(decorator, "include_in_schema") or ast.Constant(True)) == "False":
                continue
            prefix, callers = prefixes[owner.id]
            path = text_of(decorator.args[0])
            if path is None:  # a page for people, below /public/
                continue
            summary = text_of(keyword(decorator, "summary")) or _first(ast.get_docstring(function))
            found = _callers(decorator, names) or _callers(function.args, names) or callers
            unnamed = "everyone" if path.startswith(OPEN) else "`ADMIN`"
            yield Operation(prefix + path, method, summary, found or unnamed)


def _callers(tree: ast.AST, names: dict[str, str]) -> str:
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) == "require":
            found |= dict.fromkeys(_word(each) for each in node.args)
        if isinstance(node, ast.Name) and node.id in names:
            found |= dict.fromkeys(names[node.id].split(", "))
    return ", ".join(each for each in found if each)


def _word(node: ast.expr) -> str:
    return f"`{text_of(node) or ast.unparse(node).lstrip('*')}`"


def _first(text: str | None) -> str:
    return (text or "").split("\n\n")[0]
