"""What vouches for a message whose envelope sender fails SPF: an aligned DKIM signature, or a trusted ARC chain.

A forwarder keeps the envelope sender and has another address, so that SPF fails for honest mail (RFC 7208 D.2,
RFC 7489 10.1).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta

from libs.authentication.arc import ArcChain
from libs.authentication.dkim import SignatureResult
from libs.authentication.dmarc import is_aligned
from libs.authentication.names import author_domains
from libs.authentication.spf import SpfCheck, SpfResult
from libs.envelope import Temporary
from services.antispam.filtering.authentication import (
    arc_chain_of,
    authors_of,
    dkim_results_of,
    dmarc_result_of,
    organizational,
)
from services.antispam.filtering.context import FilterContext
from services.antispam.message.mail_view import MailView

_LONGEST = timedelta(seconds=11)  # a signer whose DNS is dead, perhaps on purpose, does not delay the result of SPF

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[()]|[^"()]++', re.DOTALL)
_IN_COMMENT = re.compile(r"[()]|\\.|\\|[^()\\]++", re.DOTALL)  # RFC 5322 3.2.2: a quote has no meaning in comments
_RESULT = re.compile(r"(?:\A|[;\s])(dkim|dmarc|spf)\s*=\s*pass(?=[\s;]|\Z)", re.IGNORECASE)


async def voucher_of(mail: MailView, context: FilterContext) -> str:
    """Say in words what vouches for the message; empty if nothing does. Never raises for DNS."""
    try:
        async with asyncio.timeout(_LONGEST.total_seconds()):
            policy, signed, sealed = await asyncio.gather(
                dmarc_result_of(mail, context), dkim_results_of(mail, context), _sealed(mail, context)
            )
    except TimeoutError:
        return ""
    if sealed:
        return sealed
    authors = {domain for author in authors_of(mail) for domain in author_domains(author)}
    if policy.outcome == "fail" or not authors:
        return ""
    signers = [_signer_for(domain, signed) for domain in sorted(authors)]
    return f"DKIM of {signers[0]} passes" if all(signers) else ""


async def trusted_results(mail: MailView, context: FilterContext) -> tuple[str, frozenset[str]]:
    """The last sealer of a valid and trusted ARC chain, and the methods that it saw pass. Raises `Temporary`."""
    chain = await arc_chain_of(mail, context)
    if chain.outcome == "temperror":
        raise Temporary(chain.reason)
    methods = _trusted_methods(chain, context)
    return (chain.sealers[-1] if methods else "", methods)


def passed_methods(results: str) -> frozenset[str]:
    """The methods that passed by an Authentication-Results value. Strangers choose its quoted strings and comments."""
    words, at, depth = [], 0, 0
    while token := (_IN_COMMENT if depth else _TOKEN).match(results, at):
        at = token.end()
        if token[0] in "()":
            depth = max(depth + (1 if token[0] == "(" else -1), 0)
        words.append(token[0] if not depth and token[0][0] not in '"()' else " ")
    return frozenset(word.lower() for word in _RESULT.findall("".join(words)))


def is_sender_unauthenticated(mail: MailView, context: FilterContext) -> bool:
    """Whether SPF fails for the envelope sender and no result so far vouches for its organization: it may be forged.

    A voucher of the message vouches for its author, who need not be the sender.
    """
    spf: SpfCheck | None = mail.cached_value("spf")
    if spf is None or spf.result is not SpfResult.FAIL:
        return False
    if _signer_for(spf.domain.lower().removesuffix("."), mail.cached_value("dkim") or ()):
        return False
    chain: ArcChain | None = mail.cached_value("arc")
    return chain is None or "spf" not in _trusted_methods(chain, context)


def _trusted_methods(chain: ArcChain, context: FilterContext) -> frozenset[str]:
    """The methods that the last sealer saw pass. Anybody can seal anything, so only trusted sealers are believed."""
    if chain.outcome != "pass" or chain.sealers[-1] not in context.environment.arc_trusted_sealers:
        return frozenset()
    return passed_methods(chain.results)


async def _sealed(mail: MailView, context: FilterContext) -> str:
    if "ARC-Seal" not in mail.headers:
        return ""
    try:
        sealer, methods = await trusted_results(mail, context)
    except Temporary:
        return ""
    return f"{sealer} saw {', '.join(sorted(methods))} pass" if methods else ""


def _signer_for(domain: str, signed: Sequence[SignatureResult]) -> str:
    """A domain whose signature passes and that is aligned with `domain` (RFC 7489 3.1.1); empty if there is none."""
    holding = (each.domain for each in signed if each.outcome == "pass")
    return next((name for name in holding if is_aligned(name, domain, organizational)), "")
