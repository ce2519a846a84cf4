"""Metrics keep the conventions of Prometheus: the rules of `promtool check metrics`, read from the source.

Source of the rules: prometheus/client_golang, testutil/promlint, and prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KINDS = ("counter", "gauge", "histogram")
FAMILIES = {"CounterMetricFamily": "counter", "GaugeMetricFamily": "gauge", "HistogramMetricFamily": "histogram"}
BASE_UNITS = {"seconds", "bytes", "celsius", "meters", "grams", "joules", "volts", "amperes", "ratio"}
OTHER_UNITS = {
    "nanoseconds", "microseconds", "milliseconds", "minutes", "hours", "days", "weeks", "bits", "octets", "kilobytes",
    "megabytes", "gigabytes", "kibibytes", "mebibytes", "gibibytes", "percent",
}  # fmt: skip
ABBREVIATIONS = {"s", "ms", "us", "ns", "sec", "secs", "min", "mins", "hr", "hrs", "b", "kb", "mb", "gb", "kib", "mib"}
SUFFIXES = ("_bucket", "_count", "_sum", "_info")
UNKNOWN = "A text that is known only at run time."
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SENTENCE = re.compile(r"[A-Z0-9].*[.]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Metric:
    """One series as the source declares it; `name` has the suffix that the client library adds."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...]
    place: str


def declared() -> Iterator[Metric]:
    """Every metric whose name the product writes down."""
    for folder in ("services", "libs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            if "facteur_" in text:
                for node in ast.walk(ast.parse(text)):
                    if isinstance(node, ast.Call) and (metric := metric_of(node, path)) is not None:
                        yield metric


def metric_of(call: ast.Call, path: Path) -> Metric | None:
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    kind = FAMILIES.get(function, function)
    texts = [literal(argument) for argument in call.args]
    if kind not in KINDS or not texts or not texts[0].startswith("facteur_"):
        return None
    labels = call.args[2:3] + [keyword.value for keyword in call.keywords if keyword.arg == "labels"]
    names = (
        [literal(label) for label in labels[0].elts if not isinstance(label, ast.Starred)]
        if labels and isinstance(labels[0], ast.Tuple)
        else []
    )
    name = texts[0].removesuffix("_total") + "_total" if kind == "counter" else texts[0]
    place = f"{path.relative_to(ROOT)}:{call.lineno}"
    return Metric(kind, name, texts[1] if len(texts) > 1 and texts[1] else UNKNOWN, tuple(names), place)


def literal(node: ast.expr) -> str:
    """A text; the parts of an f-string that are known only at run time become `x`."""
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "x"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


METRICS = tuple(declared())


def problems(metric: Metric) -> Iterator[str]:
    words = metric.name.split("_")
    units = [word for word in words if word in BASE_UNITS]
    if not SNAKE_CASE.fullmatch(metric.name):
        yield "the name is not in snake_case"
    if not SENTENCE.fullmatch(metric.help):
        yield f"the help is no sentence: {metric.help!r}"
    if metric.kind != "counter" and "total" in words:
        yield "only counters end with _total"
    if metric.kind == "counter" and words.count("total") > 1:
        yield "_total stands at the end, once"
    if metric.name.endswith(SUFFIXES):
        yield "this suffix is reserved for the series of a histogram, or for an info metric"
    if set(words) & {*KINDS, "summary", "metric"}:
        yield "the name does not repeat the type"
    if wrong := set(words) & OTHER_UNITS:
        yield f"{wrong} is no base unit: seconds, bytes and ratios are"
    if wrong := set(words) & ABBREVIATIONS:
        yield f"{wrong} is an abbreviated unit"
    if units and words[-2 if metric.kind == "counter" else -1] != units[-1]:
        yield "the unit stands at the end of the name, before _total"
    if metric.kind == "histogram" and not units:
        yield "a histogram names the unit that it measures"
    for label in metric.labels:
        if not SNAKE_CASE.fullmatch(label) or label in ("le", "quantile"):
            yield f"the label {label!r} is reserved, or not in snake_case"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_keeps_the_conventions_of_prometheus(metric: Metric) -> None:
    assert list(problems(metric)) == [], metric.place


def test_a_name_stands_for_one_kind_and_one_set_of_labels() -> None:
    seen: dict[str, tuple[str, tuple[str, ...]]] = {}
    for metric in METRICS:
        meaning = (metric.kind, metric.labels)
        assert seen.setdefault(metric.name, meaning) == meaning, metric.place


def test_the_metrics_are_found() -> None:
    """Each service and the runner have some, so that the tests above test something."""
    places = {metric.place.rpartition("/")[0] for metric in METRICS}
    for folder in (
        "services/relay",
        "services/store",
        "services/ingress",
        "services/antivirus",
        "libs/runtime",
        "libs/telemetry",
    ):
        assert any(place.startswith(folder) for place in places), folder


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        (Metric("gauge", "facteur_open_total", "Open ones.", (), ""), "only counters"),
        (Metric("histogram", "facteur_wait_milliseconds", "Waits.", (), ""), "no base unit"),
        (Metric("counter", "facteur_seconds_spent_total", "Time.", (), ""), "at the end"),
        (Metric("gauge", "facteur_open", "open ones", (), ""), "no sentence"),
        (Metric("gauge", "facteur_openOnes", "Open ones.", (), ""), "snake_case"),
        (Metric("gauge", "facteur_wait_ms", "Waits.", (), ""), "abbreviated"),
        (Metric("counter", "facteur_counter_total", "Counts.", (), ""), "repeat the type"),
        (Metric("gauge", "facteur_open_count", "Open ones.", (), ""), "reserved"),
        (Metric("gauge", "facteur_open", "Open ones.", ("le",), ""), "label"),
    ],
)
def test_what_promtool_would_say_is_said(metric: Metric, problem: str) -> None:
    assert any(problem in found for found in problems(metric))
