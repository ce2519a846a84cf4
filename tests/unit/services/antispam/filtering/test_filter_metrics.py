"""What Prometheus reads about each filter."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from services.antispam.filtering.filter_metrics import FilterMetrics
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.message.report import hit
from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_context, a_view
from tests.specimens.steps import a_step


async def test_the_metrics_tell_runs_hits_and_errors_by_filter() -> None:
    chain = (a_step("bug", ValueError()), a_step("good", hit()))
    runner, registry = Runner(chain), CollectorRegistry()
    registry.register(FilterMetrics(runner))
    for _ in range(2):
        await runner.run(a_view(), a_context(), plan(chain, Policy()))
    page = generate_latest(registry).decode()
    for line in ('runs_total{filter="bug"} 2.0', 'errors_total{filter="bug"} 2.0', 'hits_total{filter="good"} 2.0'):
        assert f"facteur_antispam_filter_{line}" in page
