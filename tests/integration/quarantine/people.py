"""The quarantine as people meet it: store with its real neighbours in one process, and what a test does with them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from types import ModuleType
from typing import Any

import httpx

from libs.bus import Delivery
from libs.envelope import Envelope, Finding, Mail, Peer, Recipient, Verdict, decode, new_id
from libs.envelope.model import utc_now
from libs.envelope.queues import ANTIVIRUS, QUARANTINE, RELAY
from libs.http import Client
from libs.mongo import Mongo
from libs.neighbours import AntispamClient, IngressClient
from libs.runtime import Shared
from libs.telemetry import Metrics
from services.antispam import app as antispam_app
from services.ingress import app as ingress_app
from services.quota import app as quota_app
from services.router import app as router_app
from services.store import app as store_app
from services.store.mailboxes.schema import Collections
from services.store.quarantine.antispam import AntispamPolicies
from services.store.quarantine.captcha import Captcha
from services.store.quarantine.digest_sender import DigestSender
from services.store.quarantine.letters import QuarantineLetters
from services.store.quarantine.links import TokenSigner
from services.store.quarantine.mongo_digests import MongoDigests
from services.store.quarantine.mongo_rate_limits import MongoRateLimits
from tests.servers.replicas import service_process
from tests.waiting import eventually

MODULES: dict[str, ModuleType] = {
    "router": router_app, "antispam": antispam_app, "quota": quota_app, "ingress": ingress_app, "store": store_app,
}  # fmt: skip
VERDICT = Verdict(spam=True, score=11.5, required=7.5, action="quarantine")
EICAR = Finding(stage="antivirus", name="clamav", outcome="infected", reason="Eicar-Test")

_numbers = itertools.count(1)


class Clock:
    """That of the services, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Beside(store_app.Settings):
    """Of another replica: its own API is elsewhere, its neighbours are the same."""

    def port_of(self, service: str) -> int:
        return super().port_of(service) + (40 if service == "store" else 0)


@dataclass
class Site:
    """A domain of ours with one account, and a sender whom nobody knows; no other test has them."""

    domain: str
    account: str
    sender: str


