"""The series of a service."""

from __future__ import annotations

import re

from libs.telemetry import Metrics


def test_the_common_series_have_the_names_that_dashboards_use() -> None:
    metrics = Metrics()
    metrics.handled.labels("mail.store", "done").inc()
    metrics.handle_seconds.labels("mail.store").observe(0.02)
    metrics.published.labels("mail.store").inc(3)
    metrics.in_flight.labels("mail.store").inc()
    metrics.step_seconds.labels("spf", "pass").observe(0.001)
    metrics.heard.labels("QuotaChanged", "done").inc()
    page = metrics.render().decode()
    for line in (
        'facteur_messages_handled_total{outcome="done",queue="mail.store"} 1.0',
        'facteur_message_handling_seconds_bucket{le="0.025",queue="mail.store"} 1.0',
        'facteur_message_handling_seconds_sum{queue="mail.store"} 0.02',
        'facteur_messages_published_total{queue="mail.store"} 3.0',
        'facteur_messages_in_flight{queue="mail.store"} 1.0',
        'facteur_step_duration_seconds_count{name="spf",outcome="pass"} 1.0',
        'facteur_events_handled_total{event="QuotaChanged",outcome="done"} 1.0',
    ):
        assert line in page.splitlines()
    assert "process_resident_memory_bytes" in page
    assert "_created" not in page  # a series more for each that nobody reads


def test_every_series_says_what_it_counts() -> None:
    page = Metrics().render().decode()
    described = re.findall(r"^# HELP (facteur_\w+) \w.*\.$", page, re.MULTILINE)
    assert sorted(described) == sorted(re.findall(r"^# TYPE (facteur_\w+) ", page, re.MULTILINE))


def test_services_in_one_process_do_not_share_series() -> None:
    first, second = Metrics(), Metrics()
    first.counter("facteur_own", "Own.").inc()
    second.counter("facteur_own", "Own.")
    assert b"facteur_own_total 1.0" in first.render()
    assert b"facteur_own_total 0.0" in second.render()
