"""Bayes over what is in memory: what the statistics say of a message, and whether they know one already."""

from __future__ import annotations

from services.antispam.learning.classifier import BayesScore, TokenCounts, is_sure, score
from services.antispam.learning.model import MailClass, Model, ModelCache
from services.antispam.learning.samples import Tokens
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT

_EMPTY = Model()


class BayesStatistics:
    """The statistics for all, together with those of a domain where it has some.

    They keep silent below `least` messages of each class: who saw little is sure of everything.
    """

    def __init__(self, models: ModelCache, *, least: int) -> None:
        self._models = models
        self._least = least

    def judge(self, mail: MailView, domain: str) -> BayesScore | None:
        """None while too little was learned. `domain` is empty for the statistics for all."""
        scope = domain if domain and self._models.get(domain) is not None else DEFAULT
        if not self.speaks_for(scope):
            return None
        return mail.cached(f"bayes of {scope}", lambda: score(mail.tokens, self._counts(scope)))

    def knows(self, scope: str, kind: MailClass, tokens: Tokens) -> bool:
        """Whether learning a message with these tokens as `kind` would add nothing."""
        return is_sure(score(tokens, self._counts(scope)), spam=kind == "spam")

    def speaks_for(self, scope: str) -> bool:
        """Enough was taught for all and for `scope` together."""
        learned = [self._models.learned.get(name, (0, 0)) for name in {DEFAULT, scope}]
        return all(sum(of_class) >= self._least for of_class in zip(*learned, strict=True))

    def _counts(self, scope: str) -> TokenCounts:
        common = self._models.get(DEFAULT) or _EMPTY
        own = None if scope == DEFAULT else self._models.get(scope)
        return common.counts if own is None else own.counts_with(common)
