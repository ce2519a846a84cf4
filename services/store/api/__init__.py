"""The HTTP API of the store: a file a resource, composed here."""

from __future__ import annotations

from fastapi import APIRouter

from libs.http import About
from services.store.api.appending import appending_routes
from services.store.api.changes import change_routes
from services.store.api.contents import content_routes
from services.store.api.context import StoreContext
from services.store.api.folders import folder_routes
from services.store.api.messages import message_routes
from services.store.api.quarantine import quarantine_routes
from services.store.api.usage import usage_routes

__all__ = ["ABOUT", "StoreContext", "routes"]

ABOUT = About(
    description="Mailboxes with their folders and messages, and the quarantine.",
    tags={
        "folders": "Folders of a mailbox.",
        "messages": "Messages of a mailbox: lists, search, flags, moves, copies and deletion.",
        "contents": "The content of a message.",
        "usage": "Totals of a mailbox.",
        "quarantine": "Messages that were held: search, release, block and delete.",
    },
)


def routes(context: StoreContext) -> list[APIRouter]:
    """Routes with fixed words under `/messages/` come before those with an id in their place."""
    return [
        folder_routes(context),
        change_routes(context),
        appending_routes(context),
        message_routes(context),
        *content_routes(context),
        usage_routes(context),
        quarantine_routes(context),
    ]
