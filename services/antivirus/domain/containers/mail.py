"""A message: the one on the queue, one forwarded as a file, one in an archive."""

from __future__ import annotations

from collections.abc import Iterator

from libs.mail.defects import Defect
from libs.mail.limits import DEFAULT_LIMITS
from libs.mail.message import Part, parse
from services.antivirus.domain.budget import Budget
from services.antivirus.domain.content import Content, Role
from services.antivirus.domain.sightings import Kind, Sighting, sighting

_MEANING = {
    Defect.TOO_DEEP: Kind.MIME_LIMIT,
    Defect.TOO_MANY_PARTS: Kind.MIME_LIMIT,
    Defect.DECODED_TOO_LARGE: Kind.MIME_LIMIT,
    Defect.TOO_MANY_HEADERS: Kind.MIME_LIMIT,
    Defect.HEADERS_TOO_LARGE: Kind.MIME_LIMIT,
    Defect.PARTIAL_MESSAGE: Kind.PARTIAL,
    Defect.NO_BOUNDARY: Kind.AMBIGUOUS_MIME,
    Defect.DUPLICATE_PARAMETER: Kind.AMBIGUOUS_MIME,
    Defect.ENCODED_CONTAINER: Kind.AMBIGUOUS_MIME,
    Defect.UNKNOWN_ENCODING: Kind.AMBIGUOUS_MIME,
}
# Readers disagree which of two counts, and one of them may be an attachment that the other does not see.
_ONCE = ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition")


def open_mail(content: Content, budget: Budget) -> Iterator[Content | Sighting]:
    """Its leaves decoded, each with what its structure says."""
    message = content.message or parse(content.octets)
    count = 0
    for part in message.parts():
        budget.in_time()
        count += 1
        if part.is_leaf:
            yield _content_of(part)
        for defect in part.defects:
            if defect in _MEANING:
                yield sighting(_MEANING[defect], defect)
            elif defect is Defect.DUPLICATE_HEADER and any(part.headers.count(name) > 1 for name in _ONCE):
                yield sighting(Kind.AMBIGUOUS_MIME, "two fields where one may be")
    if count >= DEFAULT_LIMITS.parts and Defect.TOO_MANY_PARTS in message.defects:
        yield sighting(Kind.MIME_LIMIT, Defect.TOO_MANY_PARTS)


def _content_of(part: Part) -> Content:
    name, declared_type = part.filename, part.content_type
    shown = not name and part.disposition != "attachment" and declared_type in ("text/plain", "text/html")
    return Content(part.body(), name, declared_type, Role.BODY if shown else Role.ATTACHMENT)
