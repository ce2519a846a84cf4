"""HTTP for all services: application factory, problem documents, bearer tokens, server, typed client.

What goes in is read strictly: `RequestBody` and `QueryModel` are the bases of what requests hold, `names` has the types
of addresses, domains, peers and moments, `Cursor` those of pages, `IfMatch` and `Idempotency` the headers of changes.
"""

from libs.http.application import application
from libs.http.audit import Audit, audited, question
from libs.http.auth import ADMIN, APPLICATION, Tokens, require
from libs.http.client import Client
from libs.http.connections import Connections
from libs.http.idempotency import Idempotency, IdempotencyKey, Once, once_of
from libs.http.keys import MongoKeys
from libs.http.openapi import About
from libs.http.pages import After, Cursor, Page, PageLimit
from libs.http.parameters import QueryModel
from libs.http.preconditions import IfMatch, Precondition, birth_mark, entity_tag
from libs.http.probes import Check, Checks
from libs.http.problems import Problem
from libs.http.requests import RequestBody
from libs.http.server import Server
from libs.http.strictness import strict

__all__ = [
    "ADMIN",
    "APPLICATION",
    "About",
    "After",
    "Audit",
    "Check",
    "Checks",
    "Client",
    "Connections",
    "Cursor",
    "Idempotency",
    "IdempotencyKey",
    "IfMatch",
    "MongoKeys",
    "Once",
    "Page",
    "PageLimit",
    "Precondition",
    "Problem",
    "QueryModel",
    "RequestBody",
    "Server",
    "Tokens",
    "application",
    "audited",
    "birth_mark",
    "entity_tag",
    "once_of",
    "question",
    "require",
    "strict",
]