@dataclass
class People:
    """Running services. `posted` is what ingress took, in the order in which it did."""

    shared: Shared
    mongo: Mongo
    settings: dict[str, Any]
    clock: Clock
    posted: list[Mail] = field(default_factory=list)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    neighbours: dict[str, Client] = field(default_factory=dict)
    running: dict[str, AsyncExitStack] = field(default_factory=dict)
    # Shortly before now: a digest that is 12 hours late is given up, whatever the time of day a test runs at.
    digest_hour: int = field(default_factory=lambda: (utc_now() - timedelta(hours=1)).hour)

    # The services

    async def start(self, *names: str) -> None:
        for name in names:
            stack = AsyncExitStack()
            await stack.enter_async_context(service_process(MODULES[name], self.settings[name], self.shared))
            self.running[name] = stack

    async def stop(self, *names: str) -> None:
        for name in names:
            await self.running.pop(name).aclose()

    async def listen(self) -> None:
        """Take what ingress publishes, in the place of antivirus."""

        async def take(delivery: Delivery) -> None:
            await delivery.ack()
            self.posted.append(decode(delivery.body))

        await self.shared.bus.declare(ANTIVIRUS, RELAY)
        await self.shared.bus.consume(ANTIVIRUS, take)

    def client(self, service: str) -> httpx.AsyncClient:
        if service not in self.clients:
            headers = {"Authorization": "Bearer admin"}
            url = self.settings[service].url_of(service)
            self.clients[service] = httpx.AsyncClient(base_url=url, headers=headers, timeout=30)
        return self.clients[service]

    @property
    def world(self) -> httpx.AsyncClient:
        """A browser of anybody: no token."""
        if "world" not in self.clients:
            self.clients["world"] = httpx.AsyncClient(timeout=30)
        return self.clients["world"]

    async def close(self) -> None:
        for client in self.clients.values():
            await client.aclose()
        for neighbour in self.neighbours.values():
            await neighbour.close()
        await self.stop(*reversed(list(self.running)))

    # What a test begins with

    async def site(self, *, account: bool = False, **policy: Any) -> Site:
        """A domain with a policy; with `account`, the router knows both."""
        number = next(_numbers)
        domain = f"ours{number}.example"
        site = Site(domain, f"marie@{domain}", f"luc{number}@elsewhere.example")
        wanted = {"action": "quarantine", **policy}
        assert (await self.client("antispam").put(f"/v1/policies/{domain}", json=wanted)).status_code == 200
        if account:
            router = self.client("router")
            assert (await router.post("/v1/domains", json={"name": domain})).is_success
            new = {"address": site.account, "password": "passw0rd-of-marie"}

            async def made() -> bool:
                return (await router.post("/v1/accounts", json=new)).status_code != 503  # a hash took too long

            assert await self.until(made)
        return site

    async def hold(self, *mails: Mail) -> list[str]:
        """Into the quarantine; their ids there."""
        await asyncio.gather(*(self.shared.outbox.send(QUARANTINE, mail) for mail in mails))
        found = [await self.until(lambda mail=mail: self.entry_id(mail)) for mail in mails]  # type: ignore[misc]
        return list(found)

    async def hold_again(self, mail: Mail, *, to: tuple[str, ...]) -> list[str]:
        """The same message for other recipients, as when one try of antispam saw another policy."""
        domain = mail.envelope.recipients[0].domain
        recipients = tuple(Recipient(address=address, original=address, domain=domain) for address in to)
        before = {document["_id"] async for document in self._of_message(mail)}
        await self.shared.outbox.send(QUARANTINE, mail.with_envelope(mail.envelope.to(recipients)))

        async def more() -> list[str]:
            return [document["_id"] async for document in self._of_message(mail) if document["_id"] not in before]

        return list(await self.until(more))

    def _of_message(self, mail: Mail) -> Any:
        return self.mongo.database("store").quarantine.find({"_id": {"$regex": f"^{mail.envelope.id}-"}}, {"_id": 1})

    async def due_now(self, ids: list[str]) -> None:
        """The pause between two tries is over."""
        change = {"$set": {"notice.due_at": self.clock(), "notice.tries": 0}}
        await self.mongo.database("store").quarantine.update_many({"_id": {"$in": ids}}, change)

    async def forget_sent(self, ids: list[str]) -> None:
        """As if a process had died between sending and writing that down."""
        change = {"$set": {"notice.state": "decided", "notice.due_at": self.clock(), "notice.tries": 0}}
        await self.mongo.database("store").quarantine.update_many({"_id": {"$in": ids}}, change)

    def beside(self) -> People:
        """A second replica of store on the same database and bus, not started yet."""
        settings = {"store": Beside(**self.settings["store"].model_dump())}
        return People(self.shared, self.mongo, settings, self.clock)

    async def entry_id(self, mail: Mail) -> str | None:
        entries = self.mongo.database("store").quarantine
        found = await entries.find_one({"_id": {"$regex": f"^{mail.envelope.id}-"}}, {"_id": 1})
        return found["_id"] if found else None

    async def notice_state(self, id: str) -> str:
        """`state` or `refused: reason` of the ledger; empty when the entry is gone."""
        found = await self.mongo.database("store").quarantine.find_one({"_id": id}, {"notice": 1})
        if found is None:
            return ""
        notice = found["notice"]
        return ": ".join(filter(None, (notice["state"], notice.get("reason", ""))))

    async def noticed(self, mail: Mail) -> tuple[str, str]:
        """Held, and its sender told: (id of the entry, the link)."""
        [id] = await self.hold(mail)
        letter = await self.letter_to(mail.envelope.mail_from)
        return id, link_in(letter)

    async def use_up(self, what: str, whom: str, count: int) -> None:
        """As if somebody had tried so often already."""
        rates = MongoRateLimits(Collections.of(self.mongo.database("store")), clock=self.clock)
        for _ in range(count):
            await rates.allow(what, whom, limit=0, window=timedelta(hours=1))

    def neighbour(self, name: str) -> Client:
        """As store calls it."""
        if name not in self.neighbours:
            self.neighbours[name] = replace(self.shared, service="store").client(self.settings["store"], name)
        return self.neighbours[name]

    def digests(self, **hours: int) -> DigestSender:
        """The round of one replica, whose day ends at `hour`."""
        store, collections = self.settings["store"], Collections.of(self.mongo.database("store"))
        return DigestSender(
            schedule=MongoDigests(collections, lease=store.digest_lease, clock=self.clock),
            policies=AntispamPolicies(AntispamClient(self.neighbour("antispam")), keep=store.policy_cache),
            post=IngressClient(self.neighbour("ingress")),
            letters=QuarantineLetters(self.signer, store.url_of("store"), store.hostname, store.quarantine_author),
            clock=self.clock,
            outcomes=Metrics().counter("digests", "Digests.", ("outcome",)),
            **{"hour": self.digest_hour, **hours},
        )

    # What comes out

    def letters_to(self, address: str) -> list[EmailMessage]:
        """Those that ingress took so far."""
        mails = [mail for mail in self.posted if mail.envelope.recipients[0].address == address]
        return [message_from_bytes(mail.raw, policy=policy.default) for mail in mails]

    async def letter_to(self, address: str) -> EmailMessage:
        async def there() -> EmailMessage | None:
            letters = self.letters_to(address)
            return letters[0] if letters else None

        found: EmailMessage = await self.until(there)
        return found

    async def inbox(self, address: str) -> list[dict[str, Any]]:
        response = await self.client("store").get(f"/v1/mailboxes/{address}/messages", params={"folder": "INBOX"})
        items: list[dict[str, Any]] = response.json()["items"] if response.status_code == 200 else []
        return items

    one_day = timedelta(days=1)

    async def in_thread(self, work: Callable[[], None]) -> None:
        """For clients that block."""
        await asyncio.to_thread(work)

    async def until(self, condition: Callable[[], Awaitable[Any]], *, seconds: float = 60) -> Any:
        """The first true value of `condition`."""
        return await eventually(condition, seconds=seconds)

    # What only we can know: a person would read the picture

    @property
    def signer(self) -> TokenSigner:
        return TokenSigner(self.settings["store"].link_secret_file.read_bytes().split())

    def answer_to(self, page: str, url: str) -> dict[str, str]:
        """The form of a validation page, rightly filled in."""
        token = url.partition("?")[0].rpartition("/")[2]
        link = self.signer.link(token, "validate", self.clock())
        challenge = challenge_in(page)
        captcha = Captcha(self.signer, keep=self.settings["store"].captcha_keep)
        return {"challenge": challenge, "answer": captcha.verify(challenge, link, self.clock()).answer}


