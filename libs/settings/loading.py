"""From environment and TOML to a settings object."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from libs.settings.service import API_PORTS, ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

PREFIX = "FACTEUR_"


class WrongSetting(Exception):
    """A setting that cannot be used; the text is one line for the operator."""


def load(kind: type[S], section: str, environ: Mapping[str, str]) -> S:
    """The settings of the service `section`. Raises `WrongSetting`."""
    given = {**_from_file(kind, section, environ.get("FACTEUR_CONFIG")), **_from_environment(kind, section, environ)}
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise WrongSetting(f"setting {section}.{name}: {first['msg']} (got {_shown(name, first['input'])})") from None


def _from_file(kind: type[S], section: str, path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongSetting(f"settings file {path}: {error}") from None
    shared = {name: value for name, value in content.items() if not isinstance(value, dict) or name in _shared()}
    own = content.get(section, {})
    if not isinstance(own, dict):
        raise WrongSetting(f"settings file {path}: [{section}] is no table")
    for table in content.keys() - shared.keys() - API_PORTS.keys():
        raise WrongSetting(f"settings file {path}: there is no service [{table}]")
    for name in shared.keys() - _shared():
        raise WrongSetting(f"settings file {path}: there is no common setting {name}")
    return {**shared, **own}


def _from_environment(kind: type[S], section: str, environ: Mapping[str, str]) -> dict[str, Any]:
    names = {name.upper(): name for name in kind.model_fields}
    shared: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == "FACTEUR_CONFIG":
            continue
        rest = variable.removeprefix(PREFIX)
        service, _, tail = rest.partition("_")
        if service.lower() == section:
            own[_known(names, tail, variable)] = _value(text)
        elif service.lower() not in API_PORTS:
            if rest.lower() not in _shared():
                raise WrongSetting(f"environment {variable}: there is no such setting")
            shared[rest.lower()] = _value(text)
    return {**shared, **own}


def _known(names: Mapping[str, str], tail: str, variable: str) -> str:
    try:
        return names[tail]
    except KeyError:
        raise WrongSetting(f"environment {variable}: there is no such setting") from None


def _value(text: str) -> Any:
    """Lists and tables are given as JSON; everything else is left to the field's type."""
    if text[:1] in "[{" and text:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _shared() -> set[str]:
    return set(ServiceSettings.model_fields)


def _shown(name: str, value: object) -> str:
    return "***" if any(word in name for word in ("secret", "password", "token", "url")) else repr(value)[:80]
