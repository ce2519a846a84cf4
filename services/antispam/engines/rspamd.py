"""A client of Rspamd over HTTP: `/checkv2` with the envelope in header fields (https://docs.rspamd.com, "Protocol")."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
from pydantic import BaseModel, ValidationError

from libs.envelope import Temporary
from services.antispam.engines.model import EngineResult
from services.antispam.message.mail_view import MailView

_RECIPIENTS = 100  # in the request; Rspamd has only rules about their number
_VALUE_LIMIT = 998


class RspamdSymbol(BaseModel):
    score: float = 0.0


class RspamdResponse(BaseModel):
    """The fields of the response that count."""

    score: float
    symbols: dict[str, RspamdSymbol] = {}


class Rspamd:
    """Asks one Rspamd (its normal or proxy worker), with at most `connections` requests at once.

    `required` is the score from which on a message is spam: `required_score` in its responses is that of refusing.
    """

    def __init__(
        self,
        url: str,
        *,
        hostname: str,
        required: float,
        connections: int,
        limit_bytes: int,
        deadline: timedelta,
    ) -> None:
        self.limit_bytes = limit_bytes
        self._required = required
        self._hostname = hostname
        self._deadline = deadline.total_seconds()
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=self._deadline,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,
        )

    async def scan(self, mail: MailView) -> EngineResult:
        """Raises `Temporary`."""
        headers = list(_envelope_fields(mail, self._hostname))
        try:
            async with asyncio.timeout(self._deadline):  # httpx limits each operation by itself
                response = await self._http.post("/checkv2", content=mail.raw, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            raise Temporary(f"Rspamd: no answer within {self._deadline:g} seconds") from None
        except httpx.TransportError as error:
            raise Temporary(f"Rspamd: {error}") from error
        if response.status_code != 200:
            raise Temporary(f"Rspamd: status {response.status_code}")
        try:
            answer = RspamdResponse.model_validate_json(response.content)
        except ValidationError as error:
            raise Temporary(f"Rspamd: {error.errors()[0]['msg']} in its answer") from error
        return parse_result(answer, self._required)

    async def close(self) -> None:
        await self._http.aclose()


def parse_result(answer: RspamdResponse, required: float) -> EngineResult:
    """Read the response. The symbols that weigh most come first; those that weigh nothing are left out."""
    weighing = {name: abs(symbol.score) for name, symbol in answer.symbols.items() if symbol.score}
    return EngineResult(answer.score, required, sorted(weighing, key=weighing.__getitem__, reverse=True))


def _envelope_fields(mail: MailView, hostname: str) -> Iterator[tuple[bytes, bytes]]:
    envelope, peer = mail.envelope, mail.envelope.peer
    sender = "" if "sender" in mail.unknown else f"<{envelope.mail_from}>"
    given = [
        *(("From", sender), ("IP", peer.address), ("Helo", peer.helo)),
        *(("Hostname", peer.reverse_name or ""), ("User", peer.account or ""), ("Queue-Id", envelope.id)),
        *(("MTA-Name", hostname),),
        *(("Rcpt", f"<{to.original or to.address}>") for to in envelope.recipients[:_RECIPIENTS]),
    ]
    for name, value in given:
        if value:
            yield name.encode(), _printable(value)


def _printable(text: str) -> bytes:
    """Replace line ends and control characters: a stranger chose the text, in HELO for example."""
    kept = "".join(character if character.isprintable() else "?" for character in text)
    return kept[:_VALUE_LIMIT].encode("utf-8", "replace")
