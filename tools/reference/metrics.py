"""The page of metrics: each series that the code declares, with its kind, its labels and its help text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.reference.source import called, keyword, modules, table, text_of

HEAD = """# Metrics

`GET /metrics` of each service, in the text format of Prometheus. In one process each service has a registry of its own.
Besides these there are the `process_*` series of the Prometheus client. What to watch and what to do is in
[operating.md](../operating.md); alerting rules are in `k8s/observability`.
"""

KINDS = {
    "counter": "counter",
    "CounterMetricFamily": "counter",
    "gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "histogram": "histogram",
    "HistogramMetricFamily": "histogram",
}


@dataclass(frozen=True, order=True)
class Series:
    """A series as it is declared."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    place: str


def page(root: Path) -> str:
    """Return the page, by name."""
    rows = [
        (f"`{each.name}`", each.kind, ", ".join(f"`{label}`" for label in each.labels), each.help, _owner(each.place))
        for each in sorted(set(declared(root)))
    ]
    return f"{HEAD}\n{table(('series', 'kind', 'labels', 'what it counts', 'service'), rows)}\n"


def declared(root: Path) -> Iterator[Series]:
    """Yield every series that libs and services declare."""
    for place, tree in modules(root):
        tuples = _tuples(tree)
        loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            kind = KINDS.get(called(call))
            if kind is None or not call.args:
                continue
            labels = _labels(call, tuples)
            for name, text in _names(call, loops):
                if name.startswith("facteur_"):
                    total = "_total" if kind == "counter" and not name.endswith("_total") else ""
                    yield Series(name + total, kind, labels, text, place)


def _names(call: ast.Call, loops: list[ast.For]) -> Iterator[tuple[str, str]]:
    name = text_of(call.args[0])
    text = text_of(call.args[1]) if len(call.args) > 1 else text_of(keyword(call, "text"))
    if name is not None:
        yield name, text or ""
        return
    loop = next((each for each in loops if any(node is call for node in ast.walk(each))), None)
    if loop is None or not isinstance(loop.iter, ast.Tuple | ast.List) or not isinstance(loop.target, ast.Tuple):
        return
    variables = [each.id for each in loop.target.elts if isinstance(each, ast.Name)]
    for item in loop.iter.elts:
        if isinstance(item, ast.Tuple):
            values = dict(zip(variables, (text_of(each) or "" for each in item.elts), strict=False))
            second = call.args[1] if len(call.args) > 1 else None
            yield _filled(call.args[0], values), _filled(second, values)


def _filled(node: ast.expr | None, values: dict[str, str]) -> str:
    """Return an f-string, or a variable, with the values of one round of its loop."""
    match node:
        case ast.JoinedStr(values=parts):
            return "".join(_filled(each, values) for each in parts)
        case ast.FormattedValue(value=inner):
            return _filled(inner, values)
        case ast.Name(id=name):
            return values.get(name, "")
    return text_of(node) or ""


def _tuples(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Tuple):
            found[node.targets[0].id] = tuple(text for each in node.value.elts if (text := text_of(each)))
    return found


def _labels(call: ast.Call, tuples: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    node = keyword(call, "labels") or (call.args[2] if len(call.args) > 2 else None)
    if isinstance(node, ast.Name):
        return tuples.get(node.id, ())
    labels: list[str] = []
    for each in node.elts if isinstance(node, ast.Tuple | ast.List) else ():
        if isinstance(each, ast.Starred) and isinstance(each.value, ast.Name):
            labels += tuples.get(each.value.id, ())
        elif (text := text_of(each)) is not None:
            labels.append(text)
    return tuple(labels)


def _owner(place: str) -> str:
    first, second = place.split("/")[:2]
    return second if first == "services" else "all"
