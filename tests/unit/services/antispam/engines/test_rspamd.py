"""The responses of Rspamd."""

from __future__ import annotations

from services.antispam.engines import rspamd
from services.antispam.engines.model import EngineResult


def test_an_answer_of_rspamd_names_what_weighs_most_first() -> None:
    symbols = {"A": {"score": 0.0}, "B": {"score": -0.5}, "C": {"score": 3.0, "options": ["x"]}}
    answer = rspamd.RspamdResponse.model_validate({"score": 2.5, "required_score": 15, "symbols": symbols})
    assert rspamd.parse_result(answer, 6.0) == EngineResult(2.5, 6.0, ["C", "B"])
