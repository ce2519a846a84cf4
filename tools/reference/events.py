"""The page of events: each class of `libs/events` with its fields and its sentences."""

from __future__ import annotations

import inspect
from pathlib import Path

import libs.events
from libs.events import Fact
from tools.reference.settings import in_words
from tools.reference.source import sentence, table

HEAD = """# Events

Facts that services tell each other on the bus, as JSON. The name of an event is the name of its class. Events may come
twice, late or in another order; unknown fields are ignored. A description begins with the service that emits the event.
"""


def page(root: Path) -> str:
    """Return the page, by name."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(libs.events, inspect.isclass)
        if issubclass(kind, Fact) and kind is not Fact
    ]
    rows = [
        (
            f"`{kind.__name__}`",
            sentence(inspect.getdoc(kind)),
            ", ".join(f"`{name}` ({in_words(field.annotation)})" for name, field in kind.model_fields.items()),
        )
        for kind in kinds
    ]
    return f"{HEAD}\n{table(('event', 'what it says', 'fields'), rows)}\n"
