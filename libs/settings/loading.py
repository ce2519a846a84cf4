"""From environment and TOML to a settings object."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from libs.settings.service import API_PORTS, ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

PREFIX = "FACTEUR_"


class WrongSetting(Exception):
    """A setting that cannot be used; the text is one line for the operator."""


def load(kind: type[S], section: str, environ: Mapping[str, str]) -> S:
    """Return the settings of the service `section`. Raises `WrongSetting`."""
    given = {**_from_file(section, environ.get("FACTEUR_CONFIG")), **_from_environment(kind, section, environ)}
    try:
        return kind(**given)
    except ValidationError as error:
        # Without its cause, which shows the given value: it may be a password.
        raise WrongSetting(_line(kind, section, error.errors(include_url=False)[0])) from None


def _from_file(section: str, path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    content = _read(path)
    shared = {name: value for name, value in content.items() if not isinstance(value, dict) or name in _shared()}
    own = content.get(section, {})
    if not isinstance(own, dict):
        raise WrongSetting(f"settings file {path}: [{section}] is no table")
    for table in sorted(content.keys() - shared.keys() - API_PORTS.keys()):
        raise WrongSetting(f"settings file {path}: there is no service [{table}]")
    for name in sorted(shared.keys() - _shared()):
        raise WrongSetting(f"settings file {path}: there is no common setting {name}")
    return {**shared, **own}


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongSetting(f"settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongSetting(f"settings file {path}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise WrongSetting(f"settings file {path}: {error}") from None


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
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _shared() -> set[str]:
    return set(ServiceSettings.model_fields)


def _line(kind: type[S], section: str, error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    message = " ".join(error["msg"].removeprefix("Value error, ").split())
    if not path:  # an error of several settings together: the input is all of them
        return f"settings of {section}: {message}"
    name = ".".join([section, *path])
    if error["type"] == "extra_forbidden":
        return f"setting {name}: there is no such setting"
    return f"setting {name}: {message} (got {_shown(kind, path[0], error['input'])})"


def _shown(kind: type[S], field: str, value: object) -> str:
    if _is_secret(kind, field):
        return "***"
    hint = ", which is no JSON" if isinstance(value, str) and value[:1] in ("[", "{") else ""
    return f"{repr(value)[:80]}{hint}"


def _is_secret(kind: type[S], field: str) -> bool:
    declared = kind.model_fields.get(field)
    typed = declared is not None and (not declared.repr or SecretStr.__name__ in str(declared.annotation))
    return typed or any(word in field for word in ("secret", "password", "token", "key"))
