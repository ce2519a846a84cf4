"""What ingress remembers of the router's answers, and what a change makes it forget: that, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import BaseModel

from libs.bus import Event
from libs.events import AccountChanged, AccountDeleted, DomainChanged, RoutesChanged
from libs.http.outgoing import Response
from libs.neighbours import RouterClient
from services.ingress.adapters.router import CachedDirectory
from services.ingress.domain.blacklist import Blacklist
from services.ingress.handlers import CacheInvalidation

ANSWERS: dict[str, dict[str, Any]] = {
    "jean@example.org": {"status": "local", "domain": "example.org", "account": "jean@example.org"},
    "jean@alias.example": {"status": "local", "domain": "example.org", "account": "jean@example.org"},
    "marie@example.org": {"status": "local", "domain": "example.org", "account": "marie@example.org"},
    "info@example.org": {"status": "local", "domain": "example.org", "account": "jean@example.org"},
    "team@example.org": {"status": "local", "domain": "example.org", "account": None},
    "nobody@example.org": {"status": "unknown", "domain": "example.org", "reason": "5.1.1 nobody@example.org is gone"},
    "old@example.org": {"status": "unknown", "domain": "example.org", "reason": "5.1.1 paul@example.org is gone"},
    "postmaster@example.org": {"status": "local", "domain": "example.org", "account": None},
    "postmaster@alias.example": {"status": "local", "domain": "example.org", "account": None},
    "zoe@example.com": {"status": "local", "domain": "example.com", "account": "zoe@example.com"},
}
INDIRECT = {"info@example.org", "team@example.org", "old@example.org"}
RECIPIENTS = [address for address in ANSWERS if not address.startswith("postmaster")] + ["x@far.example"]


def an_answer(status: int, body: dict[str, Any]) -> Response:
    return Response(status, {}, json.dumps(body).encode())


class Router:
    """Answers and counts; `meanwhile` happens while it answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.passwords = {"jean": "old"}
        self.meanwhile: Callable[[], None] = lambda: None

    async def model(self, kind: type[BaseModel], method: str, path: str, **options: Any) -> BaseModel:
        return kind.model_validate_json((await self.call(method, path, **options)).content)

    async def call(self, method: str, path: str, **options: Any) -> Response:
        what, _, address = unquote(path).removeprefix("/v1/").partition("/")
        self.asked[f"{what} {address}".strip()] += 1
        await asyncio.sleep(0)
        if what == "recipients":
            answer = an_answer(200, ANSWERS.get(address, {"status": "not_ours"}))
        elif what == "senders":
            answer = an_answer(200, {"addresses": [address, f"alias-of-{address}"]})
        else:
            right = self.passwords.get(options["json"]["login"]) == options["json"]["password"]
            answer = an_answer(200 if right else 401, {"account": "jean@example.org"})
        self.meanwhile()
        return answer


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def directory(router: Router) -> CachedDirectory:
    return CachedDirectory(RouterClient(router), ttl=timedelta(seconds=60), clock=lambda: 0.0)  # type: ignore[arg-type]


def hearing(directory: CachedDirectory) -> Callable[[Event], Any]:
    """As the service hears events."""
    table = CacheInvalidation(
        directory, lambda _: None, lambda _: None, Blacklist(max_entries=1, clock=lambda: 0.0)
    ).table()
    handlers = {name: row.dispatch for row in table for name in row.names}
    return lambda event: handlers[event.name](event)


async def asked_again(directory: CachedDirectory, router: Router, event: Event) -> set[str]:
    """The recipients that are asked for after `event` although they were known before it."""
    for address in RECIPIENTS:
        await directory.recipient(address)
    router.asked.clear()
    await hearing(directory)(event)
    for address in RECIPIENTS:
        await directory.recipient(address)
    return {what.removeprefix("recipients ") for what in router.asked}


CHANGES: list[tuple[Event, set[str]]] = [
    (RoutesChanged(address="marie@example.org").to_bus(), {"marie@example.org", *INDIRECT}),
    (AccountChanged(address="jean@example.org").to_bus(), {"jean@example.org", "jean@alias.example", *INDIRECT}),
    (AccountDeleted(address="zoe@example.com").to_bus(), {"zoe@example.com", *INDIRECT}),
    (RoutesChanged(address="nobody@example.org").to_bus(), {"nobody@example.org", *INDIRECT}),
    (RoutesChanged(address="new@example.com").to_bus(), INDIRECT),
    (DomainChanged(domain="example.com").to_bus(), {"zoe@example.com", *INDIRECT}),
    (
        DomainChanged(domain="example.com", alias="far.example").to_bus(),
        {"zoe@example.com", "x@far.example", *INDIRECT},
    ),
    (DomainChanged(domain="alias.example").to_bus(), {"jean@alias.example", *INDIRECT}),
]


@pytest.mark.parametrize(("event", "concerned"), CHANGES, ids=[f"{e.name} {n}" for n, (e, _) in enumerate(CHANGES)])
async def test_a_change_makes_it_forget_what_depends_on_it_alone(
    directory: CachedDirectory, router: Router, event: Event, concerned: set[str]
) -> None:
    assert await asked_again(directory, router, event) == concerned


async def test_our_domains_are_asked_for_anew_by_any_of_their_names(directory: CachedDirectory, router: Router) -> None:
    names = ("example.org", "alias.example", "far.example", "other.example")
    assert [await directory.is_ours(name) for name in names] == [True, True, False, False]
    router.asked.clear()
    directory.domain_changed("example.org", "other.example")
    for name in names:
        await directory.is_ours(name)
    asked = {what.removeprefix("recipients postmaster@") for what in router.asked}
    assert asked == {"example.org", "alias.example", "other.example"}


async def test_senders_are_asked_for_anew_when_the_account_or_one_of_their_addresses_changed(
    directory: CachedDirectory, router: Router
) -> None:
    accounts = ("jean@example.org", "marie@example.org")
    for changed, concerned in (
        ("jean@example.org", ["senders jean@example.org"]),
        ("alias-of-marie@example.org", ["senders marie@example.org"]),
        ("paul@example.org", []),
    ):
        for account in accounts:
            await directory.senders(account)
        router.asked.clear()
        directory.address_changed(changed)
        for account in accounts:
            await directory.senders(account)
        assert list(router.asked) == concerned


async def test_an_old_password_does_not_work_once_the_change_was_heard(
    directory: CachedDirectory, router: Router
) -> None:
    assert await directory.authenticate("jean", "old") is not None
    directory.address_changed("marie@example.org")
    assert await directory.authenticate("jean", "old") is not None
    assert router.asked["authentications"] == 1
    router.passwords["jean"] = "new"
    directory.address_changed("jean@example.org")
    assert await directory.authenticate("jean", "old") is None


async def test_a_password_that_is_changed_while_it_is_checked_is_not_remembered(
    directory: CachedDirectory, router: Router
) -> None:
    def changed() -> None:
        router.passwords["jean"] = "new"
        directory.address_changed("jean@example.org")

    router.meanwhile = changed
    assert await directory.authenticate("jean", "old") is not None  # it was right when it was asked
    router.meanwhile = lambda: None
    assert await directory.authenticate("jean", "old") is None


async def test_a_route_that_is_changed_while_it_is_asked_for_is_not_kept(
    directory: CachedDirectory, router: Router
) -> None:
    router.meanwhile = lambda: directory.address_changed("jean@example.org")
    await directory.recipient("jean@example.org")
    router.meanwhile = lambda: None
    await directory.recipient("jean@example.org")
    assert router.asked["recipients jean@example.org"] == 2
