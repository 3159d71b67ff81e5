"""Serving: requests per second beside peers, time to the first answer, streams of text, a soak, a storm.

    python benchmarks/serving.py                   all of it, on runs that it trains first
    python benchmarks/serving.py batching [RUN] [--rounds 3] [--clients 64] [--requests 640]
    python benchmarks/serving.py start [RUN ...] [--rounds 3]
    python benchmarks/serving.py streams [RUN] [--streams 8] [--tokens 200]
    python benchmarks/serving.py soak [RUN] [--soaked 20000]
    python benchmarks/serving.py storm [RUN ...] [--cases 200]

`batching`: a run that reads one text, behind `danlu serve`, behind LitServe, which batches too, and behind a bare
Starlette application that answers each request by itself; all call the same Predictor, and their answers are compared.
`start`: seconds from the command to the first answer. `streams`: a language model's tokens per second, one stream and
several at once. `soak`: the server's memory after the first tenth of the requests and after all. `storm`: requests
that schemathesis makes up, `cases` that fit and as many that do not for each operation; it ends with an error where one
of them is answered with 5xx or otherwise than the interface says.
"""

import argparse
import asyncio
import importlib.metadata
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import contest
import httpx2

KINDS = {  # what is measured, and of which runs
    "batching": ("minilm",),
    "start": ("table", "minilm"),
    "streams": ("writer",),
    "soak": ("minilm",),
    "storm": ("table", "minilm", "writer"),
}
LITSERVE = Path(__file__).with_name("behind_litserve.py")
POLL_S = 0.02
LONGEST_S = 3600
COMPARED = 32  # texts whose answers are compared
APART = 0.02  # what equal probabilities may differ by: 8 bits and batches of other widths round otherwise
TEXT = Path(__file__).parents[2] / "shared" / "data" / "lm-en" / "tinyshakespeare.txt"


def texts():
    """Of reviews, 27 tokens on average."""
    from encode import sentences

    return sentences(None)[::20]


def trained(kind, folder):
    """A run of such a kind, which `danlu train` makes in a minute: what is served need not know much."""
    from finetune import minilm

    import danlu

    quiet = {"out": Path(folder) / kind, "quiet": True, "evaluate__baseline": False}
    if kind == "table":
        return danlu.train("sample:breast_cancer", **quiet).folder
    if kind == "minilm":
        rows = [{"text": text, "label": "even" if n % 2 else "odd"} for n, text in enumerate(texts())]
        return danlu.train(rows, target="label", model=str(minilm()), train__steps=10, **quiet).folder
    sizes = {"family": "llama", "width": 384, "depth": 6, "heads": 6}
    reading = {"tokenizer": "bpe", "vocab_size": 4096, "max_length": 256}
    task = "text-generation"
    return danlu.train(str(TEXT), task=task, model=sizes, data__text=reading, train__steps=5, **quiet).folder


@contextmanager
def process(*arguments, mark, python=sys.executable):
    """Another Python process that serves; its address and its id, once it says `mark`."""
    command = [str(python), *map(str, arguments)]
    quiet = {"stderr": subprocess.DEVNULL, "text": True, "start_new_session": True}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, **quiet)
    try:
        said = next((line for line in running.stdout if mark in line), None)
        if said is None:
            sys.exit(f"{' '.join(command)} ended before it served")
        url = re.search(r"http://[^\s/]+", said)[0]
        while not ready(url):
            time.sleep(POLL_S)
        yield url, running.pid
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def ready(url):
    """Whether somebody answers there that all is well."""
    try:
        return httpx2.get(f"{url}/health").status_code == 200
    except httpx2.TransportError:
        return False


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
    print(f"http://127.0.0.1:{listening.getsockname()[1]} starts", flush=True)
    health = Route("/health", lambda _: JSONResponse({}))
    app = Starlette(routes=[Route(f"/v1/predict/{Path(run).name}", predict, methods=["POST"]), health])
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


async def storm_of_clients(url, path, clients, requests):
    """Seconds of each request that was answered, of so many clients at once; seconds of all together; errors.

    A client is a bare connection: what shares the machine with the server should cost next to nothing.
    """
    left, taken, errors = iter(range(requests)), [], 0
    asked = [posting(url, path, {"inputs": [text]}) for text in texts()]
    host, _, port = url.removeprefix("http://").partition(":")

    async def client():
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in left:
            began = time.perf_counter()
            writer.write(asked[number % len(asked)])
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"(?i)\ncontent-length: *(\d+)", head)[1]))
            if head.startswith(b"HTTP/1.1 200 "):
                taken.append(time.perf_counter() - began)
            else:
                errors += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*(client() for _ in range(clients))), LONGEST_S)
    return taken, time.perf_counter() - began, errors


