"""A service that says what it does and waits for files before it goes on. Run by test_process.py."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import APIRouter

from libs.envelope import Envelope, Mail
from libs.envelope.model import utc_now
from libs.http import Client
from libs.runtime import MustEnd, Periodic, QueueHandler, Route, Service, Shared, closing, run
from libs.settings import ServiceSettings
from libs.telemetry import Metrics

HERE = Path.cwd()


class TinySettings(ServiceSettings):
    """What goes wrong."""

    opening: str = ""
    background: str = ""


async def until(name: str) -> None:
    while not (HERE / name).exists():
        await asyncio.sleep(0.01)


def say(text: str) -> None:
    print(text, flush=True)


class Tiny(ModuleType):
    """Stands where an `app.py` stands."""

    Settings = TinySettings

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.NAME = name

    @asynccontextmanager
    async def build(self, settings: TinySettings, shared: Shared) -> AsyncIterator[Service]:
        if settings.opening == "value":
            raise ValueError("engine 'x':\n no such engine")
        if settings.opening == "hangs":
            say("opening")
            await asyncio.Event().wait()
        adapter = Client("http://127.0.0.1:9", token=lambda: "")

        async def handle(mail: Mail) -> Iterable[Route]:
            say("taken")
            try:
                await until("go")
                await shared.blobs.put(mail.envelope.id, b"handled")
                return (Route("mail.next", mail),)
            finally:
                say("handler ended")

        async def background() -> None:
            await until("fail")
            if settings.background == "holds a thread":
                say("holding")
                await asyncio.to_thread(threading.Event().wait)
            raise MustEnd("going on would do harm") if settings.background == "must end" else KeyError("a bug")

        try:
            yield Service(
                name=self.NAME,
                settings=settings,
                metrics=Metrics(),
                routers=(routes(shared),),
                queue_handlers=(QueueHandler(f"mail.{self.NAME}", handle),),
                background=(Periodic("watch", background, timedelta(hours=1)),) if settings.background else (),
            )
        finally:
            await adapter.close()
            say(f"{self.NAME} closed")


def routes(shared: Shared) -> APIRouter:
    router = APIRouter()

    @router.post("/send")
    async def send() -> None:
        await shared.bus.declare("mail.next")
        envelope = Envelope(id="a1", received_at=utc_now(), recipients=(), size_bytes=3, sha256="", verdicts={})
        await shared.outbox.send("mail.quota", Mail(envelope, b"raw"))

    @router.get("/loop")
    async def loop() -> Any:
        return type(asyncio.get_running_loop()).__module__

    return router


if __name__ == "__main__":
    if "TINY_CLOSING" in os.environ:
        closing.CLOSING = timedelta(seconds=float(os.environ["TINY_CLOSING"]))
    run(*(Tiny(name) for name in sys.argv[1:]), again="TINY_AGAIN" in os.environ)
