"""The rules for Prometheus speak of series that exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from libs.telemetry import Metrics
from services.antivirus.series import Series

ALERTS = Path(__file__).parents[3] / "k8s/observability/antivirus-alerts.yaml"


def test_every_series_in_an_alert_of_antivirus_is_one_of_its_own() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    page = Series.of(Metrics()).metrics.render().decode()
    named = {name for rule in group["rules"] for name in re.findall(r"facteur_\w+", rule["expr"])}
    assert len(named) == 3
    assert all(f"# TYPE {name} gauge" in page for name in named)
