"""The HTTP API of the router, a file a resource."""

from services.router.api.accounts import account_routes
from services.router.api.alias_domains import alias_domain_routes
from services.router.api.aliases import alias_routes
from services.router.api.domains import domain_routes
from services.router.api.forwards import forward_routes
from services.router.api.questions import question_routes
from services.router.api.redirects import redirect_routes
from services.router.api.replications import replication_routes

__all__ = [
    "account_routes",
    "alias_domain_routes",
    "alias_routes",
    "domain_routes",
    "forward_routes",
    "question_routes",
    "redirect_routes",
    "replication_routes",
]
