"""What links are signed with and where they lead, embedded and in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from libs.settings import WrongSetting
from services.store.quarantine.compose import link_secrets, public_url
from services.store.settings import Settings

CLUSTER = {"bus_url": "amqp://127.0.0.1/"}
KEY = "k" * 32


def test_embedded_mode_makes_a_key_for_its_owner_only_and_keeps_it(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    [key] = link_secrets(settings)
    assert link_secrets(settings) == [key]
    assert (tmp_path / "link-secret").stat().st_mode & 0o777 == 0o600
    assert len(key) >= 32


def test_a_cluster_is_given_its_keys_the_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "links"
    path.write_text(f"{KEY}2\n{KEY}1\n")
    assert link_secrets(Settings(**CLUSTER, link_secret_file=path)) == [f"{KEY}2".encode(), f"{KEY}1".encode()]


@pytest.mark.parametrize("content", [None, "", "short", f"{KEY}\nshort"])
def test_a_key_that_is_missing_or_weak_ends_the_start_in_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "links"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WrongSetting, match="link_secret_file"):
        link_secrets(Settings(**CLUSTER, link_secret_file=path))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"port_base": 100}, "http://127.0.0.1:8105"),
        ({"public_url": "https://mail.example.org/q"}, "https://mail.example.org/q"),
        (CLUSTER, ""),  # an address of the inside would be of no use to anybody
    ],
)
def test_links_lead_where_the_world_can_go(given: dict[str, Any], url: str) -> None:
    assert public_url(Settings(**given)) == url


@pytest.mark.parametrize(
    "url", ["mail.example.org", "https://mail.example.org/", "https://a b", "javascript://x", "https://x/?y"]
)
def test_what_is_no_address_of_pages_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        Settings(public_url=url)
