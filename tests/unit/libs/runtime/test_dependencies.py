"""Dependencies are shown as a metric, and logged when they are lost and restored."""

from __future__ import annotations

from structlog.testing import capture_logs

from libs.envelope import Temporary
from libs.runtime.dependencies import Dependencies
from libs.telemetry import Metrics


async def test_a_dependency_is_logged_once_when_it_is_lost_and_once_when_it_is_restored() -> None:
    up, metrics = True, Metrics()

    async def check() -> None:
        if not up:
            raise Temporary("no primary")

    dependencies = Dependencies({"database": check}, metrics)
    with capture_logs() as logs:
        for up in (True, False, False, True):
            await dependencies.update()
            assert f'facteur_dependency_up{{name="database"}} {float(up)}' in metrics.render().decode()
    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("dependency_lost", "no primary"),
        ("dependency_restored", None),
    ]
