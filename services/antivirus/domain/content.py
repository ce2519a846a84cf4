"""One thing to look at: a part of a message, an entry of an archive, a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from libs.mail.message import Message
from libs.mail.recognition import message_in
from services.antivirus.domain.file_formats import FileFormat, file_format_of, holds_uuencoded


class Role(Enum):
    """Where a content comes from."""

    BODY = auto()  # the text that a mail client shows: no fingerprint, its name says nothing
    ATTACHMENT = auto()  # any other part of the message: fingerprinted, and counted in the statistics
    ALIKE = auto()  # an attachment again, as another reader names or decodes it: fingerprinted, not counted
    MEMBER = auto()  # inside something else, or a file given to the API: fingerprinted


@dataclass(slots=True)
class ScanContent:
    """Decoded octets with the name and the type that the sender gave them (both may be empty)."""

    octets: bytes
    name: str = ""
    declared_type: str = ""
    role: Role = Role.MEMBER
    message: Message | None = None  # where it was parsed already
    form: FileFormat = field(init=False)

    def __post_init__(self) -> None:
        self.form = FileFormat.MAIL if self.message is not None else file_format_of(self.octets)
        if self.form is FileFormat.MAIL and self.role is Role.BODY:
            self.form = _form_of_text(self.octets)  # a text that quotes a message

    @property
    def forms(self) -> Sequence[FileFormat]:
        """Several for octets that some open as one thing and some as another, such as a message that ends as a zip."""
        if self.form is FileFormat.MAIL or self.role is Role.BODY:
            return (self.form,)
        found = message_in(self.octets, name=self.name, declared_type=self.declared_type)
        return (self.form,) if found is None else (self.form, FileFormat.MAIL)


def _form_of_text(octets: bytes) -> FileFormat:
    return FileFormat.UUENCODED if holds_uuencoded(octets) else FileFormat.OTHER
