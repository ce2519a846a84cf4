"""The holders of a blob that is a file: a small file beside it, with a name in each line.

It says "-" when all have released the blob; an empty one, which only a broken disk leaves, says nothing. Callers hold
the lock of the folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Set
from datetime import datetime
from pathlib import Path

_SUFFIX = ".holders"
_NONE = "-"


def list_of(blob: Path) -> Path:
    """The file beside `blob`. No blob has a dot in its name."""
    return blob.with_name(blob.name + _SUFFIX)


def is_list(path: Path) -> bool:
    """Return whether the file is a list of holders."""
    return path.name.endswith(_SUFFIX)


def blob_of(path: Path) -> Path:
    """Return the blob that the list of holders belongs to."""
    return path.with_name(path.name.removesuffix(_SUFFIX))


def read(blob: Path) -> frozenset[str]:
    """Return the names of the holders."""
    try:
        return frozenset(list_of(blob).read_text().split()) - {_NONE}
    except FileNotFoundError:
        return frozenset()


def write(blob: Path, names: Set[str], *, at: datetime) -> None:
    """Write the list durably: if a crash lost a hold, the message would lose its bytes."""
    path = list_of(blob)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("w") as file:
            file.write("\n".join(sorted(names) or [_NONE]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.utime(aside, (at.timestamp(), at.timestamp()))
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def released_before(blob: Path, moment: float) -> bool:
    """Whether the last holder released it before `moment`."""
    path = list_of(blob)
    try:
        return path.stat().st_mtime < moment and path.read_text().split() == [_NONE]
    except FileNotFoundError:
        return False
