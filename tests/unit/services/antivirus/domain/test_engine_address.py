"""Engines as they stand in the settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.antivirus.domain.engine_address import EngineAddress, names_of
from services.antivirus.settings import Settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("builtin", EngineAddress("builtin")),
        ("yara", EngineAddress("yara")),
        ("clamav:tcp://127.0.0.1:3310", EngineAddress("clamav", host="127.0.0.1", port=3310)),
        ("clamav:tcp://[::1]:3310", EngineAddress("clamav", host="::1", port=3310)),
        ("clamav:unix:/run/clamav/clamd.ctl", EngineAddress("clamav", path="/run/clamav/clamd.ctl")),
    ],
)
def test_an_address_is_read(text: str, address: EngineAddress) -> None:
    assert EngineAddress.read(text) == address


@pytest.mark.parametrize(
    "text", ["", "clamav", "clamav:", "clamav:tcp://host", "clamav:tcp://host:x", "clamav:unix:relative", "other:x"]
)
def test_a_wrong_address_ends_the_start_and_says_how_one_looks(text: str) -> None:
    with pytest.raises(ValidationError, match="expected builtin, yara, clamav:tcp"):
        Settings(engines=(text,))


def test_without_any_engine_nothing_starts() -> None:
    with pytest.raises(ValidationError):
        Settings(engines=())


def test_engines_of_a_kind_are_numbered() -> None:
    addresses = tuple(EngineAddress(kind) for kind in ("clamav", "builtin", "clamav", "clamav"))
    assert names_of(addresses) == ["clamav", "builtin", "clamav-2", "clamav-3"]
