"""`POST /v1/messages` and the operator's API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest

Eventually = Callable[..., Awaitable[None]]

JEAN = "jean.toto@example.org"
LETTER = {"from": "App <app@example.org>", "to": [JEAN], "subject": "Été", "text": "Bonjour\n.\nà toi"}


class Api:
    """Calls with a token."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def call(self, method: str, path: str, *, expect: int, token: str = "reporting", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        response = await self._http.request(method, path, headers=headers, **options)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert response.headers["content-type"] == "application/problem+json"
        return response.json() if response.content else None

    async def send(self, *, expect: int = 202, key: str | None = None, **fields: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.call("POST", "/v1/messages", expect=expect, json={**LETTER, **fields}, headers=headers)

    async def send_raw(
        self,
        content: bytes,
        *,
        params: dict[str, Any] | None = None,
        expect: int = 202,
        key: str | None = None,
        token: str = "reporting",
    ) -> Any:
        headers = {"Content-Type": "message/rfc822", **({"Idempotency-Key": key} if key else {})}
        return await self.call(
            "POST", "/v1/messages", expect=expect, token=token, content=content, params=params, headers=headers
        )


@pytest.fixture
async def api(ingress: Any) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{8001 + ingress.port_base}", trust_env=False) as http:
        yield Api(http)


async def test_a_message_in_parts_is_composed_and_published(ingress: Any, api: Api, eventually: Eventually) -> None:
    attachment = {
        "filename": "été.pdf",
        "content_type": "application/pdf",
        "content": base64.b64encode(b"%PDF").decode(),
    }
    id = (await api.send(html="<p>Bonjour</p>", attachments=[attachment]))["id"]
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert (envelope.id, envelope.listener, envelope.mail_from) == (id, "http", "app@example.org")
    assert (envelope.peer.address, envelope.peer.protocol) == ("127.0.0.1", "HTTP")
    message = message_from_bytes(ingress.received[0].raw, policy=policy.default)
    assert message["From"] == "App <app@example.org>"
    assert (message["To"], message["Subject"]) == (JEAN, "Été")
    assert message.get_body(("plain",)).get_content() == "Bonjour\r\n.\r\nà toi\r\n"  # type: ignore[union-attr]
    assert message.get_body(("html",)).get_content() == "<p>Bonjour</p>\r\n"  # type: ignore[union-attr]
    files = [(part.get_filename(), part.get_content()) for part in message.iter_attachments()]
    assert files == [("été.pdf", b"%PDF")]
    assert message.defects == []


async def test_copies_reach_the_envelope_and_blind_ones_no_header(
    ingress: Any, api: Api, eventually: Eventually
) -> None:
    await api.send(to="a@example.com", cc=["Copy <c@example.com>"], bcc=["blind@example.com"], reply_to="r@example.org")

    await eventually(lambda: len(ingress.received) == 1)
    envelope, raw = ingress.received[0].envelope, ingress.received[0].raw
    assert [each.address for each in envelope.recipients] == ["a@example.com", "c@example.com", "blind@example.com"]
    message = message_from_bytes(raw, policy=policy.default)
    assert (message["To"], message["Cc"], message["Bcc"]) == ("a@example.com", "Copy <c@example.com>", None)
    assert message["Reply-To"] == "r@example.org"
    assert b"blind" not in raw


async def test_a_raw_message_is_published_unchanged(
    ingress: Any, api: Api, specimen: bytes, eventually: Eventually
) -> None:
    await api.send_raw(specimen, params={"from": "app@example.org", "to": [JEAN, "someone@example.com"]})
    await api.send_raw(specimen.replace(b"\r\n", b"\n"), params={"from": "", "to": JEAN})
    await eventually(lambda: len(ingress.received) == 2)
    assert [mail.raw for mail in ingress.received] == [specimen, specimen]
    assert [r.domain for r in ingress.received[0].envelope.recipients] == ["example.org", ""]
    assert ingress.received[1].envelope.mail_from == ""


async def test_a_retry_with_the_same_key_gives_the_same_id_and_one_message(
    ingress: Any, api: Api, eventually: Eventually
) -> None:
    ids = {(await api.send(key="warning 1"))["id"] for _ in range(3)}
    ids |= {answer["id"] for answer in await asyncio.gather(*(api.send(key="warning 2") for _ in range(5)))}
    assert len(ids) == 2
    await eventually(lambda: {mail.envelope.id for mail in ingress.received} == ids)
    await api.send(key="warning 1", to=["marie.dupont@example.org"], expect=422)
    await api.send(key="warning 1", subject="another one", expect=422)
    await api.send_raw(b"Subject: a\r\n\r\nx\r\n", key="raw", params={"from": JEAN, "to": JEAN})
    await api.send_raw(b"Subject: a\r\n\r\nx\r\n", key="raw", params={"from": JEAN, "to": JEAN})
    await api.send_raw(b"Subject: b\r\n\r\ny\r\n", key="raw", expect=422, params={"from": JEAN, "to": JEAN})
    await eventually(lambda: len({mail.envelope.id for mail in ingress.received}) == 3)
    await api.send(key="x" * 300, expect=422)


async def test_the_key_of_a_service_stands_for_the_subject_of_its_message(ingress: Any, api: Api) -> None:
    """A service composes it anew for a retry, with another date."""
    fields = {"from": "", "to": JEAN}
    first, second = [
        await api.send_raw(b"Date: %d\r\n\r\nx\r\n" % n, key="dsn:1", token="store", params=fields) for n in range(2)
    ]
    assert first == second
    # Keys of other callers are other keys.
    assert await api.send_raw(b"Date: 1\r\n\r\nx\r\n", key="dsn:1", token="admin", params=fields) != first


async def test_a_domain_beyond_ascii_goes_in_its_ascii_form(
    ingress: Any, api: Api, eventually: Eventually, neighbours: Any
) -> None:
    neighbours.add_account("a@xn--exmple-cua.example")
    await api.send(to=["A <a@exämple.example>"])
    await eventually(lambda: len(ingress.received) == 1)
    assert ingress.received[0].envelope.recipients[0].address == "a@xn--exmple-cua.example"
    assert b"To: A <a@xn--exmple-cua.example>\r\n" in ingress.received[0].raw
    await api.send(to=["é@exämple.example"], expect=422)


async def test_the_same_key_with_another_message_is_refused_and_never_taken_for_sent(
    ingress: Any, api: Api, specimen: bytes, eventually: Eventually
) -> None:
    async def raw(content: bytes, key: str, *, expect: int = 202) -> Any:
        headers = {"Content-Type": "message/rfc822", "Idempotency-Key": key}
        params = {"from": JEAN, "to": "marie.dupont@example.org"}
        return await api.call("POST", "/v1/messages", expect=expect, content=content, params=params, headers=headers)

    one, other = b"Subject: a\r\n\r\nx\r\n", b"Subject: b\r\n\r\ny\r\n"
    first = await raw(one, "k1")
    assert await raw(one, "k1") == first
    await raw(other, "k1", expect=422)
    await api.send(key="k1", expect=422)
    await api.send(key="k2", text="one")
    await api.send(key="k2", text="two", expect=422)
    await eventually(lambda: len(ingress.received) >= 2)


@pytest.mark.parametrize("domain", ["exämple.example", "EXÄMPLE.example", "exämple．example", "exämple。example"])
async def test_a_domain_outside_ascii_is_taken_in_its_other_form(
    ingress: Any, api: Api, eventually: Eventually, domain: str
) -> None:
    await api.send(to=[f"a@{domain}", f"B <b@{domain}>"])
    await eventually(lambda: len(ingress.received) == 1)
    envelope = ingress.received[0].envelope
    assert [r.address for r in envelope.recipients] == ["a@xn--exmple-cua.example", "b@xn--exmple-cua.example"]
    assert "xn--exmple-cua.example" in str(message_from_bytes(ingress.received[0].raw)["To"])


BAD: list[tuple[str, str, Any]] = [
    ("POST", "/v1/messages", {**LETTER, "carbon_copy": "x@example.com"}),
    ("POST", "/v1/messages", {**LETTER, "subject": 5}),
    ("POST", "/v1/messages", {**LETTER, "to": [5]}),
    ("POST", "/v1/messages?colour=red", LETTER),
    ("POST", "/v1/blacklisted-peers", {"address": "192.0.2.1", "seconds": True}),
    ("POST", "/v1/blacklisted-peers", {"address": "192.0.2.1", "seconds": "60"}),
    ("POST", "/v1/blacklisted-peers", {"address": "192.0.2.1", "hours": 1}),
    ("POST", "/v1/blacklisted-peers", {"address": "2130706433"}),
    ("POST", "/v1/blacklisted-peers", {"address": "\0"}),
    ("GET", "/v1/sessions?listener=mx", None),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD)
async def test_invalid_requests_are_refused(api: Api, method: str, path: str, body: Any) -> None:
    await api.call(method, path, expect=422, token="admin", json=body)


REFUSED: list[dict[str, Any]] = [
    {"subject": "x\r\nBcc: victim@example.com"},
    {"subject": "x\nBcc: victim@example.com"},
    {"from": "App\r\nBcc: victim@example.com <app@example.org>"},
    {"to": [f"{JEAN}\r\nBcc: victim@example.com"]},
    {"to": [f"{JEAN}, victim@example.com"]},
    {"to": ["nobody@example.org"]},
    {"to": ["no address"]},
    {"to": []},
    {"from": "<>"},
    {"attachments": [{"filename": "a\r\nX: y", "content": "eA=="}]},
    {"attachments": [{"filename": "a", "content": "no base64!"}]},
    {"attachments": [{"filename": "a", "content": "eA==", "content_type": "text/html\r\nX: y"}]},
    {"attachments": [{"filename": "a", "content": "eA==", "content_type": "multipart/mixed"}]},
    {"bcc": ["nobody@example.org"]},
    {"cc": [f"{JEAN}\r\nBcc: victim@example.com"]},
    {"reply_to": ["x@example.org, y@example.org"]},
    {"in_reply_to": "<a@b>\r\nBcc: victim@example.com"},
    {"references": ["no id"]},
    {"headers": {"Bcc": "victim@example.com"}},
    {"headers": {"X-A": "b\r\nBcc: victim@example.com"}},
    {"headers": {"X-A: b\r\nBcc": "victim@example.com"}},
    {"headers": {"X-Facteur-Id": "x"}},
    {"attachments": [{"filename": "a", "content": "eA==", "disposition": "inline", "content_id": "a@b"}]},
    {"account": JEAN, "from": "marie.dupont@example.org"},
    {"account": JEAN, "from": f"{JEAN}, marie.dupont@example.org"},
    {"account": "nobody@example.org"},
    {"to": [f"user{n}@example.com" for n in range(101)]},
]


async def test_what_could_add_a_header_or_lead_nowhere_is_refused(ingress: Any, api: Api) -> None:
    for fields in REFUSED:
        await api.send(expect=422, **fields)
    unknown = await api.send(expect=422, to=["nobody@example.org"])
    assert unknown["type"] == "urn:facteur:problem:mail-refused"
    assert ingress.received == []


async def test_wrong_requests_get_one_clear_answer(api: Api) -> None:
    await api.call("POST", "/v1/messages", expect=401, token="wrong", json=LETTER)
    await api.call("POST", "/v1/messages", expect=415, content=b"x", headers={"Content-Type": "text/plain"})
    await api.call("POST", "/v1/messages", expect=422, content=b"{", headers={"Content-Type": "application/json"})
    await api.send_raw(b"Subject: x\r\n\r\nx\r\n", expect=422)
    await api.send_raw(b"Subject: x\r\n\r\na\rb\nc", expect=422, params={"from": "a@example.org", "to": JEAN})
    await api.send_raw(b"Received: x\r\n" * 101, expect=422, params={"from": "a@example.org", "to": JEAN})
    large = b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n"
    large += (b"y" * 70 + b"\r\n") * 300_000
    await api.send_raw(large, expect=413, params={"from": "a@example.org", "to": JEAN})


async def test_mail_for_an_account_counts_against_its_limits(ingress: Any, api: Api, neighbours: Any) -> None:
    fields: dict[str, Any] = {"account": JEAN, "from": JEAN, "to": ["someone@example.com"]}
    await api.send(**fields)
    assert neighbours.sends == [{"key": JEAN, "class": "webmail", "recipients": 1}]
    neighbours.allowance.update(allowed=False, reason="100 messages an hour")
    await api.send(expect=429, **{"account": JEAN, "from": JEAN})
    await api.send()


async def test_nothing_is_accepted_while_neighbours_are_unavailable(ingress: Any, api: Api, neighbours: Any) -> None:
    neighbours.away.add("router")
    await api.send(expect=503)
    neighbours.away.clear()
    neighbours.usage[JEAN] = (10, 10)
    await api.send(expect=503, to=["marie.dupont@example.org", JEAN])
    await ingress.shared.bus.close()
    await api.send(expect=503, to=["marie.dupont@example.org"])


async def test_operators_see_connections_and_ban_peers(ingress: Any, api: Api, eventually: Eventually) -> None:
    peers = [await ingress.mx(), await ingress.mx(), await ingress.user()]
    seen = await api.call("GET", "/v1/sessions", expect=200, token="admin")
    assert seen == {"listeners": {"mx": 2, "submission": 0, "submissions": 1}, "total": 3}
    await api.call("GET", "/v1/blacklisted-peers", expect=403)
    ban = {"address": "127.0.0.2", "seconds": 60, "reason": "test"}
    await api.call("POST", "/v1/blacklisted-peers", expect=201, token="admin", json=ban)
    listed = await api.call("GET", "/v1/blacklisted-peers", expect=200, token="admin")
    assert [(item["address"], item["reason"]) for item in listed["items"]] == [("127.0.0.2", "test")]
    refused = await ingress.connect(greeted=False, source="127.0.0.2")
    assert (await refused.reply()).startswith("421 4.7.0")
    await api.call("DELETE", "/v1/blacklisted-peers/127.0.0.2", expect=204, token="admin")
    await api.call("DELETE", "/v1/blacklisted-peers/127.0.0.2", expect=404, token="admin")
    await ingress.connect(source="127.0.0.2")
    assert len(peers) == 3


async def test_operators_ban_networks(ingress: Any, api: Api) -> None:
    ban = {"seconds": 60, "reason": "test"}
    for path, shown in (("127.8.0.0/16", "127.8.0.0/16"), ("::ffff:127.9.0.1", "127.9.0.1"), ("::5", "::/64")):
        view = await api.call("POST", "/v1/blacklisted-peers", expect=201, token="admin", json={"address": path, **ban})
        assert view["address"] == shown
    for source in ("127.8.3.4", "127.9.0.1"):
        refused = await ingress.connect(greeted=False, source=source)
        assert (await refused.reply()).startswith("421 4.7.0")
    await ingress.connect(source="127.7.3.4")
    for wrong in ("0.0.0.0/0", "::/0", "example.org", "127.8.0.0/33"):
        await api.call("POST", "/v1/blacklisted-peers", expect=422, token="admin", json={"address": wrong, **ban})
    await api.call("DELETE", "/v1/blacklisted-peers/127.8.0.0/16", expect=204, token="admin")
    await ingress.connect(source="127.8.3.4")
