"""Octets that are no text, wherever a stranger may put them: what is found travels in JSON, in BSON and in headers."""

from __future__ import annotations

import bson
import orjson
import pytest

from libs.envelope import Peer
from libs.mail.originals import original_of
from services.antispam.chain import CHAIN
from services.antispam.filtering.authentication_results import authentication_results_of
from services.antispam.filtering.runner import Runner
from services.antispam.filtering.steps import plan
from services.antispam.filtering.verdicts import verdict_of
from services.antispam.policy.policy import DEFAULT_POLICY
from services.antispam.reputation.complaints import subjects_of
from services.antispam.reputation.greylist import Triplet
from tests.specimens.antispam import a_context, a_view

FOREIGN = ("\udcff", "\ud800", "\u00e9\x00", "\x1b[31m", "\u202e", "\r\nX-Spam-Flag: NO")
RAW = (
    b"Return-Path: <\xff@b\xff.example>\r\nFrom: \xff\xfe <a@b\xff.example>\r\nSubject: =?utf-7?q?+2AA-?= \xff\r\n"
    b"Date: \xff\r\nMessage-ID: \xff\r\nReceived: from \xff by \xff\r\nARC-Seal: i=1; \xff\r\n"
    b"DKIM-Signature: v=1; a=\xff; d=\xff; s=\xff; h=from; bh=\xff; b=\xff\r\n"
    b"X-Facteur-Envelope-From: <\xff@b\xff.example>\r\nX-Facteur-Peer: \xff\r\nX-Facteur-Envelope-To: x\r\n"
    b'Content-Type: text/plain; charset=utf-7; name="\xff"\r\n\r\n\xff +2AA- http://\xff.example/\r\n'
)


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_a_verdict_can_be_written_down_whatever_a_stranger_said(foreign: str) -> None:
    peer = Peer(address="192.0.2.1", helo=f"x{foreign}.example")
    view = a_view(RAW, peer=peer, mail_from=f"a{foreign}@b{foreign}.example")
    judgement = await Runner(CHAIN).run(view, a_context(), plan(CHAIN, DEFAULT_POLICY))
    verdict = verdict_of(judgement, DEFAULT_POLICY).model_dump(mode="json")
    assert orjson.loads(orjson.dumps(verdict)) == verdict
    assert bson.decode(bson.encode(verdict)) == verdict
    results = authentication_results_of(view)
    assert results is not None
    assert results.isascii()
    assert results.isprintable()
    assert [result.step.name for result in judgement.results if result.report.outcome == "error"] == []
    assert len(Triplet("192.0.2.0/24", view.sender, f"m{foreign}@example.org").key) == 32


def test_what_is_complained_about_can_be_written_down() -> None:
    original = original_of(RAW)
    subjects = [{"kind": each.kind, "value": each.value} for each in subjects_of(sender=original.sender, peer="\udcff")]
    assert bson.encode({"subjects": subjects})
    view = a_view(RAW)
    assert bson.encode({"digest": view.digest, "tokens": sorted(view.tokens), "authors": view.authors})
