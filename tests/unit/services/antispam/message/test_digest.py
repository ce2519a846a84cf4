"""Copies of one message have one digest."""

from __future__ import annotations

from services.antispam.message.digest import message_digest


def test_copies_of_a_mass_mailing_have_one_digest() -> None:
    text = (
        "Dear {name}@example.org,\n  buy {n} watches at https://shop.example/u/{name}?id={n} today! " + "Really. " * 20
    )
    copies = {
        message_digest("a@b.example", f"Offer {n}", text.format(name=name, n=n), [10])
        for n, name in enumerate(("marie", "luc", "zoé"))
    }
    assert len(copies) == 1
    assert len(copies.pop()) == 40
    other = message_digest("a@b.example", "Offer", text.replace("watches", "clocks").format(name="x", n=1), [10])
    assert other not in copies


def test_a_short_answer_is_the_same_from_one_author_only() -> None:
    one, same, other = (message_digest(author, "Re: x", "ok, thanks", []) for author in ("a@b", "a@b", "c@d"))
    assert one == same != other
