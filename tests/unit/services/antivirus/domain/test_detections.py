"""Detections are safe to log and to show."""

from services.antivirus.domain.detections import MAX_NAME, DetectionKind, detection


def test_a_name_from_a_stranger_becomes_printable_and_short() -> None:
    made = detection(DetectionKind.MACRO, "evil\r\nname", "", "x" * 500)
    assert made.name.startswith("evil??name x")
    assert len(made.name) == MAX_NAME
