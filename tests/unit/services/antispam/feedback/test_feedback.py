"""Moves into and out of Junk become training samples and complaints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

import pytest

from libs.envelope import Temporary
from libs.events import JunkMoved
from libs.mail.originals import Original
from services.antispam.feedback.feedback import Feedback
from services.antispam.learning.model import MailClass
from services.antispam.learning.samples import TrainingSample
from services.antispam.reputation.complaints import ComplaintSubject
from tests.specimens.antispam import NOW, a_message

MAILBOX = "marie@example.org"
FIELDS = (
    "Return-Path: <spam@elsewhere.example>\r\n"
    "Received: from mx.elsewhere.example by mx.example.org with {protocol} id 1; Thu, 01 Jan 2026 11:00:00 +0000\r\n"
    "X-Facteur-Peer: 192.0.2.1\r\n"
    "X-Facteur-Envelope-From: <spam@elsewhere.example>\r\n"
    "X-Facteur-Envelope-To: <marie@example.org>\r\n"
)
SUBJECTS = (
    ComplaintSubject("sender", "spam@elsewhere.example"),
    ComplaintSubject("domain", "elsewhere.example"),
    ComplaintSubject("peer", "192.0.2.1"),
)


def delivered(protocol: str = "ESMTPS") -> bytes:
    return FIELDS.format(protocol=protocol).encode() + a_message()


class Cluster:
    """A learner, complaints and mailboxes in memory."""

    def __init__(self, messages: dict[str, bytes] | None = None) -> None:
        self.messages = messages or {}
        self.samples: list[TrainingSample] = []
        self.complaints: list[tuple[str, Sequence[ComplaintSubject], str]] = []

    async def learn(self, sample: TrainingSample) -> MailClass | None:
        self.samples.append(sample)
        return None

    async def complain(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None:
        self.complaints.append(("complain", tuple(subjects), complainant))

    async def withdraw(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None:
        self.complaints.append(("withdraw", tuple(subjects), complainant))

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        if id == "unreachable":
            raise Temporary("store is away")
        return self.messages.get(id)

    def feedback(self, moves_train: Literal["domain", "all", "none"] = "domain") -> Feedback:
        return Feedback(learner=self, complaints=self, messages=self, moves_train=moves_train, clock=lambda: NOW)


@pytest.mark.parametrize(("spam", "kind", "verb"), [(True, "spam", "complain"), (False, "ham", "withdraw")])
async def test_a_move_trains_with_the_message_as_it_was_received_and_is_a_complaint(
    spam: bool, kind: MailClass, verb: str
) -> None:
    cluster = Cluster({"1": delivered()})
    await cluster.feedback().junk_moved(JunkMoved(mailbox=MAILBOX, ids=["1"], spam=spam))
    [sample] = cluster.samples
    assert (sample.scope, sample.digest, sample.kind) == ("example.org", sha256(a_message()).hexdigest(), kind)
    assert cluster.complaints == [(verb, SUBJECTS, MAILBOX)]


@pytest.mark.parametrize(("moves_train", "scopes"), [("domain", ["example.org"]), ("all", ["default"]), ("none", [])])
async def test_a_setting_chooses_the_statistics_that_learn_from_moves(
    moves_train: Literal["domain", "all", "none"], scopes: list[str]
) -> None:
    cluster = Cluster({"1": delivered()})
    await cluster.feedback(moves_train).junk_moved(JunkMoved(mailbox=MAILBOX, ids=["1"], spam=True))
    assert [sample.scope for sample in cluster.samples] == scopes
    assert len(cluster.complaints) == 1


async def test_deleted_messages_and_mail_of_local_users_teach_nothing() -> None:
    cluster = Cluster({"own": delivered("ESMTPSA")})
    await cluster.feedback().junk_moved(JunkMoved(mailbox=MAILBOX, ids=["deleted", "own"], spam=True))
    assert (cluster.samples, cluster.complaints) == ([], [])


async def test_a_message_that_cannot_be_read_now_does_not_keep_the_others_and_is_tried_again() -> None:
    cluster = Cluster({"1": delivered()})
    with pytest.raises(Temporary, match="away"):
        await cluster.feedback().junk_moved(JunkMoved(mailbox=MAILBOX, ids=["unreachable", "1"], spam=True))
    assert len(cluster.samples) == 1


async def test_a_message_without_a_sender_and_a_peer_is_no_complaint() -> None:
    cluster = Cluster()
    await cluster.feedback().record_complaint(Original(a_message()), "spam", complainant=MAILBOX)
    assert cluster.complaints == []


async def test_unlearning_withdraws_the_complaint() -> None:
    cluster, original = Cluster(), Original(a_message(), sender="spam@elsewhere.example", peer="192.0.2.1")
    await cluster.feedback().train(original, None, scope="default")
    await cluster.feedback().record_complaint(original, None, complainant=MAILBOX)
    assert [sample.kind for sample in cluster.samples] == [None]
    assert cluster.complaints == [("withdraw", SUBJECTS, MAILBOX)]
