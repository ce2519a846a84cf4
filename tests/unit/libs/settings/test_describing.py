"""Settings as `--help` shows them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from libs.settings import ServiceSettings, described


class Settings(ServiceSettings):
    patience: timedelta = Field(timedelta(minutes=2), description="Time before a message is given up.")
    names: tuple[str, ...] = Field((), description="Other names of the server.")


def test_own_settings_come_first_with_variable_default_and_sentence() -> None:
    text = described(Settings, "quota")
    lines = text.splitlines()
    assert lines[1:5] == [
        "  FACTEUR_QUOTA_PATIENCE (default: 120 s)",
        "      Time before a message is given up.",
        "  FACTEUR_QUOTA_NAMES (default: none)",
        "      Other names of the server.",
    ]
    assert text.index("FACTEUR_QUOTA_NAMES") < text.index("common settings") < text.index("  FACTEUR_PORT_BASE")
