"""The command line of a service."""

from __future__ import annotations

import importlib
import sys

import pytest

from libs.runtime import main
from libs.settings import ServiceSettings
from services import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_help_shows_every_setting_and_starts_nothing(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"services.{service}", "--help"])
    app = importlib.import_module(f"services.{service}.app")
    with pytest.raises(SystemExit) as ended:
        main(app)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for name, field in app.Settings.model_fields.items():
        prefix = "FACTEUR_" if name in ServiceSettings.model_fields else f"FACTEUR_{service.upper()}_"
        assert f"  {prefix}{name.upper()}" in shown
        assert field.description in shown


def test_a_word_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["services.quota", "--halp"])
    with pytest.raises(SystemExit) as ended:
        main(importlib.import_module("services.quota.app"))
    assert ended.value.code == 2
    assert "unrecognized arguments: --halp" in capsys.readouterr().err
