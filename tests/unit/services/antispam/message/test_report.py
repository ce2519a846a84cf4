"""Reports of filters: a reason is one short printable line."""

from services.antispam.message.report import hit


def test_a_reason_quotes_strangers_in_one_short_printable_line() -> None:
    report = hit("from \r\nX-Spam: no\x00" + "x" * 300, 0.5, rules=["a"])
    assert report.reason.isprintable()
    assert report.reason.startswith("from ??X-Spam: no?")
    assert len(report.reason) == 200
    assert (report.outcome, report.strength, report.rules) == ("hit", 0.5, ("a",))
