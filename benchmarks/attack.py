"""`screentest serve` under attack: hostile pictures of every kind that the tests make, four of each, portraits among
them.

    .venv/bin/python benchmarks/attack.py [--workers N] [--clients N] [--seed N]

Clients take pictures from one shuffled list and come again when a 429 says so. Half of the pictures are fetched from an
image host, half come with their requests. Memory is the proportional share of the server and each of its processes
when they have most together, looked at twenty times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
PATH = "/api/v1/services/aigc/image2video/face-detect"
OF_EACH = 4
PORTRAITS = 40


async def attack(  # noqa: PLR0915 - one run, told in order
    url: str, pid: int, host: int, files: list[Path], good: set[int], clients: int
) -> None:
    """Print what came of it."""
    from benchmarks.serve import late, shares

    pending = list(range(len(files)))
    answers: Counter[str] = Counter()
    seconds: list[float] = []
    portraits: list[float] = []
    most: list[int] = []
    refusals = 0

    async def ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
        if number % 2:
            return await client.post(
                f"{url}/v1/pictures?model=emo", content=await asyncio.to_thread(files[number].read_bytes)
            )
        picture = f"http://127.0.0.1:{host}/{number}"
        return await client.post(url + PATH, json={"model": "emo-detect-v1", "input": {"image_url": picture}})

    async def work() -> None:
        nonlocal refusals
        async with httpx.AsyncClient(timeout=60) as client:
            while pending:
                number = pending.pop()
                begun = time.monotonic()
                try:
                    response = await ask(client, number)
                except httpx.HTTPError as error:
                    answers[type(error).__name__] += 1
                    continue
                took = time.monotonic() - begun
                seconds.append(took)
                if response.status_code == 429:
                    refusals += 1
                    pending.insert(0, number)
                    await asyncio.sleep(int(response.headers["retry-after"]))
                    continue
                body = response.json()
                if number in good:
                    portraits.append(took)
                    answers[f"portrait: {'judged' if 'output' in body else body['code']}"] += 1
                else:
                    answers[body.get("code") or "judged"] += 1

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, await asyncio.to_thread(shares, pid), key=sum)
            await asyncio.sleep(0.05)

    watcher = asyncio.create_task(watch())
    before = await asyncio.to_thread(shares, pid)
    await asyncio.gather(*(work() for _ in range(clients)))
    watcher.cancel()
    async with httpx.AsyncClient(timeout=60) as client:
        begun = time.monotonic()
        await ask(client, next(number for number in good if number % 2))
        after = time.monotonic() - begun
    print(f"{len(files)} pictures, {refusals} refusals for want of room: {dict(answers.most_common())}")
    print(
        f"slowest answer {max(seconds):.1f} s, portraits {late(portraits, 0.5):.0f} / {late(portraits):.0f} ms"
    )
    memory = ", ".join(
        f"{when} {sum(parts)} ({' + '.join(map(str, parts))})"
        for when, parts in (("before", before), ("at most", most), ("after", shares(pid)))
    )
    print(f"MB of server and workers: {memory}; the next portrait {after * 1000:.0f} ms")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from support.hostile import KINDS

    from benchmarks.detection import pictures
    from benchmarks.serve import HOST, free_port, settle, started

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, made = Path(name), Path(name) / "made"
        made.mkdir()
        pictures(made, PORTRAITS)
        contents = [path.read_bytes() for path in made.glob("*.jpg")]
        hostile = [kind.make() for kind in KINDS]
        order = [(data, False) for data in hostile * OF_EACH] + [(data, True) for data in contents]
        random.Random(options.seed).shuffle(order)  # noqa: S311 - an order, no secret
        files = [folder / f"{number}.jpg" for number in range(len(order))]
        for file, (data, _) in zip(files, order, strict=True):
            file.write_bytes(data)
        good = {number for number, (_, portrait) in enumerate(order) if portrait}
        _, said = stack.enter_context(started([sys.executable, "-c", HOST, name, "0"]))
        port = free_port()
        command = [sys.executable, "-m", "screentest", "serve", "--allow-private-urls"]
        command += ["--port", str(port), "--workers", str(options.workers)]
        pid, _ = stack.enter_context(started(command))
        settle(port)
        asyncio.run(attack(f"http://127.0.0.1:{port}", pid, int(said), files, good, options.clients))


if __name__ == "__main__":
    main()
