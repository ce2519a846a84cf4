"""One thing to look at: a part of a message, an entry of an archive, a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from libs.mail.message import Message
from services.antivirus.domain.forms import Form, form_of


class Role(Enum):
    """Where a content comes from."""

    BODY = auto()  # the text that a mail client shows: no fingerprint, its name says nothing
    ATTACHMENT = auto()  # any other part of the message: fingerprinted, and counted in the statistics
    MEMBER = auto()  # inside something else, or a file given to the API: fingerprinted


@dataclass(slots=True)
class Content:
    """Decoded octets with the name and the type that the sender gave them (both may be empty)."""

    octets: bytes
    name: str = ""
    declared_type: str = ""
    role: Role = Role.MEMBER
    message: Message | None = None  # where it was parsed already
    form: Form = field(init=False)

    def __post_init__(self) -> None:
        self.form = Form.MAIL if self.message is not None else form_of(self.octets)
        if self.form is Form.MAIL and self.role is Role.BODY:
            self.form = Form.OTHER  # a text that quotes a message
