"""The properties of messages: the headers of the caller, and those of the bus.

`timestamp` is the first publication (kept across retries), `message_id` the identity of the message. Headers of the bus
begin with `facteur-`, those of the broker with `x-`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from libs.bus.ports import DeadLetter
from libs.bus.rabbitmq.codec import Properties

DELIVERY_COUNT = "x-delivery-count"
_ATTEMPTS, _BUGS, _RETURNED = "facteur-attempts", "facteur-bugs", "facteur-returned"
_REASON, _DIED_AT = "facteur-reason", "facteur-died-at"
_OF_THE_BROKER = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-")
# The redeliveries after which the broker dead-letters a message by itself; consumers act long before.
DELIVERY_LIMIT = 20
# Longer reasons are cut: all headers of a message must fit into one frame.
MAX_REASON = 2000

_process = os.urandom(8).hex()
_numbers = itertools.count(1)


def new_message_id() -> str:
    """A unique id, cheaper than one from the kernel."""
    return f"{_process}{next(_numbers):x}"


def new_properties(headers: Mapping[str, str] | None) -> Properties:
    """The properties of a first publication, now."""
    return Properties(headers or {}, new_message_id(), int(time.time()))


def attempt(properties: Properties) -> int:
    """The number of this attempt: requested retries, redeliveries since (`x-delivery-count`), and this one."""
    headers = properties.headers
    return 1 + int(headers.get(_ATTEMPTS, 0)) + int(headers.get(DELIVERY_COUNT, 0))


def redeliveries(properties: Properties) -> int:
    """The number of redeliveries after the loss of a consumer, or a requeue."""
    return int(properties.headers.get(DELIVERY_COUNT, 0))


def total_redeliveries(properties: Properties) -> int:
    """The number of redeliveries, with those before the message was isolated."""
    return int(properties.headers.get(_RETURNED, 0)) + redeliveries(properties)


def bugs(properties: Properties) -> int:
    """The number of attempts that ended in a bug."""
    return int(properties.headers.get(_BUGS, 0))


def own_headers(properties: Properties) -> dict[str, str]:
    """The headers of the caller."""
    return {
        name: value
        for name, value in properties.headers.items()
        if isinstance(value, str) and not name.startswith((*_OF_THE_BROKER, "facteur-"))
    }


def for_retry(properties: Properties, *, bug: bool = False) -> Properties:
    """The properties for a retry, after a `bug` or an outage."""
    headers = {**own_headers(properties), _ATTEMPTS: attempt(properties)}
    if count := bugs(properties) + bug:
        headers[_BUGS] = count
    return Properties(headers, properties.message_id or new_message_id(), properties.timestamp)


def for_isolation(properties: Properties) -> Properties:
    """The properties for isolation: the same attempt, without redeliveries of the broker."""
    headers: dict[str, Any] = dict(own_headers(properties))
    if before := attempt(properties) - 1:
        headers[_ATTEMPTS] = before
    if count := total_redeliveries(properties):
        headers[_RETURNED] = count
    if count := bugs(properties):
        headers[_BUGS] = count
    return Properties(headers, properties.message_id or new_message_id(), properties.timestamp)


def for_dead_letter(properties: Properties, reason: str) -> Properties:
    """The properties of a dead letter, with a new identity: the message may die again."""
    headers = {
        **own_headers(properties),
        _ATTEMPTS: attempt(properties),
        _REASON: reason[:MAX_REASON],
        _DIED_AT: int(time.time()),
    }
    return Properties(headers, new_message_id(), properties.timestamp)


def for_move(properties: Properties) -> Properties:
    """The properties for a move to another queue, without changes."""
    headers = {name: value for name, value in properties.headers.items() if isinstance(value, str | int)}
    kept = {name: value for name, value in headers.items() if not name.startswith(_OF_THE_BROKER)}
    return Properties(kept, properties.message_id or new_message_id(), properties.timestamp)


def for_dead_letter_move(properties: Properties) -> Properties:
    """The properties for a move of a dead letter: the facts that the broker knows become headers."""
    copy = for_move(properties)
    if _REASON in copy.headers:
        return copy
    letter = dead_letter("", "", properties, b"")
    headers = {
        **copy.headers,
        _ATTEMPTS: letter.attempts,
        _REASON: letter.reason,
        _DIED_AT: int(letter.died_at.timestamp()),
    }
    return Properties(headers, copy.message_id, copy.timestamp)


def dead_letter(queue: str, id: str, properties: Properties, body: bytes) -> DeadLetter:
    """The dead letter for operators: the bus has set its reason, or the broker `x-death`."""
    headers = properties.headers
    death: dict[str, Any] = (headers.get("x-death") or [{}])[0]
    if _REASON in headers:
        reason, attempts = str(headers[_REASON]), int(headers[_ATTEMPTS])
    elif death.get("reason") == "maxlen":
        attempts = int(headers.get(_ATTEMPTS, 0))
        reason = "dropped: its queue was full, and it was the oldest there"
    else:
        attempts = int(headers.get(_ATTEMPTS, 0)) + DELIVERY_LIMIT + 1
        reason = f"{death.get('reason', 'unknown')}: given back {DELIVERY_LIMIT + 1} times by its consumers"
    died_at = datetime.fromtimestamp(int(headers.get(_DIED_AT, properties.timestamp)), UTC)
    if _DIED_AT not in headers and isinstance(death.get("time"), datetime):
        died_at = death["time"]
    return DeadLetter(id, queue, reason, died_at, attempts, body, own_headers(properties))
