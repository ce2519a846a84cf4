import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.names import LOGIN, PREFIX, account_name, login_name, numbered

LOGINS = [
    ("Toto", "Jean", "x", "toto-j", "surname, dash, initial"),
    ("Toto", "Jean-Pierre", "x", "toto-jp", "two initials"),
    ("Toto", "Jean Pierre", "x", "toto-jp", "two given names"),
    ("de la Fère", "Élodie", "x", "delafere-e", "particles and accents"),
    ("O'Brien", "Zoë", "x", "obrien-z", "an apostrophe"),
    ("Strauß", "Øystein", "x", "strauss-o", "letters without a decomposition"),
    ("", "", "jean.toto", "toto-j", "names read from the address"),
    ("", "", "jean-pierre.toto", "toto-jp", "a double name in the address"),
    ("", "", "contact", "contact", "a local part without a dot is the login"),
    ("", "", "exemple0001", "exemple0001", "a numbered account"),
    ("王", "伟", "wang", "wang", "names that ASCII cannot spell"),
    ("王", "伟", "王", "account", "nothing that ASCII can spell"),
    ("A" * 300, "B" * 300, "x", "a" * 40 + "-b", "bounded"),
]


@pytest.mark.parametrize(("surname", "given", "local", "login", "why"), LOGINS)
def test_a_login_name_is_surname_dash_initials(surname: str, given: str, local: str, login: str, why: str) -> None:
    assert login_name(surname, given, local_part=local) == login, why


@given(st.text(), st.text(), st.text(min_size=1, max_size=64))
def test_every_login_name_is_fit_for_use(surname: str, given: str, local: str) -> None:
    assert LOGIN.fullmatch(login_name(surname, given, local_part=local))


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        (set(), "toto-j"),
        ({"toto-jp"}, "toto-j"),
        ({"toto-j"}, "toto-j-1"),
        ({"toto-j", "toto-j-1", "toto-j-3"}, "toto-j-2"),
    ],
)
def test_a_login_name_is_numbered_on_collision(taken: set[str], free: str) -> None:
    assert numbered("toto-j", taken) == free


def test_account_names_have_four_digits_and_grow() -> None:
    assert [account_name("exemple", n) for n in (1, 2, 9999, 10000)] == [
        "exemple0001",
        "exemple0002",
        "exemple9999",
        "exemple10000",
    ]


@pytest.mark.parametrize("prefix", ["exemple", "a", "mairie-de-"])
def test_prefixes_that_are_fit(prefix: str) -> None:
    assert PREFIX.fullmatch(prefix)


@pytest.mark.parametrize("prefix", ["", "exemple1", "-a", "Exemple", "a b", "a\r\n", "é"])
def test_prefixes_that_are_not(prefix: str) -> None:
    assert not PREFIX.fullmatch(prefix)
