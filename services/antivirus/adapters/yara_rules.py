"""YARA rules from files: compiled together, and again when a file changes. Nothing here is fast: it is for a thread.

Each file is a namespace of its own and stands alone (`include` is off). The text of a file that does not compile is the
last one that did; the others count all the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yara

from libs.envelope import Temporary

SHIPPED = Path(__file__).parents[1] / "rules"
_ENDINGS = (".yar", ".yara")
# External variables of the rules, under the names that public collections of rules use.
EXTERNALS: Mapping[str, str | bool] = {
    "filename": "",
    "filepath": "",
    "extension": "",
    "filetype": "",
    "message": False,
}


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Compiled rules. `trouble` says which files are not as they stand on the disk, empty if all are.

    `ask_for_messages`: there are others than the shipped ones, which look at the parts of messages alone.
    """

    compiled: yara.CompiledRules
    version: str
    changed_at: datetime | None
    trouble: str
    ask_for_messages: bool


class RuleFiles:
    """Compiles the rules of the program and those of the operator's directory, where one is set."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._stamps: object = None
        self._texts: dict[str, str] = {}

    def changed(self) -> bool:
        """Whether a file changed since it was read. Raises `Temporary` if the directory cannot be read."""
        return self._stamps != self._stamps_now()

    def read(self) -> CompiledRules:
        """Raises `Temporary` if the directory cannot be read."""
        stamps = self._stamps_now()
        texts: dict[str, str] = {}
        troubles: list[str] = []
        for name, file in self._files():
            text, trouble = self._text(name, file)
            if text is not None:
                texts[name] = text
            troubles += [f"{name}: {trouble}"] if trouble else []
        # YARA copies 512 octets of each match; the service does not use them, and there may be a million.
        yara.set_config(max_match_data=1)
        try:
            compiled = yara.compile(sources=texts, includes=False, externals=dict(EXTERNALS))
        except yara.Error as error:
            raise Temporary(f"YARA rules, all together: {error}") from error
        changed_at = max((modified for _, modified, _ in stamps), default=None)
        self._texts, self._stamps = texts, stamps
        return CompiledRules(
            compiled,
            version=hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16],
            changed_at=datetime.fromtimestamp(changed_at / 1e9, UTC) if changed_at is not None else None,
            trouble="; ".join(troubles)[:1000],
            ask_for_messages=self._directory is not None,
        )

    def _text(self, name: str, file: Path) -> tuple[str | None, str]:
        """The text to use, None if there never was a good one, and what is wrong with that on the disk."""
        try:
            text = file.read_text("utf-8")
            yara.compile(source=text, includes=False, externals=dict(EXTERNALS))
        except (yara.Error, OSError, ValueError) as error:  # ValueError: octets that are no text
            return self._texts.get(name), str(error)
        return text, ""

    def _files(self) -> Iterator[tuple[str, Path]]:
        """(namespace, file), the shipped ones first."""
        for file in sorted(SHIPPED.glob("*.yar")):
            yield f"facteur/{file.name}", file
        for name, file, _ in self._operators_files():
            yield name, file

    def _stamps_now(self) -> tuple[tuple[str, int, int], ...]:
        """(name, time of change in ns, size) of the operator's files; the shipped ones do not change."""
        return tuple((name, state.st_mtime_ns, state.st_size) for name, _, state in self._operators_files())

    def _operators_files(self) -> list[tuple[str, Path, os.stat_result]]:
        """(namespace, file, state) of each. Raises `Temporary`."""
        if self._directory is None:
            return []
        try:
            return [(name, file, file.stat()) for name, file in _rule_files(self._directory)]
        except OSError as error:
            raise Temporary(f"YARA rules: {error.strerror or error}") from error


def _rule_files(directory: Path) -> list[tuple[str, Path]]:
    """(namespace, file), subdirectories too; nothing hidden: a ConfigMap keeps each file twice, once under `..data`."""
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is no directory")
    found = ((file.relative_to(directory), file) for file in sorted(directory.rglob("*")) if file.suffix in _ENDINGS)
    return [(path.as_posix(), file) for path, file in found if not any(part.startswith(".") for part in path.parts)]
