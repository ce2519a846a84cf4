"""Arguments of MAIL and RCPT: the path, then ESMTP parameters (RFC 5321 4.1.2) of the extensions that EHLO offers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from libs.mail import replies, xtext
from libs.mail.address import InvalidAddress, NeedsSmtputf8, Path, parse_path
from libs.mail.replies import Reply
from services.ingress.domain.refusal import CommandRefused

# RFC 5321 4.1.1: blanks belong between the parts only. Honest senders put them around the colon and inside the
# brackets, and old appliances leave the brackets out. `parse_path` judges what is between them.
_ARGUMENT = re.compile(
    r"""(from|to)[ \t]*+:[ \t]*+
        (?: <[ \t]*+ ( (?:"(?:[^"\\]|\\.)*+"|[^">])*+ ) > | ( (?:"(?:[^"\\]|\\.)*+"|[^"<> \t])++ ) )
        ( (?:[ \t].*)? )""",
    re.IGNORECASE | re.VERBOSE,
)
# RFC 5321 4.1.2 allows no `=` in a value; identifiers in base64 contain it nevertheless.
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([^\x00- \x7f]*+))?")
_ORCPT = re.compile(r"([A-Za-z0-9-]{1,64});(.+)")
_NOTIFY_WORDS: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})

# The same addresses occur again and again.
_parse = lru_cache(maxsize=8192)(parse_path)

_MAX_ENVID = 100  # RFC 3461 4.4
_MAX_ORCPT = 500  # RFC 3461 4.2

_MAX_AUTH = 500  # RFC 4954 5

_BAD_ORCPT = replies.BAD_ARGUMENTS.because("ORCPT is a type, a semicolon and an address in xtext")
_BAD_BODY = replies.BAD_ARGUMENTS.because("BODY is 7BIT or 8BITMIME")
_SYNTAX = {
    "FROM:": replies.BAD_ARGUMENTS.because("Syntax: MAIL FROM:<address> [parameters]"),
    "TO:": replies.BAD_ARGUMENTS.because("Syntax: RCPT TO:<address> [parameters]"),
}
_BAD_PATH = {
    "FROM:": Reply(553, "5.1.7", "The sender's address is malformed"),
    "TO:": Reply(553, "5.1.3", "The recipient's address is malformed"),
}


@dataclass(frozen=True, slots=True)
class MailArguments:
    """`MAIL FROM:<path> SIZE= BODY= SMTPUTF8 RET= ENVID= AUTH=`. `size_bytes` is 0 without SIZE.

    `envid` is decoded; `body_type` is empty without BODY and for 7BIT.
    """

    path: Path
    size_bytes: int = 0
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    body_type: str = ""


@dataclass(frozen=True, slots=True)
class RcptArguments:
    """`RCPT TO:<path> NOTIFY= ORCPT=`."""

    path: Path
    notify: tuple[str, ...] = ()
    orcpt: str = ""


def mail_arguments(text: str, *, extended: bool) -> MailArguments:
    """Parse the argument of MAIL. Raises `CommandRefused`."""
    path_text, parameters = _split("FROM:", text, extended=extended)
    smtputf8 = _flag(parameters, "SMTPUTF8")
    path = _path("FROM:", path_text, smtputf8=smtputf8)
    if not parameters:
        return MailArguments(path)
    arguments = MailArguments(
        path=path,
        size_bytes=_size(parameters.pop("SIZE", None)),
        smtputf8=smtputf8,
        ret=_one_of(parameters, "RET", ("FULL", "HDRS")),
        envid=_xtext(parameters, "ENVID", limit=_MAX_ENVID),
        body_type=_body_type(parameters),
    )
    # RFC 4954 5: accepted and ignored, since no peer is trusted to name another sender. Some send it without a value.
    if len(parameters.pop("AUTH", None) or "") > _MAX_AUTH:
        raise CommandRefused(replies.BAD_ARGUMENTS)
    parameters.pop("SMTPUTF8", None)
    _refuse_unknown(parameters)
    return arguments


def rcpt_arguments(text: str, *, extended: bool, smtputf8: bool) -> RcptArguments:
    """Parse the argument of RCPT. Raises `CommandRefused`."""
    path_text, parameters = _split("TO:", text, extended=extended)
    path = _path("TO:", path_text, smtputf8=smtputf8)
    if not parameters:
        return RcptArguments(path)
    arguments = RcptArguments(path, notify=_notify(parameters), orcpt=_orcpt(parameters, smtputf8=smtputf8))
    _refuse_unknown(parameters)
    return arguments


def _split(keyword: str, text: str, *, extended: bool) -> tuple[str, dict[str, str | None]]:
    match = _ARGUMENT.fullmatch(text)
    if match is None or f"{match[1].upper()}:" != keyword:
        raise CommandRefused(_SYNTAX[keyword])
    path, rest = match[3] if match[2] is None else match[2].rstrip(" \t"), match[4]
    if "\t" in path:
        raise CommandRefused(replies.BAD_CHARACTERS)
    parameters = _parameters(keyword, rest) if rest else {}
    if parameters and not extended:  # RFC 5321 2.2.1: without EHLO there are no extensions
        raise CommandRefused(replies.UNKNOWN_PARAMETER)
    return path, parameters


def _parameters(keyword: str, text: str) -> dict[str, str | None]:
    """Return the parameters by name. Repeated ones must be equal; of several SIZE the largest counts."""
    parameters: dict[str, str | None] = {}
    for word in text.split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None:
            raise CommandRefused(_SYNTAX[keyword])
        name, value = parameter[1].upper(), parameter[2]
        if name == "SIZE" and parameters.get(name) is not None:
            value = str(max(_size(value), _size(parameters[name])))
        elif parameters.get(name, value) != value:
            raise CommandRefused(_SYNTAX[keyword])
        parameters[name] = value
    return parameters


def _path(keyword: str, text: str, *, smtputf8: bool) -> Path:
    try:
        return _parse(text, smtputf8=smtputf8, root_dot=keyword == "FROM:")
    except NeedsSmtputf8:
        raise CommandRefused(replies.SMTPUTF8_NEEDED) from None
    except InvalidAddress as error:
        raise CommandRefused(_BAD_PATH[keyword].because(f"{_BAD_PATH[keyword].text}: {error}")) from None


def _size(value: str | None) -> int:
    """Parse SIZE (RFC 1870 4): at most 20 digits."""
    if value is None:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise CommandRefused(replies.BAD_ARGUMENTS)
    return int(value)


def _flag(parameters: Mapping[str, str | None], name: str) -> bool:
    if parameters.get(name) is not None:
        raise CommandRefused(replies.BAD_ARGUMENTS.because(f"{name} takes no value"))
    return name in parameters


def _text(parameters: dict[str, str | None], name: str, *, default: str = "") -> str:
    if name not in parameters:
        return default
    value = parameters.pop(name)
    if value is None:
        raise CommandRefused(replies.BAD_ARGUMENTS.because(f"{name} needs a value"))
    return value


def _one_of(parameters: dict[str, str | None], name: str, allowed: tuple[str, ...]) -> str:
    value = _text(parameters, name).upper()
    if value and value not in allowed:
        raise CommandRefused(replies.BAD_ARGUMENTS.because(f"{name} is {' or '.join(allowed)}"))
    return value


def _body_type(parameters: dict[str, str | None]) -> str:
    """Parse BODY (RFC 6152 3)."""
    value = _text(parameters, "BODY", default="7BIT").upper()
    if value not in ("7BIT", "8BITMIME"):
        raise CommandRefused(_BAD_BODY)
    return "" if value == "7BIT" else value


def _xtext(parameters: dict[str, str | None], name: str, *, limit: int) -> str:
    """Decode a parameter in xtext (RFC 3461 4)."""
    value = _text(parameters, name)
    if not value:
        return ""
    decoded = xtext.decode(value)
    if len(value) > limit or not value.isascii() or not decoded.isprintable():
        raise CommandRefused(replies.BAD_ARGUMENTS.because(f"{name} is xtext of at most {limit} characters"))
    return decoded


def _notify(parameters: dict[str, str | None]) -> tuple[str, ...]:
    """Parse NOTIFY (RFC 3461 4.1): NEVER, or a list of the others."""
    value = _text(parameters, "NOTIFY").upper()
    words = tuple(dict.fromkeys(value.split(","))) if value else ()
    if words != ("NEVER",) and not _NOTIFY_WORDS.issuperset(words):
        raise CommandRefused(replies.BAD_ARGUMENTS.because("NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY"))
    return words


def _orcpt(parameters: dict[str, str | None], *, smtputf8: bool) -> str:
    """Parse and decode ORCPT (RFC 3461 4.2): `type;address`.

    Of an address beyond ASCII (RFC 6533 3) the ASCII form is kept, in which any host can receive the report.
    """
    value = _text(parameters, "ORCPT")
    if not value:
        return ""
    match = _ORCPT.fullmatch(value)
    if match is None or len(value) > _MAX_ORCPT or not (value.isascii() or smtputf8):
        raise CommandRefused(_BAD_ORCPT)
    kind, address = match[1], xtext.decode(match[2])
    if kind.lower() == "utf-8":
        address = "".join(c if c.isascii() else rf"\x{{{ord(c):X}}}" for c in address)
    if not address.isprintable():
        raise CommandRefused(_BAD_ORCPT)
    return f"{kind};{address}"


def _refuse_unknown(parameters: Mapping[str, str | None]) -> None:
    if parameters:
        raise CommandRefused(replies.UNKNOWN_PARAMETER)
