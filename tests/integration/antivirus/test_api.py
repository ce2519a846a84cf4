"""The HTTP API of the antivirus service, on a real MongoDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from libs.envelope.queues import ANTISPAM, QUARANTINE
from libs.mongo import Mongo
from tests.integration.antivirus.harness import Antivirus, Start
from tests.servers.clamd import ClamdServer
from tests.specimens.antivirus import EICAR, a_message, program, zipped
from tests.waiting import answer_when

INVOICE = b"%PDF-1.7 an invoice that is none"
DIGEST = sha256(INVOICE).hexdigest()


@pytest.mark.parametrize(
    ("octets", "infected", "action"),
    [
        (a_message(), False, "pass"),
        (a_message(attachments={"x.com": EICAR}), True, "quarantine"),
        (b"any file", False, "pass"),
        (b"", False, "pass"),
        (zipped({"x.com": EICAR}), True, "quarantine"),
        (program(), False, "tag"),
        (a_message(attachments={"a.pdf": program()}), False, "quarantine"),
        (b"\xff" * 5_000_000, False, "pass"),
    ],
    ids=["mail", "infected mail", "file", "nothing", "infected zip", "program", "disguised program", "5 MB"],
)
async def test_any_octets_can_be_scanned(antivirus: Antivirus, octets: bytes, infected: bool, action: str) -> None:
    answer = await antivirus.call("POST", "/v1/scan", content=octets, token="reporting")
    assert (answer["infected"], answer["action"]) == (infected, action)
    assert answer["findings"][0]["name"] == "builtin"
    assert bool(answer["reason"]) == (action == "quarantine")


async def test_a_body_over_the_limit_is_refused(start: Start) -> None:
    antivirus = await start(scan_limit_bytes=10_000)
    await antivirus.scan(b"x" * 10_001, expect=413)
    await antivirus.scan(b"x" * 10_000)


@pytest.mark.parametrize(
    ("method", "path", "token", "expect"),
    [
        ("POST", "/v1/scan", "", 401),
        ("POST", "/v1/scan", "wrong", 401),
        ("GET", "/v1/engines", "", 401),
        ("GET", "/v1/engines", "reporting", 200),
        ("GET", "/v1/fingerprints", "reporting", 403),
        ("POST", "/v1/fingerprints", "reporting", 403),
        ("GET", "/v1/attachments", "", 401),
        ("GET", "/v1/statistics", "reporting", 200),
    ],
)
async def test_every_route_asks_for_a_token(
    antivirus: Antivirus, method: str, path: str, token: str, expect: int
) -> None:
    await antivirus.call(method, path, token=token, expect=expect)


async def test_engines_are_listed_with_their_signatures(start: Start, clamd: ClamdServer) -> None:
    antivirus = await start(engines=("builtin", clamd.tcp, clamd.unix))
    builtin, over_tcp, over_unix = (await antivirus.call("GET", "/v1/engines"))["items"]
    assert [engine["name"] for engine in (builtin, over_tcp, over_unix)] == ["builtin", "clamav", "clamav-2"]
    assert over_tcp["signature_version"].startswith("ClamAV ")
    assert (over_unix["up"], over_unix["stale"], over_unix["signature_age_seconds"]) == (True, False, None)


async def test_a_fingerprint_stops_its_attachment_at_once_and_lets_it_go_when_it_is_deleted(
    antivirus: Antivirus,
) -> None:
    mail = a_message(attachments={"invoice.pdf": INVOICE})
    assert not (await antivirus.scan(mail))["infected"]
    made = await antivirus.call(
        "POST", "/v1/fingerprints", json={"sha256": DIGEST, "verdict": "bad", "name": "Fraud.Invoice"}, expect=201
    )
    assert (made["sha256"], made["verdict"]) == (DIGEST, "bad")
    queue, envelope = await antivirus.outcome(await antivirus.send(mail))
    assert (queue, envelope.quarantine_reason) == (QUARANTINE, "virus: Fraud.Invoice")
    assert (await antivirus.scan(zipped({"invoice.pdf": INVOICE})))["infected"]
    await antivirus.call("DELETE", f"/v1/fingerprints/{DIGEST}", expect=204)
    assert not (await antivirus.scan(mail))["infected"]


async def test_a_fingerprint_of_spam_is_left_to_antispam(antivirus: Antivirus) -> None:
    await antivirus.call("POST", "/v1/fingerprints", json={"sha256": DIGEST, "verdict": "spam"}, expect=201)
    queue, envelope = await antivirus.outcome(await antivirus.send(a_message(attachments={"a.pdf": INVOICE})))
    assert queue == ANTISPAM
    assert ("antivirus", "fingerprint", "spam") in [(f.stage, f.name, f.outcome) for f in envelope.findings]


async def test_other_processes_hear_of_a_new_fingerprint(start: Start) -> None:
    one, other = await start(), await start()
    await one.call("POST", "/v1/fingerprints", json={"sha256": DIGEST, "verdict": "bad"}, expect=201)
    await answer_when(lambda: other.scan(INVOICE), lambda answer: answer["infected"])


async def test_a_fingerprint_whose_event_was_lost_counts_after_a_while(start: Start, mongo: Mongo) -> None:
    antivirus = await start(fingerprint_refresh_period=timedelta(milliseconds=50))
    entry = {"_id": DIGEST, "verdict": "bad", "name": "", "note": "", "created_at": datetime.now(UTC)}
    await mongo.database("antivirus")["fingerprints"].insert_one(entry)
    answer = await answer_when(lambda: antivirus.scan(INVOICE), lambda answer: answer["infected"])
    assert answer["reason"] == f"virus: Fingerprint.{DIGEST[:16]}"


async def test_known_fingerprints_count_from_the_start(start: Start) -> None:
    await (await start()).call("POST", "/v1/fingerprints", json={"sha256": DIGEST, "verdict": "bad"}, expect=201)
    assert (await (await start()).scan(INVOICE))["infected"]


@pytest.mark.parametrize(
    "body",
    [
        {"sha256": "abc", "verdict": "bad"},
        {"sha256": "g" * 64, "verdict": "bad"},
        {"sha256": DIGEST, "verdict": "odd"},
        {"sha256": DIGEST},
        {"sha256": DIGEST, "verdict": "bad", "name": "x" * 101},
    ],
)
async def test_a_wrong_fingerprint_is_refused(antivirus: Antivirus, body: dict[str, str]) -> None:
    await antivirus.call("POST", "/v1/fingerprints", json=body, expect=422)


async def test_creating_twice_is_once_and_another_verdict_is_a_conflict(antivirus: Antivirus) -> None:
    for expect, digest in ((201, DIGEST), (200, DIGEST.upper())):
        await antivirus.call("POST", "/v1/fingerprints", json={"sha256": digest, "verdict": "bad"}, expect=expect)
    await antivirus.call("POST", "/v1/fingerprints", json={"sha256": DIGEST, "verdict": "spam"}, expect=409)
    assert (await antivirus.call("GET", f"/v1/fingerprints/{DIGEST}"))["verdict"] == "bad"


async def test_a_fingerprint_that_is_not_there_is_not_found(antivirus: Antivirus) -> None:
    await antivirus.call("GET", f"/v1/fingerprints/{DIGEST}", expect=404)
    await antivirus.call("DELETE", f"/v1/fingerprints/{DIGEST}", expect=404)
    await antivirus.call("GET", "/v1/fingerprints/abc", expect=422)


async def test_fingerprints_are_listed_page_by_page(antivirus: Antivirus) -> None:
    digests = sorted(sha256(bytes([n])).hexdigest() for n in range(5))
    for n, digest in enumerate(digests):
        body = {"sha256": digest, "verdict": "spam" if n == 2 else "bad"}
        await antivirus.call("POST", "/v1/fingerprints", json=body, expect=201)
    found, after = [], None
    while True:
        page = await antivirus.call(
            "GET", "/v1/fingerprints", params={"limit": 2, **({"after": after} if after else {})}
        )
        found += [item["sha256"] for item in page["items"]]
        if (after := page["next"]) is None:
            break
    assert found == digests
    page = await antivirus.call("GET", "/v1/fingerprints", params={"verdict": "spam"})
    assert [item["sha256"] for item in page["items"]] == [digests[2]]


async def test_attachments_are_counted_and_so_are_messages(start: Start) -> None:
    antivirus = await start(statistics_write_period=timedelta(milliseconds=50))
    for n in range(3):
        await antivirus.outcome(await antivirus.send(a_message(b"%d" % n, attachments={"a.pdf": INVOICE})))
    await antivirus.outcome(await antivirus.send(a_message(attachments={"x.com": EICAR, "b.txt": b"once"})))
    expected = {
        ("message", "pass"): 3,
        ("message", "quarantine"): 1,
        ("virus", "Eicar-Test-Signature"): 1,
        ("finding", "dangerous_name"): 1,
    }
    await answer_when(
        lambda: antivirus.call("GET", "/v1/statistics"),
        lambda page: {(day["what"], day["name"]): day["count"] for day in page["items"]} == expected,
    )
    page = await antivirus.call("GET", "/v1/attachments", params={"limit": 1})
    assert [(item["sha256"], item["size_bytes"], item["seen"]) for item in page["items"]] == [(DIGEST, len(INVOICE), 3)]
    rest = await antivirus.call("GET", "/v1/attachments", params={"after": page["next"]})
    assert sorted(item["size_bytes"] for item in rest["items"]) == [len(b"once"), len(EICAR)]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/statistics", {"since": "2026-01-02", "until": "2026-01-01"}),
        ("/v1/statistics", {"since": "2000-01-01", "until": "2026-01-01"}),
        ("/v1/statistics", {"since": "yesterday"}),
        ("/v1/attachments", {"after": "not a cursor"}),
        ("/v1/fingerprints", {"limit": 0}),
    ],
)
async def test_wrong_questions_get_a_clear_answer(antivirus: Antivirus, path: str, params: dict[str, str]) -> None:
    await antivirus.call("GET", path, params=params, expect=422)
