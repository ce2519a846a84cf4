"""Registered domains, by the public suffix list."""

from __future__ import annotations

import pytest

from services.antispam.message.registered_domain import load_suffixes, registered_domain

CASES = [
    ("example.com", "example.com"),
    ("a.b.example.com", "example.com"),
    ("WWW.Example.CO.UK.", "example.co.uk"),
    ("xn--85x722f.com.cn", "xn--85x722f.com.cn"),
    ("user.github.io", "user.github.io"),  # a private suffix: its customers are not one another
    ("www.city.kobe.jp", "city.kobe.jp"),  # an exception of the list
    ("anything.unlisted", "anything.unlisted"),
    ("co.uk", None),
    ("com", None),
    ("localhost", None),
    ("192.0.2.1", None),
    ("2001:db8::1", None),
    ("a..example.com", None),
    ("", None),
]


@pytest.mark.parametrize(("name", "registered"), CASES)
def test_it_is_one_label_more_than_a_public_suffix(name: str, registered: str | None) -> None:
    load_suffixes()
    assert registered_domain(name) == registered
