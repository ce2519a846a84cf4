"""The HTTP API of the router, a file a resource."""

from libs.http import About
from services.router.api.accounts import account_routes
from services.router.api.alias_domains import alias_domain_routes
from services.router.api.aliases import alias_routes
from services.router.api.domains import domain_routes
from services.router.api.forwards import forward_routes
from services.router.api.questions import question_routes
from services.router.api.redirects import redirect_routes
from services.router.api.replications import replication_routes

__all__ = [
    "ABOUT",
    "account_routes",
    "alias_domain_routes",
    "alias_routes",
    "domain_routes",
    "forward_routes",
    "question_routes",
    "redirect_routes",
    "replication_routes",
]

ABOUT = About(
    description="Domains, accounts and all other addresses of the cluster.",
    tags={
        "domains": "Main domains and their alias domains.",
        "accounts": "Mailboxes with a login, and their other addresses.",
        "aliases": "Addresses whose mail goes to others.",
        "forwards": "Addresses whose mail goes to one address elsewhere.",
        "redirects": "Accounts whose mail goes to other addresses.",
        "replications": "Addresses whose mail is copied to another one.",
        "questions": "What other services and operators ask about addresses; nothing is changed.",
    },
)
