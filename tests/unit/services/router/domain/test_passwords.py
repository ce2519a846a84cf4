import pytest

from services.router.domain.passwords import WeakPassword, check, prepare

WEAK = [
    ("abc1234", "at least 8 characters"),
    ("", "at least 8 characters"),
    ("abcdefgh", "both letters and digits"),
    ("12345678", "both letters and digits"),
    ("abc12345\r\n", "control character"),
    ("abc1\x002345", "control character"),
    ("a1" * 129, "at most 256 characters"),
]


@pytest.mark.parametrize(("password", "says"), WEAK)
def test_a_weak_password_is_refused_with_a_clear_text(password: str, says: str) -> None:
    with pytest.raises(WeakPassword, match=says) as refusal:
        check(password)
    assert password == "" or password not in str(refusal.value)


@pytest.mark.parametrize("password", ["abcdefg1", "correct horse 1", "pâté2024", "пароль123", "a1" * 128])
def test_good_passwords_pass(password: str) -> None:
    check(password)


def test_a_password_is_the_same_from_every_keyboard() -> None:
    assert prepare("pa\u0302te\u0301 1\u00a02") == prepare("p\u00e2t\u00e9\u00a01 2") == "p\u00e2t\u00e9 1 2"


def test_case_and_width_count() -> None:
    assert len({prepare(password) for password in ("abcdefg1", "Abcdefg1", "abcdefg\uff11")}) == 3
