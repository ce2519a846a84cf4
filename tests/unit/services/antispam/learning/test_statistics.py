"""The statistics of the bayes filter: no opinion at first, then of both classes, for all domains and for one."""

from __future__ import annotations

from services.antispam.chain import CHAIN
from services.antispam.learning.model import BayesModel, ModelCache, ModelChange
from services.antispam.learning.statistics import BayesStatistics
from services.antispam.message.content import tokens_of
from services.antispam.message.report import Report
from services.antispam.policy.policy import Policy
from tests.specimens.antispam import a_context, a_message, a_rulebook, a_view, an_environment

BAYES = next(step for step in CHAIN if step.name == "bayes")
SPAM = a_message("Cheap watches and replica handbags, buy today, free shipping worldwide", subject="Cheap watches")
HAM = a_message()
OTHER = a_message("quarterly report attached for your review", **{"from": "x@y.example", "subject": "report"})


def taught(*lessons: tuple[bytes, int, int], model: BayesModel | None = None) -> BayesModel:
    """Return a model that learned each (raw, times as spam, times as ham)."""
    model = model or BayesModel()
    for number, (raw, spam, ham) in enumerate(lessons, start=1):
        model.apply(ModelChange(number, spam, ham, tokens_of(raw)))
    return model


def models(common: BayesModel | None = None, **domains: BayesModel) -> ModelCache:
    made = ModelCache(always="default", capacity=10_000)
    for scope, model in {"default": common or BayesModel(), **{f"{k}.example": m for k, m in domains.items()}}.items():
        made.keep(scope, model)
    made.learned = {scope: (model.spam, model.ham) for scope, model in made.loaded().items()}
    return made


async def said(raw: bytes, known: ModelCache, domain: str = "", policy: Policy | None = None) -> Report:
    context = a_context(a_rulebook(), environment=an_environment(known), policy=policy or Policy())
    context.domain = domain
    return await BAYES.check(a_view(raw), context)


async def test_there_is_no_opinion_until_enough_of_both_classes_is_learned() -> None:
    for spam, ham in ((0, 0), (500, 49), (49, 500)):
        assert (await said(SPAM, models(taught((SPAM, spam, 0), (HAM, 0, ham))))).outcome == "miss"
    enough = models(taught((SPAM, 50, 0), (HAM, 0, 50)))
    assert (await said(SPAM, enough)).strength > 0.9
    known = await said(HAM, enough)
    assert (known.outcome, known.strength < -0.3) == ("hit", True)
    assert known.measure is not None
    assert known.reason.startswith("surely ham: -")


async def test_unknown_tokens_are_no_hit_but_still_have_a_measure() -> None:
    report = await said(b"\r\nxyzzy", models(taught((SPAM, 50, 0), (HAM, 0, 50))))
    assert (report.outcome, report.measure) == ("miss", 0.0)


async def test_the_statistics_of_a_domain_are_added_to_those_of_all_domains() -> None:
    common = taught((SPAM, 60, 0), (HAM, 0, 60))
    known = models(common, a=taught((HAM, 200, 0), (OTHER, 0, 20)))
    assert (await said(HAM, known, "a.example")).strength == 0  # as common in spam as in ham there
    assert (await said(HAM, known, "b.example")).strength < 0
    assert (await said(HAM, known, "a.example", Policy(learns=False))).strength < 0


async def test_the_messages_of_a_domain_count_towards_the_minimum() -> None:
    known = models(taught((SPAM, 30, 0), (HAM, 0, 30)), a=taught((SPAM, 20, 0), (HAM, 0, 20)))
    assert (await said(SPAM, known, "a.example")).outcome == "hit"
    assert (await said(SPAM, known, "b.example")).outcome == "miss"


def test_a_message_that_is_classified_surely_need_not_be_learned() -> None:
    statistics = BayesStatistics(models(taught((SPAM, 60, 0), (HAM, 0, 60))), min_messages=50)
    assert statistics.is_sure_of("default", "spam", tokens_of(SPAM))
    assert not statistics.is_sure_of("default", "ham", tokens_of(SPAM))
    assert not statistics.is_sure_of("a.example", "ham", tokens_of(OTHER))
    assert not BayesStatistics(models(), min_messages=50).is_sure_of("default", "spam", tokens_of(SPAM))