def posting(url, path, content):
    """The bytes of a request."""
    body = json.dumps(content).encode()
    host = url.removeprefix("http://")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def batching(asked, run):
    path = f"/v1/predict/{Path(run).name}"
    contestants = {
        "danlu serve": lambda: served(run),
        "danlu serve --precision bfloat16": lambda: served(run, "--precision", "bfloat16"),
        "danlu serve --precision int8": lambda: served(run, "--precision", "int8"),
        "LitServe": lambda: process(LITSERVE, run, python=contest.PEERS, mark="starts"),
        "the same without batches": lambda: process(__file__, "bare", run, mark="starts"),
    }
    if not contest.PEERS.exists():
        print("    LitServe is left out: `make peers` installs it", file=sys.stderr)
        del contestants["LitServe"]
    told, found = {}, {name: [] for name in contestants}
    for number in range(asked.rounds):
        for name, contestant in contestants.items():
            with contestant() as (url, pid):
                told[name] = answers(url, path)
                found[name].append(measured(url, path, pid, asked))
            print(f"    round {number + 1}, {name}: {found[name][-1]['speed']:.4g} requests/s", file=sys.stderr)
    apart = max(largest_difference(told["danlu serve"], others) for others in told.values())
    verdict = f"{'Same' if apart <= APART else 'NOT the same'} answers: probabilities apart by {apart:.4f} at most."
    packages = ("danlu", "torch", "uvicorn", "litserve")
    told = footer(contest.of_rounds(asked.rounds), verdict, packages=packages)
    tell(asked, "batching", [*latencies(found), "", told])
    return apart <= APART


def measured(url, path, pid, asked):
    """Requests per second, seconds in the middle and of the slowest hundredth, processor seconds of each; errors."""
    asyncio.run(storm_of_clients(url, path, asked.clients, asked.clients))
    began = cpu_s(pid)
    taken, seconds, errors = asyncio.run(storm_of_clients(url, path, asked.clients, asked.requests))
    return {
        "speed": len(taken) / seconds,
        "p50": statistics.median(taken),
        "p99": statistics.quantiles(taken, n=100)[98],
        "busy": (cpu_s(pid) - began) / asked.requests,
        "errors": errors,
    }


def latencies(found):
    """Rows of a Markdown table: medians of the rounds."""
    first = next(iter(found))
    heads = ("requests/s", f"{first} is … times as fast", "p50", "p99", "p99 ÷ p50", "processor time each", "errors")
    lines = table_head(*heads)
    for name, runs in found.items():
        ratios = [ours["speed"] / theirs["speed"] for ours, theirs in zip(found[first], runs, strict=True)]
        ratio = "1" if name == first else contest.with_spread(ratios)
        speed, p50, p99, busy = (statistics.median(run[key] for run in runs) for key in ("speed", "p50", "p99", "busy"))
        tail = statistics.median(run["p99"] / run["p50"] for run in runs)
        times = f"{1000 * p50:.0f} ms | {1000 * p99:.0f} ms | {tail:.1f} | {1000 * busy:.1f} ms"
        lines.append(f"| {name} | {speed:.1f} | {ratio} | {times} | {sum(run['errors'] for run in runs)} |")
    return lines


def answers(url, path):
    """The probabilities of a few texts, each asked by itself, by the names of their classes."""
    with httpx2.Client(base_url=url, timeout=300) as session:
        replies = [session.post(path, json={"inputs": [text]}) for text in texts()[:COMPARED]]
    rows = [reply.raise_for_status().json()["predictions"][0] for reply in replies]
    return [row.get("probabilities") or named(row) for row in rows]


def named(row):
    """Columns of a row of predictions that are called probability_CLASS, by class."""
    return {name.partition("_")[2]: value for name, value in row.items() if name.startswith("probability_")}


def largest_difference(ours, theirs):
    """Of the probabilities of equal classes."""
    return max(abs(row[name] - other[name]) for row, other in zip(ours, theirs, strict=True) for name in row)


