"""Paths and answers of operations."""

from __future__ import annotations

from typing import Any, cast

import pytest

from libs.envelope import Permanent, Temporary
from libs.http import Client
from libs.http.outgoing import Response
from libs.neighbours import AntispamClient, QuotaClient, RouterClient, StoreClient
from libs.neighbours.operations import Operation, WireModel

PROBLEM = {"content-type": "application/problem+json"}


class Neighbour(Client):
    """Gives one answer and records the paths."""

    def __init__(self, status: int, content: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
        self.response = Response(status, headers or {}, content)
        self.paths: list[str] = []

    async def call(self, *arguments: Any, **options: Any) -> Response:
        self.paths.append(cast(str, arguments[1]))
        return self.response


def test_a_value_of_any_form_is_one_part_of_the_path() -> None:
    operation = Operation("GET", "/v1/mailboxes/{address}/messages/{id}/raw", WireModel)
    assert operation.target("a/b?c#%@example.org", "../x") == (
        "/v1/mailboxes/a%2Fb%3Fc%23%25@example.org/messages/..%2Fx/raw"
    )
    assert Operation("GET", "/v1/sends", WireModel).target() == "/v1/sends"
    with pytest.raises(ValueError, match="zip"):
        operation.target("a@example.org")


async def test_a_field_of_a_newer_version_is_ignored() -> None:
    usage = await QuotaClient(Neighbour(200, b'{"used_bytes": 1, "limit_bytes": null, "new": 3}')).usage("a@b")
    assert usage is not None
    assert (usage.used_bytes, usage.limit_bytes) == (1, None)


async def test_only_the_service_itself_says_that_there_is_no_such_resource() -> None:
    assert await QuotaClient(Neighbour(404, headers=PROBLEM)).usage("a@b") is None
    assert await RouterClient(Neighbour(404, headers=PROBLEM)).made_at("a@b") is None
    assert await StoreClient(Neighbour(404, headers=PROBLEM)).raw("a@b", "1") is None
    with pytest.raises(Temporary, match="404"):
        await RouterClient(Neighbour(404, b"<html>")).made_at("a@b")
    with pytest.raises(Permanent, match="404"):
        await StoreClient(Neighbour(404, b"<html>")).raw("a@b", "1")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"status": "elsewhere"}'])
async def test_an_answer_of_router_that_does_not_fit_makes_mail_wait(content: bytes) -> None:
    with pytest.raises(Temporary, match="does not fit"):
        await RouterClient(Neighbour(200, content)).recipient("a@b")


@pytest.mark.parametrize("status", [401, 403, 404, 422, 423])
async def test_every_refusal_of_a_login_is_the_same(status: int) -> None:
    assert await RouterClient(Neighbour(status)).authenticate("jean", "secret") is None


async def test_a_value_that_is_no_sender_is_told_from_a_failure() -> None:
    neighbour = Neighbour(201)
    assert await AntispamClient(neighbour).list_sender("white", "a@b", domain="b", comment="")
    assert neighbour.paths == ["/v1/lists/sender_white"]
    assert not await AntispamClient(Neighbour(422)).list_sender("black", "a b", domain="b", comment="")
    with pytest.raises(Permanent, match="409"):
        await AntispamClient(Neighbour(409)).list_sender("black", "a@b", domain="b", comment="")
