"""The page of settings: each variable with its type in words, its default, its sentence."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.settings import ServiceSettings
from services import SERVICES
from tools.reference.source import table

HEAD = """# Settings

Every setting is an environment variable, or a key of the TOML file that `FACTEUR_CONFIG` names. The first of these
that is there counts:

1. `FACTEUR_ROUTER_HOSTNAME`: the variable of one service,
2. `FACTEUR_HOSTNAME`: the variable of all services (common settings only),
3. `hostname` in the table `[router]` of the file,
4. `hostname` at the top of the file (common settings only),
5. the default.

A wrong or unknown setting ends the start with one line. `python -m services.router --help` prints the same lists.

**How values are written.** Text, numbers, `true` and `false` as they are. Lists and tables as JSON in a variable
(`'["127.0.0.1", "::1"]'`), as TOML in the file. **Durations** are a number of seconds (`90`, `0.5`), `HH:MM:SS`
(`00:05:00`), days with or without a time (`4d`, `4d 12:00:00`), or ISO 8601 (`PT5M`, `P4D`); `5m` and `1h` are not
understood. Sizes are bytes.
"""

WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    timedelta: "duration",
    SecretStr: "secret text",
    IPv4Address: "address",
    IPv6Address: "address",
    IPv4Network: "network",
    IPv6Network: "network",
    type(None): "none",
}


def page(root: Path) -> str:
    """Return the page: the common settings, then those of each service."""
    common = ServiceSettings.model_fields
    parts = [HEAD, "## Common to all services\n", _table("FACTEUR_", common.items()) + "\n"]
    for service in SERVICES:
        kind: type[ServiceSettings] = importlib.import_module(f"services.{service}.app").Settings
        own = [(name, field) for name, field in kind.model_fields.items() if name not in common]
        parts += [f"## {service}\n", _table(f"FACTEUR_{service.upper()}_", own) + "\n"]
    return "\n".join(parts)


def _table(prefix: str, fields: Iterable[tuple[str, FieldInfo]]) -> str:
    rows = [
        (f"`{prefix}{name.upper()}`", _words(field), _default(field), field.description or "") for name, field in fields
    ]
    return table(("variable", "type", "default", "what it does"), rows)


def _words(field: FieldInfo) -> str:
    bounds = [words for each in field.metadata if (words := _bound(each))]
    return ", ".join([in_words(field.annotation), *bounds])


def in_words(kind: Any) -> str:
    """Return a type as an operator reads it."""
    if kind in WORDS:
        return WORDS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return in_words(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{each}`" for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(in_words(each) for each in arguments))
    if origin in (tuple, list, set, frozenset):
        return "list of " + ", ".join(dict.fromkeys(in_words(each) for each in arguments if each is not Ellipsis))
    if origin is dict or (isinstance(origin, type) and issubclass(origin, typing.Mapping)):
        return f"table of {in_words(arguments[1])} by {in_words(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inside = [f"`{name}` ({in_words(field.annotation)})" for name, field in kind.model_fields.items()]
        return "table of " + ", ".join(inside)
    return "text"


def _bound(limit: object) -> str:
    match limit:
        case Ge(ge=value):
            return f"at least {value}"
        case Gt(gt=value):
            return f"above {value}"
        case Le(le=value):
            return f"at most {value}"
        case Lt(lt=value):
            return f"below {value}"
        case MinLen(min_length=value):
            return f"at least {value}"
        case MaxLen(max_length=value):
            return f"at most {value} long"
    return ""


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "see its sentence" if field.default_factory is not None else "must be set"
    return _shown(field.default)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "none"
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, BaseModel):
        return ", ".join(f"`{name}` {_shown(getattr(value, name))}" for name in type(value).model_fields)
    if isinstance(value, dict):
        return "; ".join(f"`{name}`: {_shown(each)}" for name, each in value.items()) or "none"
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(_shown(each) for each in value) or "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "none" if value in (None, "") else f"`{value}`"


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
