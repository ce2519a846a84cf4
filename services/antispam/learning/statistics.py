"""The Bayes filter's statistics in memory: scores of messages, and whether a sample would add anything."""

from __future__ import annotations

from services.antispam.learning.classifier import BayesScore, TokenCounts, is_sure, score
from services.antispam.learning.model import BayesModel, MailClass, ModelCache
from services.antispam.learning.samples import Tokens
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import DEFAULT

_EMPTY = BayesModel()


class BayesStatistics:
    """The statistics for all domains, added to those of a domain that has its own.

    They have no opinion below `min_messages` of each class, since few messages make them too sure.
    """

    def __init__(self, models: ModelCache, *, min_messages: int) -> None:
        self._models = models
        self._min_messages = min_messages

    def judge(self, mail: MailView, domain: str) -> BayesScore | None:
        """Score a message, or return None while too few were learned. `domain` is empty for the statistics for all."""
        scope = domain if domain and self._models.get(domain) is not None else DEFAULT
        if not self.is_active(scope):
            return None
        return mail.cached(f"bayes of {scope}", lambda: score(mail.tokens, self._counts(scope)))

    def is_sure_of(self, scope: str, kind: MailClass, tokens: Tokens) -> bool:
        """Return whether learning a message with these tokens as `kind` would add nothing."""
        return is_sure(score(tokens, self._counts(scope)), spam=kind == "spam")

    def is_active(self, scope: str) -> bool:
        """Return whether enough messages were learned for `scope` and for all domains together."""
        learned = [self._models.learned.get(name, (0, 0)) for name in {DEFAULT, scope}]
        return all(sum(of_class) >= self._min_messages for of_class in zip(*learned, strict=True))

    def _counts(self, scope: str) -> TokenCounts:
        common = self._models.get(DEFAULT) or _EMPTY
        own = None if scope == DEFAULT else self._models.get(scope)
        return common.counts if own is None else own.counts_with(common)
