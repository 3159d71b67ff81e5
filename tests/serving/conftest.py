"""One small run of each kind, and a server of all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kinds import KINDS, QUICK
from servers import Server, serving

import danlu


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind."""
    folder = tmp_path_factory.mktemp("served")
    for name, kind in KINDS.items():
        danlu.train(kind.rows(), out=folder / name, quiet=True, **kind.settings, **QUICK | kind.training)
    return folder


@pytest.fixture(scope="session")
def server(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of them all."""
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(log, *(str(runs / name) for name in KINDS)) as running:
        yield running
