"""The facts that logic rules may use."""

from services.antispam.filtering.facts import FACTS, facts_of
from tests.specimens.antispam import a_message, a_view
from tests.specimens.filter_cases import SIGNED_IN


def test_every_fact_is_documented_and_has_a_value() -> None:
    assert facts_of(a_view()).keys() == FACTS.keys()


def test_facts_are_numbers_or_texts_in_lower_case() -> None:
    facts = facts_of(a_view(a_message("see http://a.example/", subject="HELLO"), mail_from="Jean@Elsewhere.example"))
    assert (facts["subject"], facts["sender_domain"], facts["author"]) == (
        "hello", "elsewhere.example", "jean@elsewhere.example",
    )  # fmt: skip
    assert (facts["links"], facts["recipients"], facts["submitted"]) == (1.0, 1.0, 0.0)
    assert facts_of(a_view(**SIGNED_IN))["submitted"] == 1.0
