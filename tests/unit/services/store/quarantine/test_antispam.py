"""What antispam says of a domain: remembered, and never after a change that overtook the answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

from libs.http import Client
from libs.neighbours import AntispamClient
from services.store.quarantine.antispam import AntispamPolicies


class Antispam:
    """Answers with the language of now when it is let."""

    def __init__(self) -> None:
        self.language = "en"
        self.asked = 0
        self.go_on = asyncio.Event()

    async def model(self, kind: Any, method: str, path: str) -> Any:
        self.asked += 1
        answer = kind.model_validate({"policy": {"language": self.language}})
        await self.go_on.wait()
        return answer


async def test_an_answer_that_a_change_overtook_is_not_kept_and_a_crowd_asks_once() -> None:
    antispam = Antispam()
    policies = AntispamPolicies(AntispamClient(cast(Client, antispam)), keep=timedelta(minutes=1))
    crowd = [asyncio.create_task(policies.of("example.org")) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    antispam.language = "fr"
    policies.forget("example.org")
    antispam.go_on.set()
    assert {policy.language for policy in await asyncio.gather(*crowd)} == {"en"}
    assert antispam.asked == 1
    assert (await policies.of("example.org")).language == "fr"
    assert (await policies.of("example.org")).language == "fr"
    assert antispam.asked == 2
    policies.forget("")
    assert (await policies.of("example.org")).language == "fr"
    assert antispam.asked == 3