def start(asked, *runs):
    lines = table_head("seconds to the first answer", "least–most", "processor time")
    for run in runs:
        taken = [first_answer(run) for _ in range(asked.rounds)]
        seconds, busy = ([each[n] for each in taken] for n in (0, 1))
        middle = f"{statistics.median(seconds):.2f} | {min(seconds):.2f}–{max(seconds):.2f}"
        lines.append(f"| {Path(run).name} | {middle} | {statistics.median(busy):.2f} |")
    tell(asked, "start", [*lines, "", footer(contest.of_rounds(asked.rounds))])
    return True


def first_answer(run):
    """Seconds from the command to the first answer, and processor seconds until then."""
    import polars as pl

    (row,) = pl.read_parquet(Path(run) / "samples.parquet").head(1).drop("_row", strict=False).to_dicts()
    began = time.perf_counter()
    with served(run) as (url, pid):
        httpx2.post(f"{url}/v1/predict/{Path(run).name}", json={"rows": [row]}, timeout=60).raise_for_status()
        return time.perf_counter() - began, cpu_s(pid)


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


def streams(asked, run):
    found = []
    for _ in range(asked.rounds):
        with served(run, f"max_streams={asked.streams}") as (url, _pid):
            counts = (1, asked.streams)
            found.append([asyncio.run(tokens_per_second(url, Path(run).name, n, asked.tokens)) for n in counts])
    one, many = (statistics.median(speeds) for speeds in zip(*found, strict=True))
    ratio = contest.with_spread([several / alone for alone, several in found])
    lines = [f"| 1 stream | {one:,.0f} | 1 |", f"| {asked.streams} streams | {many:,.0f} | {ratio} |"]
    tell(
        asked,
        "streams",
        [*table_head("tokens/s of all", "times one stream"), *lines, "", footer(contest.of_rounds(asked.rounds))],
    )
    return True


def cpu_s(pid):
    """Processor time of a process and those it began: what requests cost, whoever else works on the machine."""
    return sum(ticks(path, pid) for path in Path("/proc").glob("[0-9]*/stat")) / os.sysconf("SC_CLK_TCK")


def ticks(path, group):
    """Of a process, if it belongs to the group."""
    try:
        fields = path.read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0
    return int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0


def resident_mb(pid):
    """Memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def soak(asked, run):
    with served(run) as (url, pid):
        path = f"/v1/predict/{Path(run).name}"
        asyncio.run(storm_of_clients(url, path, asked.clients, asked.soaked // 10))
        before = resident_mb(pid)
        errors = asyncio.run(storm_of_clients(url, path, asked.clients, asked.soaked - asked.soaked // 10))[2]
        after = resident_mb(pid)
    grown = f"| {asked.soaked:,} | {before:.0f} | {after:.0f} | {after / before - 1:+.1%} | {errors} |"
    lines = ["| requests | MB after a tenth | MB at the end | growth | errors |", "|---|---|---|---|---|", grown]
    tell(asked, "soak", [*lines, "", footer()])
    return True


def storm(asked, *runs):
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "serving"))
    from test_interface import fuzzed

    with served(*runs) as (url, _):
        count = fuzzed(url, asked.cases)
        assert httpx2.get(f"{url}/health").status_code == 200
    told = f"{count:,} requests, none of them answered with 5xx or otherwise than the interface says."
    tell(asked, "storm", [f"`{contest.command()}`: {told}"])
    return True


def table_head(*heads):
    return [f"| `{contest.command()}` | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]


def footer(*told, packages=("danlu", "torch", "uvicorn")):
    """The machine, the versions, what the figures are of."""
    where = sorted(contest.PEERS.parents[1].glob("lib/*/site-packages"))
    found = importlib.metadata.distributions(path=[*sys.path, *map(str, where)])
    versions = {each.name: each.version for each in found if each.name in packages}
    return " ".join([f"{contest.machine()}; {contest.listed(versions)}.", *told])


def tell(asked, what, lines):
    contest.report(lines, asked.write, f"serving {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=(*KINDS, "bare"))
    parser.add_argument("runs", nargs="*", metavar="RUN")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--soaked", type=int, default=20_000, help="requests of the soak")
    parser.add_argument("--cases", type=int, default=200)
    asked = parser.parse_args()
    if asked.what == "bare":
        return bare(*asked.runs)
    whats = [asked.what] if asked.what else list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        kinds = () if asked.runs else {kind for what in whats for kind in KINDS[what]}
        made = {kind: trained(kind, folder) for kind in sorted(kinds)}
        fine = [globals()[what](asked, *(asked.runs or (made[kind] for kind in KINDS[what]))) for what in whats]
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
