"""MongoDB, behind one package, so that the driver can be changed in one place.

`open_mongo` gives a `Mongo`; a service takes its own database from it. Driver errors leave through `mongo_errors` as
`Temporary`; a duplicate key is `DuplicateKey`. What services write with (`UpdateOne` ...) they import from here too.
"""

from pymongo import DeleteOne, IndexModel, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne

from libs.mongo.batches import Batcher
from libs.mongo.client import Collection, Database, Mongo, Session, in_transaction
from libs.mongo.embedded import EmbeddedMongod
from libs.mongo.errors import DuplicateKey, mongo_errors
from libs.mongo.opening import embedded_port, open_mongo

__all__ = [
    "Batcher",
    "Collection",
    "Database",
    "DeleteOne",
    "DuplicateKey",
    "EmbeddedMongod",
    "IndexModel",
    "InsertOne",
    "Mongo",
    "ReplaceOne",
    "ReturnDocument",
    "Session",
    "UpdateMany",
    "UpdateOne",
    "embedded_port",
    "in_transaction",
    "mongo_errors",
    "open_mongo",
]
