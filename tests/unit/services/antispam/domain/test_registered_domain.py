"""Registered domains, by the public suffix list."""

from __future__ import annotations

import pytest

from services.antispam.domain.registered_domain import registered_domain


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("example.org", "example.org"),
        ("a.b.example.org", "example.org"),
        ("www.example.co.uk", "example.co.uk"),
        ("co.uk", ""),
        ("me.github.io", "me.github.io"),
        ("host.example.unheardof", "example.unheardof"),
        ("", ""),
    ],
)
def test_what_somebody_registered(domain: str, registered: str) -> None:
    assert registered_domain(domain) == registered
