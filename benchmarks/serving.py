"""Serving: requests per second with and without batches, streams of text, a soak, and a storm of made-up requests.

    python benchmarks/serving.py batching RUN [--clients 64] [--requests 640]
    python benchmarks/serving.py streams RUN [--streams 8] [--tokens 200]
    python benchmarks/serving.py soak RUN [--requests 20000]
    python benchmarks/serving.py storm RUN [--cases 100]

`batching`: a run that reads one text, behind `danlu serve` and behind a bare Starlette application that calls the same
Predictor for each request. `streams`: a language model's tokens per second, one stream and several at once. `soak`: the
server's memory after the first tenth of the requests and after all. `storm`: requests that schemathesis makes up,
`cases` that fit and as many that do not for each operation; it ends with an error where one of them is answered with
5xx or otherwise than the interface says.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2

TEXTS = ("a warm and funny film", "far too long, and dull from beginning to end", "fine")


@contextmanager
def process(*arguments, mark):
    """Another Python process that serves; its address and its id, once it says `mark`."""
    with Path(os.devnull).open("w") as nowhere:
        running = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=nowhere, text=True)
    try:
        said = next(line for line in running.stdout if mark in line)
        yield re.search(r"http://[^\s/]+", said)[0], running.pid
    finally:
        running.kill()
        running.wait()


def served(run, *settings):
    """`danlu serve` of a run."""
    return process("-m", "danlu", "serve", run, "--port", "0", *settings, mark="Ctrl-C")


def bare(run):
    """The application without batches: a thread per request, as frameworks run functions."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from danlu.predictor import Predictor

    predictor = Predictor.load(run)
    (column,) = predictor.codec.inputs

    async def predict(request):
        rows = [{column: text} for text in (await request.json())["inputs"]]
        answered = await run_in_threadpool(predictor.predict, rows)
        return JSONResponse({"predictions": json.loads(answered.write_json())})

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]} ready", flush=True)
    app = Starlette(routes=[Route(f"/v1/predict/{Path(run).name}", predict, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


async def storm_of_clients(url, path, clients, requests):
    """Seconds of each request, of so many clients at once; and of all together."""
    left = iter(range(requests))
    taken = []

    async def client(session):
        for number in left:
            began = time.perf_counter()
            answer = await session.post(path, json={"inputs": [TEXTS[number % len(TEXTS)]]})
            answer.raise_for_status()
            taken.append(time.perf_counter() - began)

    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=300, limits=limits) as session:
        await asyncio.gather(*(session.post(path, json={"inputs": [text]}) for text in TEXTS))
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        return taken, time.perf_counter() - began


def batching(asked):
    path = f"/v1/predict/{Path(asked.run).name}"
    contestants = {
        "danlu serve": served(asked.run),
        "the same without batches": process(__file__, "bare", asked.run, mark="ready"),
    }
    speeds = {}
    for name, contestant in contestants.items():
        with contestant as (url, pid):
            asyncio.run(storm_of_clients(url, path, 1, 3))
            began = cpu_s(pid)
            taken, seconds = asyncio.run(storm_of_clients(url, path, asked.clients, asked.requests))
            busy = (cpu_s(pid) - began) / asked.requests
        speeds[name] = asked.requests / seconds
        quick, slow = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
        print(f"{name}: {speeds[name]:.1f} requests/s, {1000 * busy:.1f} ms of processor each,", end=" ")
        print(f"p50 {1000 * quick:.0f} ms, p99 {1000 * slow:.0f} ms ({slow / quick:.1f})")
    ours, bare_speed = speeds.values()
    print(f"ratio {ours / bare_speed:.2f} with {asked.clients} clients")


async def tokens_per_second(url, name, streams, tokens):
    """Of so many texts at once, all tokens together."""

    async def write(session, seed):
        body = {"model": name, "prompt": "the", "max_tokens": tokens, "seed": seed, "temperature": 1.5}
        return (await session.post("/v1/completions", json=body)).json()["usage"]["completion_tokens"]

    async with httpx2.AsyncClient(base_url=url, timeout=300) as session:
        await write(session, 0)
        began = time.perf_counter()
        written = sum(await asyncio.gather(*(write(session, seed) for seed in range(streams))))
        return written / (time.perf_counter() - began)


def streams(asked):
    with served(asked.run, f"max_streams={asked.streams}") as (url, _):
        name = Path(asked.run).name
        one = asyncio.run(tokens_per_second(url, name, 1, asked.tokens))
        many = asyncio.run(tokens_per_second(url, name, asked.streams, asked.tokens))
    print(f"1 stream: {one:.0f} tokens/s; {asked.streams} streams: {many:.0f} tokens/s; ratio {many / one:.2f}")


def cpu_s(pid):
    """Processor time that a process has used: what its requests cost, whoever else works on the machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    """Memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def soak(asked):
    with served(asked.run) as (url, pid):
        path = f"/v1/predict/{Path(asked.run).name}"
        asyncio.run(storm_of_clients(url, path, asked.clients, asked.requests // 10))
        before = resident_mb(pid)
        asyncio.run(storm_of_clients(url, path, asked.clients, asked.requests - asked.requests // 10))
        after = resident_mb(pid)
    grown = after / before - 1
    print(f"{asked.requests} requests: {before:.0f} MB after a tenth, {after:.0f} MB at the end ({grown:+.1%})")


def storm(asked):
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
    from test_interface import fuzzed

    with served(asked.run) as (url, _):
        count = fuzzed(url, asked.cases)
        assert httpx2.get(f"{url}/health").status_code == 200
    print(f"{count} requests, none of them answered with 5xx or otherwise than the interface says")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("batching", "streams", "soak", "storm", "bare"))
    parser.add_argument("run")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--cases", type=int, default=100)
    asked = parser.parse_args()
    if asked.what == "bare":
        bare(asked.run)
    else:
        globals()[asked.what](asked)


if __name__ == "__main__":
    main()
