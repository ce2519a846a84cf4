"""The public pages of the quarantine: the only routes that need no token, since the address is the key.

Only POST acts: scanners of mail open every link with GET or HEAD. A page of another site cannot post here for somebody,
for it would have to know the address, and no cookie or login goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from libs.envelope import Permanent, Temporary
from libs.network import Network, is_in, network_of
from services.store.mailboxes.refusals import NotFound, Refusal
from services.store.quarantine.letters import PATHS
from services.store.quarantine.links import InvalidToken
from services.store.quarantine.pages import HEADERS, Pages, language_of
from services.store.quarantine.sender_validation import CaptchaFailed, SenderValidation, TooManyAttempts

MAX_FORM_BYTES = 8 * 1024
FORM_SECONDS = 10.0
HTTP_422 = 422

Work = Callable[[Pages], Awaitable[tuple[int, str]]]


def page_routes(sender_validation: SenderValidation, *, proxies: Sequence[Network]) -> APIRouter:
    """Create the pages. The X-Forwarded-For of `proxies` is trusted."""
    api = APIRouter(include_in_schema=False)

    @api.api_route(PATHS["validate"] + "/{token}", methods=["GET", "HEAD"])
    async def validation(request: Request, token: str) -> Response:
        async def show(pages: Pages) -> tuple[int, str]:
            asked = await sender_validation.prompt(token)
            return 200, pages.validation(asked)

        return await _answered(request, show)

    @api.post(PATHS["validate"] + "/{token}")
    async def validate(request: Request, token: str) -> Response:
        async def act(pages: Pages) -> tuple[int, str]:
            form = await _form(request)
            address = network_of(client_of(request, proxies))
            try:
                done = await sender_validation.validate(
                    token, challenge=form.get("challenge", ""), answer=form.get("answer", ""), address=address
                )
            except CaptchaFailed as error:
                asked = await sender_validation.prompt(token)
                page = pages.validation(asked, error=str(error))
                return HTTP_422, page
            sentences = ("delivered", "trusted") if done.domains else ("delivered",)
            recipients, domains = ", ".join(done.recipients), ", ".join(done.domains)
            return 200, pages.message("delivered_title", *sentences, recipients=recipients, domains=domains)

        return await _answered(request, act)

    @api.api_route(PATHS["own"] + "/{token}", methods=["GET", "HEAD"])
    async def owned(request: Request, token: str) -> Response:
        async def show(pages: Pages) -> tuple[int, str]:
            return 200, pages.own(*await sender_validation.message_for_owner(token))

        return await _answered(request, show)

    @api.post(PATHS["own"] + "/{token}")
    async def decide(request: Request, token: str) -> Response:
        async def act(pages: Pages) -> tuple[int, str]:
            match (await _form(request)).get("do"):
                case "release":
                    recipients = ", ".join(await sender_validation.release(token))
                    return 200, pages.message("delivered_title", "own_released", recipients=recipients)
                case "delete":
                    await sender_validation.delete(token)
                    return 200, pages.message("own_deleted_title", "own_deleted")
                case _:
                    return HTTP_422, pages.own(*await sender_validation.message_for_owner(token))

        return await _answered(request, act)

    return api


async def _answered(request: Request, work: Work) -> Response:
    """Return a page for every outcome; it does not tell why a link is invalid."""
    pages = Pages(language_of(request.headers.get("accept-language", "")))
    more: dict[str, str] = {}
    try:
        status, page = await work(pages)
    except (InvalidToken, NotFound):
        status, page = 404, pages.message("gone_title", "gone")
    except TooManyAttempts:
        status, page, more = 429, pages.message("limit_title", "limit"), {"Retry-After": "3600"}
    except Temporary:
        status, page, more = 503, pages.message("away_title", "away"), {"Retry-After": "60"}
    except (Refusal, Permanent, _NoForm):
        status, page = 409, pages.message("refused_title", "refused")
    return HTMLResponse("" if request.method == "HEAD" else page, status_code=status, headers={**HEADERS, **more})


class _NoForm(Exception):
    """Too large, too slow, or no form at all."""


async def _form(request: Request) -> dict[str, str]:
    """The first value of each field (`application/x-www-form-urlencoded`)."""
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    raise _NoForm
        fields = parse_qs(body.decode(), max_num_fields=10)
    except (TimeoutError, ValueError):
        raise _NoForm from None
    return {name: values[0] for name, values in fields.items()}


def client_of(request: Request, proxies: Sequence[Network]) -> str:
    """Return the client: the peer, or the last address of X-Forwarded-For that is not one of `proxies`."""
    chain = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    peer = request.client.host if request.client else ""
    while chain and is_in(peer, proxies):
        peer = chain.pop()
    return peer[:100]
