"""The rules for Prometheus speak of series that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from libs.runtime.dead_letter_reports import DeadLetterReports
from libs.runtime.dependencies import Dependencies
from libs.runtime.queue_depths import QueueDepths
from libs.runtime.watchdog import Watchdog
from libs.telemetry import Metrics
from services.antivirus.metrics import AntivirusMetrics
from services.relay.domain.reporting import ReportTarget
from services.relay.report_sender import ReportSender

ALERTS = Path(__file__).parents[3] / "k8s/observability"


def of_the_runner() -> Metrics:
    metrics = Metrics()
    Dependencies({}, metrics)
    Watchdog([metrics])
    return metrics


def of_the_queues() -> Metrics:
    metrics = Metrics()
    nothing = cast(Any, None)
    QueueDepths(nothing, (), metrics)
    DeadLetterReports(nothing, nothing, metrics)
    return metrics


def of_relay() -> Metrics:
    metrics, nothing = Metrics(), cast(Any, None)
    ReportSender(
        queue=nothing, bodies=nothing, blobs=nothing, reporter=nothing, dead_letters=nothing, give_up_after=nothing,
        metrics=metrics, clock=nothing, emit=nothing,
    )  # fmt: skip
    return metrics


PAGES = {
    "queue": of_the_queues,
    "antivirus": lambda: AntivirusMetrics.of(Metrics()).metrics,
    "runtime": of_the_runner,
    "relay": of_relay,
}


@pytest.mark.parametrize("name", PAGES)
def test_every_series_in_an_alert_is_one_that_the_product_has(name: str) -> None:
    (group,) = yaml.safe_load((ALERTS / f"{name}-alerts.yaml").read_text())["groups"]
    page = PAGES[name]().render().decode()
    named = {series for rule in group["rules"] for series in re.findall(r"facteur_\w+", rule["expr"])}
    assert named
    assert {series for series in named if f"# TYPE {series} " not in page} == set()


def test_every_file_of_alerts_is_looked_at() -> None:
    assert {path.name for path in ALERTS.glob("*-alerts.yaml")} == {f"{name}-alerts.yaml" for name in PAGES}


def test_the_alert_of_relay_names_the_way_of_dead_letters_as_it_is_counted() -> None:
    text = (ALERTS / "relay-alerts.yaml").read_text()
    assert set(re.findall(r'target="([^"]*)"', text)) == {ReportTarget.DEAD_LETTER.value}
    assert 'facteur_relay_notifications_total{outcome="sent",target="dead letter"} 0.0' in of_relay().render().decode()
