"""Detects a message that is damaged in a way that hides content from scanners.

One kind of damage may be an accident, so that several weigh more.

See: RFC 5322 2, RFC 2045.
"""

from __future__ import annotations

from libs.mail.message import Defect
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView
from services.antispam.message.report import MISS, Report, hit

# Eight-bit headers, a missing end boundary and long lines are common in honest mail and say nothing.
_TELLING = frozenset(
    {
        *(Defect.NO_HEADERS, Defect.MISSING_COLON, Defect.TOO_MANY_HEADERS, Defect.HEADERS_TOO_LARGE),
        *(Defect.NUL, Defect.BARE_CR, Defect.TOO_DEEP, Defect.TOO_MANY_PARTS, Defect.DECODED_TOO_LARGE),
        *(Defect.NO_BOUNDARY, Defect.BROKEN_BOUNDARY, Defect.ENCODED_CONTAINER, Defect.DUPLICATE_PARAMETER),
        *(Defect.BAD_BASE64, Defect.UNKNOWN_ENCODING),
    }
)


async def check(mail: MailView, context: FilterContext) -> Report:
    _ = mail.text  # the encodings of the texts are known once they were decoded
    found = [defect for defect in mail.message.defects if defect in _TELLING]
    return hit(", ".join(found), 1.0 if len(found) > 1 else 0.6) if found else MISS
