"""A run can be killed at any moment: real processes, SIGKILL, and the weights of the uninterrupted run."""

import hashlib
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SETTINGS = {
    "target": "label",
    "train__batch_size": 16,
    "train__checkpoint_every": 3,
    "train__evaluate_every": 12,
    "evaluate__baseline": False,
    "evaluate__bootstrap": 20,
}
LSTM = {"family": "lstm", "width": 16, "token_width": 16, "layers": 2, "dropout": 0.2}
LLAMA = {"family": "llama", "width": 16, "depth": 1, "heads": 2, "dropout": 0.2}
CNN = {"family": "cnn", "width": 8, "depth": 2, "dropout": 0.2}
# What is trained: of what file, with which settings beside SETTINGS, and how often it is killed.
CASES = {
    "table": (
        "rows.csv",
        15,
        {
            "model": {"family": "mlp", "width": 48, "dropout": 0.2, "members": 4, "embed_numbers": "periodic"},
            "train__steps": 120,
        },
    ),
    "text": ("texts.csv", 4, {"model": LSTM, "train__steps": 60}),
    "budget": (
        "texts.csv",
        2,
        {"model": LSTM, "train__steps": 60, "train__batch_size": None, "train__batch_tokens": 200},
    ),
    "corpus": ("corpus.txt", 3, {"target": None, "model": LLAMA, "train__steps": 60, "data__text__max_length": 32}),
    "images": ("images.npz", 4, {"model": CNN, "train__steps": 60, "train__augment": True}),
}


def main(folder: Path, case: str) -> None:
    """Train once in peace and then under fire, in children of this process; print the kills and all hashes."""
    import torch  # noqa: F401  imported before the forks, which then cost nothing

    import danlu.display  # noqa: F401
    from danlu import api

    file, kills, settings = CASES[case]
    data = str(folder / file)

    def start(out: Path) -> None:
        api.train(data, out=out, quiet=True, **SETTINGS | settings)

    def go_on(out: Path) -> None:
        if (out / "recipe.yaml").exists():
            api.train(resume=out, quiet=True)
        else:
            start(out)

    peace = folder / "peace"
    began = time.monotonic()
    assert child(start, peace, None) == 0
    whole_s = time.monotonic() - began
    rng = random.Random(0)
    hashes, killed = {weights_hash(peace)}, 0
    while killed < kills:
        out, ended = folder / f"fire-{killed}", -signal.SIGKILL
        for _ in range(5):  # at most so often, for a busy machine may never come to the end in time
            if ended == -signal.SIGKILL:
                ended = child(go_on, out, rng.uniform(0, whole_s))
                killed += ended == -signal.SIGKILL
        assert ended == 0 or child(go_on, out, None) == 0
        hashes.add(weights_hash(out))
    print(killed, *hashes)


def child(work, out: Path, kill_after_s: float | None) -> int:
    """Exit code of `work(out)` in a process of its own; minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work(out)
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + (math.inf if kill_after_s is None else kill_after_s)
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def weights_hash(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


def table(folder: Path) -> None:
    """rows.csv: five numbers, and classes that hang on the product of two."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = np.where(x[:, 0] * x[:, 1] > 0, "yes", "no")
    lines = [",".join([*(f"{v:.6f}" for v in row), label]) for row, label in zip(x, y, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,d,e,label", *lines]))


def text(folder: Path) -> None:
    """texts.csv: texts of unequal length."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(50)], rng.integers(3, 20))) for _ in range(200)]
    lines = [f"{text},{'yes' if 'w1 ' in text else 'no'}" for text in texts]
    (folder / "texts.csv").write_text("\n".join(["text,label", *lines]))


def budget(folder: Path) -> None:
    """The same texts, in batches of as many as fit."""
    text(folder)


def corpus(folder: Path) -> None:
    """corpus.txt: lines of words."""
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(["ab", "cde", "f"], rng.integers(2, 9))) for _ in range(900)]
    (folder / "corpus.txt").write_text("\n".join(lines))


def images(folder: Path) -> None:
    """images.npz: coloured noise, one class brighter than the other."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    np.savez(
        folder / "images.npz",
        x=(rng.integers(0, 200, (120, 8, 8, 3)) + 40 * y[:, None, None, None]).astype(np.uint8),
        y=y,
    )


@pytest.mark.parametrize("make", [table, text, budget, corpus, images])
def test_run_killed_at_many_random_moments_ends_with_the_weights_of_the_uninterrupted_run(make, tmp_path):
    make(tmp_path)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DANLU_LANG": "en"}
    command = [sys.executable, __file__, str(tmp_path), make.__name__]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    killed, *hashes = done.stdout.split()
    assert int(killed) >= CASES[make.__name__][1]
    assert len(hashes) == 1, "every run, killed or not, ends with the same bytes"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
