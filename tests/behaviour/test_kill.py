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

SETTINGS = {"train__steps": 240, "train__batch_size": 16, "train__checkpoint_every": 3, "train__evaluate_every": 12}
MODEL = {"family": "mlp", "width": 48, "dropout": 0.2, "members": 4, "embed_numbers": "periodic"}


def main(folder: Path, kills: int) -> None:
    """Train once in peace and then under fire, in children of this process; print the kills and all hashes."""
    import torch  # noqa: F401  imported before the forks, which then cost nothing

    import danlu.display  # noqa: F401
    from danlu import api

    data = str(folder / "rows.csv")

    def start(out: Path) -> None:
        api.train(data, target="y", model=MODEL, out=out, quiet=True, evaluate__baseline=False, **SETTINGS)

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
        out = folder / f"fire-{killed}"
        while child(go_on, out, rng.uniform(0, whole_s)) == -signal.SIGKILL:
            killed += 1
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


def test_run_killed_at_many_random_moments_ends_with_the_weights_of_the_uninterrupted_run(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = np.where(x[:, 0] * x[:, 1] > 0, "yes", "no")
    lines = [",".join([*(f"{v:.6f}" for v in row), label]) for row, label in zip(x, y, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,d,e,y", *lines]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DANLU_LANG": "en"}
    command = [sys.executable, __file__, str(tmp_path), "15"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    killed, *hashes = done.stdout.split()
    assert int(killed) >= 15
    assert len(hashes) == 1, "every run, killed or not, ends with the same bytes"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
