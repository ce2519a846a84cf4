"""Whether octets are a message: a file that was attached says so by its name or type, or by how it starts."""

import re

_FIELD = rb"[!-9;-~]{1,76}[ \t]*:"
# Fields with which mail starts. That of other texts may start with a colon word too, so a second line must fit.
_NAMES = (
    rb"Received|Return-Path|Delivered-To|Envelope-To|From|Date|Message-ID|MIME-Version|Subject|To|Cc|Bcc|Sender"
    rb"|Content-[!-9;-~]{1,60}|Reply-To|Errors-To|Precedence|References|In-Reply-To|Thread-[!-9;-~]{1,60}|Importance"
    rb"|Authentication-Results|Received-SPF|DKIM-[!-9;-~]{1,60}|DomainKey-Signature|ARC-[!-9;-~]{1,60}|User-Agent"
    rb"|List-[!-9;-~]{1,60}|Resent-[!-9;-~]{1,60}|Auto-Submitted|Organization|Comments|Keywords|X-[!-9;-~]{1,60}"
)
_START = re.compile(
    rb"(?:>?From [^\n]{0,998}\n)?(?:" + _NAMES + rb")[ \t]*:[^\n]{0,998}\n(?:" + _FIELD + rb"|[ \t]|\r?\n)",
    re.IGNORECASE,
)
_REACH = 64 * 1024
_FILE_NAMES = (".eml", ".mht", ".mhtml", ".nws", ".email")
_LEADING = b"\r\n\t \0\xef\xbb\xbf"


def message_in(octets: bytes, *, name: str = "", declared_type: str = "") -> bytes | None:
    """The octets from where the message starts; None if they are none."""
    declared = declared_type.startswith("message/") or name.lower().rstrip(". ").endswith(_FILE_NAMES)
    if not declared and not (b":" in octets[:1024] and (_START.match(octets) or _has_mime_field(octets))):
        return None
    return octets if octets[:1] not in _LEADING else octets.lstrip(_LEADING)


def _has_mime_field(octets: bytes) -> bool:
    """Any line may stand first for a reader that skips lines without a field; these fields describe the body."""
    start = octets[:_REACH].lower()
    return b"\ncontent-type:" in start or b"\ncontent-transfer-encoding:" in start
