"""make bench: messages a second, CPU milliseconds a message by process, and the time from DATA to mailbox.

Embedded and cluster, 4 KB multipart messages, 1 and 20 kept connections, all filters and Bayes on. Nothing here
asserts; it prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from pymongo import AsyncMongoClient

from libs.mongo import EmbeddedMongod
from libs.mongo.opening import EMBEDDED_PORT
from services import SERVICES
from tests.load.client import SPAM_WORDS, WORDS, a_multipart, pour
from tests.load.processes import cpu_seconds, descendants, resident_megabytes
from tests.servers.cluster import cluster_of, demonstration
from tests.servers.facteur import Facteur
from tests.servers.rabbitmq import RabbitServer

ACCOUNTS = 20


class Bench:
    """One running product with its processes and a look into the store's database."""

    def __init__(self, facteur: Facteur, *, mongo_url: str, database: str, pids: dict[str, int]) -> None:
        self.facteur = facteur
        self.pids = pids
        self._messages = AsyncMongoClient[dict[str, Any]](mongo_url)[database].messages
        self.accounts = [f"bench{n}@example.org" for n in range(ACCOUNTS)]

    def prepare(self) -> None:
        """Accounts, and a Bayes that has learnt enough to speak."""
        for address in self.accounts:
            self.facteur.post("router", "/v1/accounts", {"address": address, "password": "motdepasse1"})
        for n in range(200):
            kind, words = ("spam", SPAM_WORDS) if n % 2 else ("ham", WORDS)
            message = a_multipart(f"lesson {n}", "x@example.org", seed=10**6 + n, words=words)
            response = self.facteur.call("POST", "antispam", f"/v1/learn?as={kind}", content=message)
            assert response.is_success, response.text

    async def throughput(self, count: int, connections: int) -> dict[str, Any]:
        """Delivered messages a second and CPU ms a message by process."""
        messages = [self._message(n, f"t{connections}-{n}") for n in range(count)]
        stored = await self._messages.estimated_document_count()
        before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        began = time.perf_counter()
        accepted = await pour(self.facteur.port("mx"), messages, connections=connections, taken=lambda *_: None)
        taken = time.perf_counter() - began
        while await self._messages.estimated_document_count() < stored + accepted:
            await asyncio.sleep(0.02)
        delivered = time.perf_counter() - began
        cpu = {name: (cpu_seconds(pid) - before[name]) * 1000 / accepted for name, pid in self.pids.items()}
        return {"accepted": accepted / taken, "delivered": accepted / delivered, "cpu": cpu, "count": accepted}

    async def latency(self, count: int, per_second: float) -> tuple[float, float]:
        """p50 and p99 from the end of DATA's sending to the mailbox, milliseconds, at a light load."""
        began: dict[str, float] = {}
        times: list[float] = []

        async def watch(stream: Any) -> None:
            async for change in stream:
                subject = change["fullDocument"].get("subject", "")
                if subject in began:
                    times.append(time.time() - began[subject])
                    if len(times) == count:
                        return

        async with await self._messages.watch([{"$match": {"operationType": "insert"}}]) as stream:
            watching = asyncio.create_task(watch(stream))
            for n in range(count):
                subject = f"latency-{n}-{time.time_ns()}"
                message = self._message(n, subject)
                began[subject] = time.time()

                def note(_: int, start: float, subject: str = subject) -> None:
                    began[subject] = start

                await pour(self.facteur.port("mx"), [message], connections=1, taken=note)
                await asyncio.sleep(1 / per_second)
            async with asyncio.timeout(60):
                await watching
        ordered = sorted(times)
        return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99) - 1] * 1000

    def _message(self, n: int, subject: str) -> tuple[str, bytes]:
        recipient = self.accounts[n % ACCOUNTS]
        return recipient, a_multipart(subject, recipient, seed=n)


async def measure(name: str, bench: Bench, arguments: argparse.Namespace) -> None:
    """Print the figures of one way to run."""
    bench.prepare()
    await bench.throughput(arguments.messages // 4, 20)  # warm-up
    for connections in (1, 20):
        result = await bench.throughput(arguments.messages, connections)
        print(
            f"{name:9} {connections:2} connections  {result['count']} messages  accepted {result['accepted']:6.1f}/s  "
            f"delivered {result['delivered']:6.1f}/s  CPU {sum(result['cpu'].values()):5.2f} ms a message"
        )
        print("          " + "  ".join(f"{who} {ms:.2f}" for who, ms in result["cpu"].items()), flush=True)
    p50, p99 = await bench.latency(arguments.latency, 5)
    print(f"{name:9} light load (5/s): DATA to mailbox p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    memory = {who: resident_megabytes(pid) for who, pid in bench.pids.items()}
    print(f"{name:9} memory MB: " + "  ".join(f"{who} {mb:.0f}" for who, mb in memory.items()), flush=True)


async def embedded(directory: Path, arguments: argparse.Namespace) -> None:
    facteur = Facteur(directory, processes=[()], environ={})
    facteur.start()
    pid = facteur.pid("ingress")
    mongod = next(child for child, comm in descendants(pid).items() if comm == "mongod")
    url = f"mongodb://127.0.0.1:{EMBEDDED_PORT + facteur.port_base}/?directConnection=true"
    bench = Bench(facteur, mongo_url=url, database="facteur_store", pids={"facteur": pid, "mongod": mongod})
    try:
        await measure("embedded", bench, arguments)
    finally:
        facteur.close()


async def cluster(directory: Path, arguments: argparse.Namespace) -> None:
    mongod = EmbeddedMongod(directory / "mongo", port=27817)
    await mongod.start()
    (directory / "rabbit").mkdir()
    rabbit = RabbitServer(directory / "rabbit")
    rabbit.start()
    (directory / "cluster").mkdir()
    facteur = cluster_of(directory / "cluster", mongo_url=mongod.url, bus_url=rabbit.url)
    facteur.start()
    demonstration(facteur)
    pids = {service: facteur.pid(service) for service in SERVICES}
    broker = next(pid for pid, comm in descendants(os.getpid()).items() if comm == "beam.smp")
    pids |= {"rabbitmq": broker, "mongod": mongod.pid}
    bench = Bench(facteur, mongo_url=mongod.url, database=f"{facteur.directory.name}_store", pids=pids)
    try:
        await measure("cluster", bench, arguments)
    finally:
        facteur.close()
        rabbit.stop()
        await mongod.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="messages of each throughput run")
    parser.add_argument("--latency", type=int, default=100, help="messages of the latency run")
    parser.add_argument("--only", choices=["embedded", "cluster"])
    chosen = parser.parse_args(arguments)
    for name, run in (("embedded", embedded), ("cluster", cluster)):
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="facteur-bench-") as directory:
                uvloop.run(run(Path(directory), chosen))


if __name__ == "__main__":
    main()
