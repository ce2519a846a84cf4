"""The domains that a message names, links first."""

from __future__ import annotations

import pytest

from services.antispam.message.named_domains import named_domains
from tests.specimens.antispam import a_message, a_view, html


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.shop.example/now", "shop.example"),
        ("http://user@SHOP.example.:8080", "shop.example"),
        ("//cdn.shop.co.uk/x.png", "shop.co.uk"),
        (r"http:\\shop.example\x", "shop.example"),
        ("mailto:sales@shop.example?subject=x", "shop.example"),
    ],
)
def test_a_link_names_the_registered_domain(url: str, domain: str) -> None:
    assert named_domains(a_view(html(f'<a href="{url}">see</a>')), 20)[0] == domain


def test_headers_come_behind_links_and_each_domain_once() -> None:
    raw = a_message("see http://a.example/ and http://b.a.example/", **{"from": "x@mail.c.example"})
    assert named_domains(a_view(raw, mail_from="y@b.example"), 20) == ("a.example", "b.example", "c.example")
    assert named_domains(a_view(raw, mail_from="y@b.example"), 2) == ("a.example", "b.example")
