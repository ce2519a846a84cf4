"""Folders: the five special folders, names, and the hierarchy that `/` in names makes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from services.store.mailboxes.refusals import Conflict, InvalidRequest, NotFound

INBOX, DRAFTS, SENT, JUNK, TRASH = "inbox", "drafts", "sent", "junk", "trash"

# id -> (name, SPECIAL-USE attribute of RFC 6154; INBOX has none)
SPECIAL = {
    INBOX: ("INBOX", None),
    DRAFTS: ("Drafts", "\\Drafts"),
    SENT: ("Sent", "\\Sent"),
    JUNK: ("Junk", "\\Junk"),
    TRASH: ("Trash", "\\Trash"),
}

MAX_FOLDERS = 500  # the mailbox document holds all folders and is written by each delivery
MAX_NAME_OCTETS = 255
MAX_DEPTH = 10

_BAD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029%*\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with its exact counters. `bytes` is the sum of the sizes of its messages."""

    id: str
    name: str
    special_use: str | None
    uidvalidity: int
    last_uid: int
    modseq: int
    messages: int
    unseen: int
    bytes: int
    revision: int

    @property
    def uid_next(self) -> int:
        """RFC 9051 2.3.1.1: the UID of the next message is not smaller."""
        return self.last_uid + 1


def clean_name(name: str) -> str:
    """Normalise a name: NFC (RFC 9051 5.1), INBOX in capitals as the first level. Raises `InvalidRequest`."""
    name = unicodedata.normalize("NFC", name)
    if _BAD.search(name):
        raise InvalidRequest(
            "a folder name has no control characters, %, * or backslash"
        )  # RFC 9051 5.1: wildcards of LIST
    if len(name.encode()) > MAX_NAME_OCTETS:
        raise InvalidRequest(f"a folder name has at most {MAX_NAME_OCTETS} octets")
    levels = name.split("/")
    if not all(level.strip() == level and level for level in levels):
        raise InvalidRequest("no level of a folder name is empty, or starts or ends with a space")
    if len(levels) > MAX_DEPTH:
        raise InvalidRequest(f"folders are nested at most {MAX_DEPTH} deep")
    if levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return "/".join(levels)


def find(folders: Mapping[str, Folder], name: str) -> Folder:
    """Return the folder called `name`, in any normalisation. Raises `NotFound`."""
    try:
        wanted = clean_name(name)
    except InvalidRequest:
        wanted = ""
    for folder in folders.values():
        if folder.name == wanted:
            return folder
    raise NotFound("there is no such folder")


def names_to_create(folders: Mapping[str, Folder], name: str) -> list[str]:
    """Return `name` and its missing parents, outermost first (RFC 9051 6.3.4). Raises `Conflict`, `InvalidRequest`."""
    name = clean_name(name)
    taken = {folder.name for folder in folders.values()}
    if name in taken:
        raise Conflict("there is a folder of this name")
    levels = name.split("/")
    missing = [path for n in range(1, len(levels) + 1) if (path := "/".join(levels[:n])) not in taken]
    if len(folders) + len(missing) > MAX_FOLDERS:
        raise Conflict(f"a mailbox has at most {MAX_FOLDERS} folders")
    return missing


def renamed(folders: Mapping[str, Folder], id: str, name: str) -> dict[str, str]:
    """Return the new names by folder id, for the folder and its descendants (RFC 9051 6.3.6).

    Raises `Conflict`, `InvalidRequest`.
    """
    folder, name = folders[id], clean_name(name)
    if id in SPECIAL:
        raise Conflict("a special folder keeps its name")
    if name.startswith(folder.name + "/"):
        raise Conflict("a folder cannot move below itself")
    moving = {child.id: name + child.name[len(folder.name) :] for child in [folder, *below(folders, folder)]}
    for new_name in moving.values():
        clean_name(new_name)
    staying = {other.name for other in folders.values() if other.id not in moving}
    if staying & set(moving.values()):
        raise Conflict("there is a folder of this name")
    return moving


def below(folders: Mapping[str, Folder], folder: Folder) -> list[Folder]:
    """Return the descendants of `folder`, at any depth."""
    return [other for other in folders.values() if other.name.startswith(folder.name + "/")]


def check_deletable(folders: Mapping[str, Folder], id: str) -> None:
    """Raises `Conflict` for a special folder and for a folder with children."""
    if id in SPECIAL:
        raise Conflict("a special folder cannot be deleted")
    if below(folders, folders[id]):
        raise Conflict("the folder holds other folders")
