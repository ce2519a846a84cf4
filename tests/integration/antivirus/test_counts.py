"""Statistics of days have an end, those that were written before they had one too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from libs.mongo import Mongo
from services.antivirus.adapters.counts import MongoCounts

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_statistics_of_days_end(mongo: Mongo) -> None:
    database = mongo.database("antivirus")
    await database["days"].insert_one({"_id": {"day": "2025-12-24", "what": "virus", "name": "Old"}, "times": 3})
    counts = MongoCounts(database, kept=timedelta(days=1), days_kept=timedelta(days=10))
    await counts.open()
    await counts.add_events({("virus", "Eicar"): 2}, NOW)
    ends = {document["_id"]["name"]: document["until"] async for document in database["days"].find()}
    assert ends["Old"].replace(tzinfo=UTC) == datetime(2026, 1, 3, tzinfo=UTC)
    assert ends["Eicar"].replace(tzinfo=UTC) == NOW + timedelta(days=10)
    indexes = await database["days"].index_information()
    assert [index["expireAfterSeconds"] for index in indexes.values() if index["key"] == [("until", 1)]] == [0]
