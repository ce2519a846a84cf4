"""Who may relay, and which addresses try to."""

from __future__ import annotations

import pytest

from libs.mail.address import parse_path
from services.ingress.domain.relaying import Login, Submitter, is_relay_trick

STRANGER = Submitter("mx", "192.0.2.1")
USER = Submitter("submission", "192.0.2.1", Login("jean.toto@example.org"))
GATEWAY = Submitter("mx", "192.0.2.1", internal=True, relays=True)
WEBMAIL = Submitter("http", "192.0.2.1", Login("jean.toto@example.org"))
SERVICE = Submitter("http", "192.0.2.1")


def test_only_known_submitters_may_relay() -> None:
    assert [each.may_relay for each in (STRANGER, USER, GATEWAY, WEBMAIL, SERVICE)] == [False, True, True, True, True]


def test_a_stranger_is_another_server_at_the_mx() -> None:
    assert [each.is_stranger for each in (STRANGER, USER, GATEWAY, WEBMAIL)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("submitter", "local", "remote"),
    [
        (STRANGER, None, None),
        (USER, "external", "external"),
        (Submitter("submission", "192.0.2.1", Login("a@example.org"), internal=True), "internal", "internal"),
        (GATEWAY, None, "relay"),
        (WEBMAIL, "webmail", "webmail"),
        (SERVICE, None, None),
    ],
)
def test_the_send_limits_depend_on_the_submitter(submitter: Submitter, local: str | None, remote: str | None) -> None:
    assert (submitter.send_class(remote=False), submitter.send_class(remote=True)) == (local, remote)


@pytest.mark.parametrize(
    ("address", "is_trick"),
    [
        ("user%remote@example.org", True),
        ("remote!user@example.org", True),
        ('"user@remote"@example.org', True),
        ("user@[192.0.2.1]", True),
        ("user+tag@example.org", False),
    ],
)
def test_a_recipient_that_hides_another_is_recognised(address: str, is_trick: bool) -> None:
    assert is_relay_trick(parse_path(f"<{address}>")) is is_trick
