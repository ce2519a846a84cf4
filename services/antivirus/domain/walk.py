"""The way through a content and all that is in it, one for every engine that has to open things itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.antivirus.domain.budget import ArchiveLimits, Budget, LimitExceeded, NeedsThread
from services.antivirus.domain.containers import OPENERS
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.file_formats import CONTAINERS, FileFormat

Found = ScanContent | Detection


def light(content: ScanContent, limits: ArchiveLimits) -> Sequence[Found] | None:
    """As `walk`, all at once, if nothing but one message has to be taken apart in one way; None otherwise.

    Unpacking is no work for the event loop, and what comes out need not fit into memory all at once.
    """
    try:
        return list(walk(content, Budget(limits, light=True)))
    except NeedsThread:
        return None


def walk(content: ScanContent, budget: Budget, *, depth: int = 0) -> Iterator[Found]:
    """`content`, then everything in it, with what its structure shows. Holds one chain of containers in memory.

    `depth` counts what had to be opened so far, the message apart. What is beyond the budget is a detection, and the
    rest goes on.
    """
    yield content
    for form in content.forms:
        if form in CONTAINERS:
            yield from _opened(content, form, budget, depth + (content.message is None))


def _opened(content: ScanContent, form: FileFormat, budget: Budget, depth: int) -> Iterator[Found]:
    try:
        if content.message is None:
            budget.heavy()
        budget.enter(depth)
        for found in OPENERS[form](content, budget):
            if isinstance(found, Detection):
                yield found
            else:
                yield from walk(found, budget, depth=depth)
    except LimitExceeded as limit:
        yield detection(DetectionKind.ARCHIVE_LIMIT, str(limit))
