"""Query and path parameters of every route, looked at before the route is: none that does not exist, none twice.

The framework ignores a parameter that it does not know, takes the last of two, reads `1.0`, ` 1` and `1_0` as numbers,
`on` as a boolean and `20261127` as a moment. A search with a misspelt criterion would answer with everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import ParamTypes
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from libs.http.requests import GREATEST_INTEGER, LEAST_INTEGER

_INTEGER = re.compile(r"-?[0-9]{1,19}")
# RFC 3339 5.6, with the zone that makes it a moment.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class QueryModel(BaseModel):
    """The base of models that stand for a whole query."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def whole_number(text: str) -> int:
    """Decimal digits within 64 bits. Raises `ValueError`."""
    if not _INTEGER.fullmatch(text) or not LEAST_INTEGER <= int(text) <= GREATEST_INTEGER:
        raise ValueError("a whole number within 64 bits is needed")
    return int(text)


def moment(text: str) -> datetime:
    """A date and time of RFC 3339 with its zone, in UTC and to the millisecond. Raises `ValueError`."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("a date and time with a zone is needed, as in 2026-11-27T08:00:00Z (RFC 3339)")
    try:
        return to_milliseconds(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError("there is no such moment in the calendar") from None


def day(text: str) -> date:
    """A full date of RFC 3339. Raises `ValueError`."""
    if not _DAY.fullmatch(text):
        raise ValueError("a date is needed, as in 2026-11-27 (RFC 3339)")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None


def to_milliseconds(given: datetime) -> datetime:
    """Truncate to milliseconds, as MongoDB does: the moment in the answer is the moment that is read later."""
    return given.replace(microsecond=given.microsecond // 1000 * 1000)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false is needed")
    return text == "true"


_FORMS: Mapping[Any, Callable[[str], object]] = {
    int: whole_number,
    bool: _boolean,
    datetime: moment,
    AwareDatetime: moment,
    date: day,
}


@dataclass(frozen=True, slots=True)
class _Known:
    """A parameter of the query or the path: whether it may be there often, and what its text must look like."""

    repeats: bool
    form: Callable[[str], object] | None


class Parameters:
    """What the query and the path of one route may hold."""

    def __init__(self, dependant: Dependant) -> None:
        fields = [(field.alias, field.field_info) for field in get_flat_params(dependant)]
        self._query = dict(_known(fields, ParamTypes.query))
        self._path = dict(_known(fields, ParamTypes.path))

    def check(self, request: Request) -> None:
        """Raises `RequestValidationError` that names each error."""
        errors = [*self._errors_of_query(request), *self._errors_of_path(request)]
        if errors:
            raise RequestValidationError(errors)

    def _errors_of_query(self, request: Request) -> Iterable[dict[str, Any]]:
        if not request.scope["query_string"]:
            return
        if not _is_text(request.scope["query_string"]):
            yield _error(("query",), "the query has a NUL or is not UTF-8")
        seen: set[str] = set()
        for name, value in request.query_params.multi_items():
            known = self._query.get(name)
            if known is None:
                yield _error(("query", name[:100]), "there is no such parameter")
            elif name in seen and not known.repeats:
                yield _error(("query", name), "the parameter is there twice")
            else:
                yield from _misfit(("query", name), known, value)
            seen.add(name)

    def _errors_of_path(self, request: Request) -> Iterable[dict[str, Any]]:
        if not _is_text(request.scope.get("raw_path") or b""):
            yield _error(("path",), "the path has a NUL or is not UTF-8")
        for name, value in request.path_params.items():
            if name in self._path and isinstance(value, str):
                yield from _misfit(("path", name), self._path[name], value)


def _known(fields: Iterable[tuple[str, FieldInfo]], where: ParamTypes) -> Iterable[tuple[str, _Known]]:
    for name, field in fields:
        if getattr(field, "in_", ParamTypes.query) is where:
            kinds = set(_kinds(field.annotation))
            forms = [form for kind, form in _FORMS.items() if kind in kinds]
            yield name, _Known(bool(kinds & {list, set, tuple, frozenset}), forms[0] if len(forms) == 1 else None)


def _kinds(annotation: Any) -> Iterable[Any]:
    """The types that an annotation stands for: those of a union, and the list of a list."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for argument in get_args(annotation):
            if argument is not NoneType:
                yield from _kinds(argument)
    elif origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    else:
        yield origin or annotation


def _misfit(loc: tuple[str, ...], known: _Known, value: str) -> Iterable[dict[str, Any]]:
    if known.form is None or known.repeats:
        return
    try:
        known.form(value)
    except ValueError as error:
        yield _error(loc, str(error))


def _is_text(octets: bytes) -> bool:
    """Percent-encoded UTF-8 without NUL; the framework puts U+FFFD in place of what it cannot decode."""
    try:
        return "\0" not in unquote_to_bytes(octets).decode()
    except UnicodeDecodeError:
        return False


def _error(loc: tuple[str, ...], message: str) -> dict[str, Any]:
    return {"loc": loc, "msg": message}
