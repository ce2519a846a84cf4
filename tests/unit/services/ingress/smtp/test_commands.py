"""The table of commands, and how a line is split."""

from __future__ import annotations

import pytest

from services.ingress.smtp.commands import COMMANDS, split_command


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"MAIL FROM:<a@b>", (b"MAIL", b"FROM:<a@b>")),
        (b"  mail   FROM:<a@b> ", (b"MAIL", b"FROM:<a@b>")),
        (b"Mail\tFROM:<a@b> SIZE=1", (b"MAIL", b"FROM:<a@b> SIZE=1")),
        (b"QUIT", (b"QUIT", b"")),
        (b"", (b"", b"")),
    ],
)
def test_verb_and_argument_are_split_at_white_space(line: bytes, expected: tuple[bytes, bytes]) -> None:
    assert split_command(line) == expected


def test_the_table_names_each_command_as_peers_send_it() -> None:
    assert all(verb.decode() == command.name for verb, command in COMMANDS.items())


def test_commands_that_change_the_dialogue_end_a_pipeline() -> None:
    """RFC 2920 3.1; AUTH by RFC 4954 4."""
    last = {command.name for command in COMMANDS.values() if not command.pipelines}
    assert last == {"EHLO", "HELO", "STARTTLS", "AUTH", "DATA"}
