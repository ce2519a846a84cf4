"""The HTTP APIs of the services as their neighbours use them: one typed client for each service.

A model here has only the fields that a neighbour reads, and ignores all others, so that two versions of a service can
answer during a rolling update. `OPERATIONS` of each module lists what it calls; the tests compare the list and the
models with the OpenAPI documents of the real services. Caches and what happens without an answer belong to the caller.
"""

from libs.neighbours.antispam import AntispamClient
from libs.neighbours.ingress import IngressClient
from libs.neighbours.quota import QuotaClient
from libs.neighbours.router import RouterClient
from libs.neighbours.store import StoreClient

__all__ = ["AntispamClient", "IngressClient", "QuotaClient", "RouterClient", "StoreClient"]
