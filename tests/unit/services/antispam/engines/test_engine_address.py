"""The addresses of spamd."""

from __future__ import annotations

import pytest

from services.antispam.engines.engine_address import EngineAddress


def test_addresses_of_spamd() -> None:
    assert EngineAddress.parse("tcp://[::1]:783") == EngineAddress(host="::1", port=783)
    assert EngineAddress.parse("unix:/run/spamd.sock") == EngineAddress(path="/run/spamd.sock")
    for wrong in ("http://localhost:783", "tcp://localhost", "tcp://localhost:783/path", "/run/spamd.sock"):
        with pytest.raises(ValueError, match="neither tcp"):
            EngineAddress.parse(wrong)
