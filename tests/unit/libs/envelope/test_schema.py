"""The schema of the envelope is frozen: what is on the queue outlives every release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from libs.envelope import Envelope
from libs.envelope.model import SCHEMA_VERSION

SPECIMENS = Path(__file__).parents[3] / "specimens"


def _bare(schema: Any) -> Any:
    """Without prose: a better docstring is no change of the wire."""
    match schema:
        case dict():
            return {key: _bare(value) for key, value in schema.items() if key not in ("title", "description")}
        case list():
            return [_bare(item) for item in schema]
        case _:
            return schema


def test_the_schema_changes_only_on_purpose() -> None:
    frozen = json.loads((SPECIMENS / f"envelope-v{SCHEMA_VERSION}.json").read_text())
    schema = _bare(Envelope.model_json_schema())
    assert schema == frozen, (
        "The envelope changed. A field with a default is compatible: write the schema anew into the specimen. "
        "Anything else needs a new SCHEMA_VERSION, a new specimen and a reader of both."
    )


def test_a_field_that_is_not_in_the_first_version_has_a_default() -> None:
    # Messages that an older version queued must be read for ever.
    assert set(_bare(Envelope.model_json_schema())["required"]) == {
        "id", "received_at", "recipients", "size_bytes", "sha256",
    }  # fmt: skip
