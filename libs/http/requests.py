"""Request bodies: JSON is read strictly, and a member that does not exist is refused.

Python's reader of JSON is lenient: the last of two equal members wins, NaN is a number and numbers have no bounds. Here
each of these is an error of the caller (RFC 8259 4 and 6, RFC 7493 2). No value is turned into one of another type.
"""

from __future__ import annotations

import json
import math
from email.message import Message
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

# What MongoDB, and most readers of our answers, take for a whole number.
LEAST_INTEGER: Final = -(2**63)
GREATEST_INTEGER: Final = 2**63 - 1


class RequestBody(BaseModel):
    """The base of every request body: frozen, strict and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def example(body: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a body with an example for its documentation."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Unreadable(ValueError):
    """The text is not JSON, or is ambiguous; `str()` tells the caller why."""


def check_json(octets: bytes) -> None:
    """Raises `Unreadable` for invalid JSON, and for JSON that two parsers would read in two ways."""
    try:
        json.loads(
            octets.decode(),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"the body is no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None


def validated(adapter: TypeAdapter[Any], octets: bytes) -> Any:
    """Return the JSON in `octets` as the type of `adapter`. Raises `RequestValidationError` that names each field."""
    try:
        check_json(octets)
        document = adapter.validate_json(octets, strict=True)
        if b"\\u0000" in octets:
            _check_texts(document)
    except Unreadable as error:
        raise RequestValidationError([{"loc": ("body",), "msg": str(error)}]) from None
    except ValidationError as error:
        # Half a surrogate pair is no character (RFC 8259 8.2), and found by the validator.
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in found]) from None
    return document


def is_json(request: Request) -> bool:
    """Tell whether the Content-Type of the request is JSON (RFC 6839 3.1)."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    kind, subtype = message.get_content_maintype(), message.get_content_subtype()
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a member of an object is there twice")  # RFC 7493 2.3
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not LEAST_INTEGER <= int(text) <= GREATEST_INTEGER:
        raise Unreadable("a number is beyond 64 bits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Unreadable("a number is beyond 64 bits")
    return number


def _constant(text: str) -> float:
    raise Unreadable(f"{text} is no number in JSON")


def _check_texts(document: Any) -> None:
    """Refuse NUL, which ends names and patterns of MongoDB. Secrets may have it: they are compared and never stored."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, BaseModel):
            waiting += [*value.__dict__.values(), *(value.__pydantic_extra__ or {}).items()]
        elif isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value
        elif isinstance(value, str) and "\0" in value:
            raise Unreadable("a text has a NUL")
