"""Opens the blob store of an address; the scheme of the address chooses the implementation."""

from __future__ import annotations

from pathlib import Path

from libs.blobs.files import FileBlobs
from libs.blobs.mongo import MongoBlobs
from libs.blobs.ports import Blobs
from libs.mongo import Mongo


def open_blobs(url: str, mongo: Mongo) -> Blobs:
    """`file:DIRECTORY`, or `mongo:` for the database `blobs` of the cluster's MongoDB. Raises `ValueError`."""
    match url.partition(":")[0]:
        case "file":
            return FileBlobs(Path(url.removeprefix("file:")))
        case "mongo":
            return MongoBlobs(mongo.database("blobs"))
        case other:
            raise ValueError(f"blob store address: unknown scheme {other!r}, expected file: or mongo:")
