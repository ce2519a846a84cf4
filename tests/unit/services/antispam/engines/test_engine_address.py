"""The addresses of spamd."""

from __future__ import annotations

import pytest

from services.antispam.engines.engine_address import SpamdAddress


def test_addresses_of_spamd() -> None:
    assert SpamdAddress.parse("tcp://[::1]:783") == SpamdAddress(host="::1", port=783)
    assert SpamdAddress.parse("unix:/run/spamd.sock") == SpamdAddress(path="/run/spamd.sock")
    for wrong in ("http://localhost:783", "tcp://localhost", "tcp://localhost:783/path", "/run/spamd.sock"):
        with pytest.raises(ValueError, match="neither tcp"):
            SpamdAddress.parse(wrong)
