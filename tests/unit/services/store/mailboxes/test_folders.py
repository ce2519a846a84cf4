"""Names of folders and the tree that they make."""

from __future__ import annotations

import pytest

from services.store.mailboxes.folders import (
    MAX_FOLDERS,
    SPECIAL,
    Folder,
    check_deletable,
    clean_name,
    find,
    names_to_create,
    renamed,
)
from services.store.mailboxes.refusals import Conflict, InvalidRequest, NotFound


def folders(*names: str) -> dict[str, Folder]:
    """The special folders and others, whose ids are their names in lower case."""
    known = {**{id: name for id, (name, _) in SPECIAL.items()}, **{name.lower(): name for name in names}}
    return {id: Folder(id, name, None, 1, 0, 1, 0, 0, 0, 1) for id, name in known.items()}


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("inbox", "INBOX"),
        ("Inbox/Work", "INBOX/Work"),
        ("Work/inbox", "Work/inbox"),
        ("e\u0301te\u0301", "été"),
        ("a & b", "a & b"),
    ],
)
def test_a_name_has_one_form(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        " a",
        "a /b",
        "a\nb",
        "a\0",
        "100%",
        "*",
        "a\\b",
        "x" * 256,
        "a/" * 10 + "a",
        "\ud800",
    ],
)
def test_names_that_no_client_could_use_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_name(name)


def test_a_folder_is_found_by_any_form_of_its_name() -> None:
    known = folders("Été")
    assert find(known, "inBOX").id == "inbox"
    assert find(known, "E\u0301te\u0301").name == "Été"
    for name in ("été", "nowhere", "a//b"):
        with pytest.raises(NotFound):
            find(known, name)


def test_missing_parents_are_created_first() -> None:
    assert names_to_create(folders("Work"), "Work/2030/May") == ["Work/2030", "Work/2030/May"]
    with pytest.raises(Conflict):
        names_to_create(folders("Work"), "Work")
    crowd = folders(*(f"f{n}" for n in range(MAX_FOLDERS)))
    with pytest.raises(Conflict):
        names_to_create(crowd, "One more")


def test_a_renamed_folder_takes_all_below_it_along() -> None:
    known = folders("Work", "Work/2030", "Work/2030/May", "Workshop")
    assert renamed(known, "work", "Old/Work") == {
        "work": "Old/Work",
        "work/2030": "Old/Work/2030",
        "work/2030/may": "Old/Work/2030/May",
    }


@pytest.mark.parametrize(
    ("id", "name", "refusal"),
    [
        ("inbox", "Other", Conflict),
        ("work", "Home", Conflict),
        ("work", "Work/Inner", Conflict),
        ("work", "Home/2030", Conflict),
        ("work", "bad*", InvalidRequest),
        ("work", "x" * 252, InvalidRequest),
    ],
    ids=["special", "in use", "below itself", "child in use", "bad", "child too long"],
)
def test_renames_that_cannot_be_are_refused(id: str, name: str, refusal: type[Exception]) -> None:
    known = folders("Work", "Work/2030", "Home", "Home/2030")
    with pytest.raises(refusal):
        renamed(known, id, name)


def test_special_folders_and_those_with_others_inside_are_not_deleted() -> None:
    known = folders("Work", "Work/2030")
    check_deletable(known, "work/2030")
    for id in ("work", "trash"):
        with pytest.raises(Conflict):
            check_deletable(known, id)
