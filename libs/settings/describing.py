"""Settings in words, for `--help`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.settings.loading import PREFIX
from libs.settings.service import ServiceSettings


def described(kind: type[ServiceSettings], section: str) -> str:
    """A paragraph for each setting of `kind`: its variable, its default, its sentence; its own settings first."""
    common = ServiceSettings.model_fields
    own = [name for name in kind.model_fields if name not in common]
    lines = [
        "settings (environment variables; FACTEUR_CONFIG names a TOML file instead):",
        *(_paragraph(f"{PREFIX}{section.upper()}_{name.upper()}", kind.model_fields[name]) for name in own),
        "",
        f"common settings ({PREFIX}{section.upper()}_... for this service alone):",
        *(_paragraph(f"{PREFIX}{name.upper()}", kind.model_fields[name]) for name in common),
    ]
    return "\n".join(lines)


def _paragraph(variable: str, field: FieldInfo) -> str:
    default = "" if field.default is PydanticUndefined else f" (default: {_shown(field.default)})"
    return f"  {variable}{default}\n      {field.description or ''}"


def _shown(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return "none" if value in (None, "", (), {}) else str(value)
