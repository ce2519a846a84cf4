"""The evaluation: the fields that it removes from messages, its folds, its counts."""

import io
import tarfile
from hashlib import sha1
from pathlib import Path

from tools.evaluation.corpus import Specimen, even_half, without_notes, without_routing
from tools.evaluation.learning import learned_without
from tools.evaluation.measures import Judged, by_digest

COLLECTED = b"""From someone Mon Jan  1 00:00:00 2024
Return-Path: <a@example.org>
Delivered-To: collector@localhost
Received: from localhost
\tby localhost
Received: from fetchmail
Received: from peer by collector
Received: from sender by peer
X-Spam-Status: Yes,
\tscore=9
X-Mailman-Version: 2
Subject: hello

Received: this is text
"""


def a_specimen(digest: str, *, spam: bool, raw: bytes = b"") -> Specimen:
    return Specimen(digest, spam, raw)


def test_notes_of_the_collectors_go_and_the_rest_stays_octet_for_octet() -> None:
    raw = without_notes(a_specimen("00", spam=True, raw=COLLECTED)).raw
    assert raw.startswith(b"Return-Path: <a@example.org>\nDelivered-To")
    assert raw.endswith(b"Received: from sender by peer\nSubject: hello\n\nReceived: this is text\n")


def test_without_routing_the_first_hops_go_too() -> None:
    raw = without_routing(a_specimen("00", spam=True, raw=COLLECTED)).raw
    assert raw == b"Received: from sender by peer\nSubject: hello\n\nReceived: this is text\n"


def test_the_odd_half_is_never_given(tmp_path: Path) -> None:
    contents = [b"message %d" % number for number in range(20)]
    with tarfile.open(tmp_path / "corpus.tgz", "w:gz") as package:
        for number, content in enumerate(contents):
            member = tarfile.TarInfo(f"package/data/{'spam-1' if number < 10 else 'easy-ham-1'}/{number}.txt")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    given = list(even_half(tmp_path / "corpus.tgz"))
    assert {one.raw for one in given} == {raw for raw in contents if sha1(raw).hexdigest()[-1] in "02468ace"}
    assert all(one.spam == (contents.index(one.raw) < 10) for one in given)


def test_recall_allows_so_many_false_positives_and_no_more() -> None:
    judged = Judged(spam=[5.0, 3.0, 1.0, -1.0], ham=[4.0, 2.0, *[-5.0] * 998])
    assert judged.recall(0.0) == 0.25
    assert judged.recall(0.001) == 0.5
    assert judged.recall(0.002) == 1.0


def test_a_fold_is_not_learned_by_who_judges_it() -> None:
    corpus = [a_specimen(f"{number:08x}", spam=number % 2 == 0) for number in range(30)]
    tokens = [frozenset((one.digest,)) for one in corpus]
    folds = by_digest(corpus)
    learned, lessons = learned_without(0, corpus, tokens, folds)
    assert set(learned.tokens) == {one.digest for one, fold in zip(corpus, folds, strict=True) if fold != 0}
    assert lessons == 40  # too little to be sure of anything: each is learned at both looks