def spam(site: Site, *, subject: str = "Offer", extra: str = "", to: Collection[str] = (), **given: Any) -> Mail:
    """A message of `site.sender` as antispam hands it to the quarantine."""
    now = utc_now()
    raw = (
        f"From: Luc <{site.sender}>\r\nTo: {site.account}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{new_id(now)}@elsewhere.example>\r\n{extra}\r\nBuy this.\r\n"
    ).encode()
    recipients = tuple(
        Recipient(address=address, original=address, domain=site.domain, account=address)
        for address in (to or (site.account,))
    )
    settled: dict[str, Any] = {
        "id": new_id(now),
        "received_at": now,
        "mail_from": site.sender,
        "peer": Peer(address=f"127.0.{next(_numbers) % 250}.9", helo="mail.elsewhere.example"),
        "recipients": recipients,
        "size_bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "quarantine_reason": "spam: score 11.5, required 7.5",
        "verdicts": {site.domain: VERDICT},
    }
    return Mail(Envelope(**{**settled, **given}), raw)


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def link_in(letter: EmailMessage) -> str:
    """The first link, which must be the same in text and HTML."""
    [link, *_] = re.findall(r"https?://\S+", text_of(letter))
    assert f'href="{link}"' in text_of(letter, "html")
    return str(link)


def challenge_in(page: str) -> str:
    [token] = re.findall(r'name="challenge" value="([^"]+)"', page)
    return unescape(token)
