"""Memory that a run keeps for its next step, and gives back at its end."""

import subprocess
import sys

import pytest

from danlu import memory

# Pages that the system had to clear while blocks of 12 MB were asked for and written; then what the process holds.
PROGRAM = """
import resource, torch
from danlu.memory import kept_memory

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        blocks = [torch.ones(3_000_000) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1])

torch.set_num_threads(1)
with kept_memory():
    faults(10)
    kept, inside = faults(20), held()
print(kept, faults(20), inside, held())
"""


@pytest.mark.skipif(memory._glibc() is None, reason="the settings are glibc's")
def test_a_block_is_cleared_once_and_given_back_at_the_end():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, before_and_after, inside, outside = map(int, done.stdout.split())
    assert kept * 20 < before_and_after
    assert inside - outside > 4 * 3_000_000 * 4 / 4096 * 0.8


class Glibc:
    """What a C library was told to do."""

    def __init__(self) -> None:
        self.told: dict[int, int] = {}
        self.trims = 0

    def mallopt(self, parameter: int, value: int) -> None:
        self.told[parameter] = value

    def malloc_trim(self, _: int) -> None:
        self.trims += 1


def test_a_block_inside_a_run_leaves_the_runs_settings_as_they_were(monkeypatch):
    library = Glibc()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    with memory.kept_memory():
        with memory.returned_memory():
            assert library.told == memory.BEGINNING
        assert library.told == memory.KEPT
        with memory.kept_memory():
            pass
        assert library.told == memory.KEPT
    assert library.told == memory.BEGINNING
    assert library.trims == 4, "before the first block, and behind each"


def test_blocks_of_several_threads_may_end_in_any_order(monkeypatch):
    library = Glibc()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    one, other, third = memory.kept_memory(), memory.returned_memory(), memory.kept_memory()
    for block in (one, other, third):
        block.__enter__()
    one.__exit__(None, None, None)
    assert library.told == memory.KEPT
    third.__exit__(None, None, None)
    assert library.told == memory.BEGINNING
    other.__exit__(None, None, None)
    assert library.told == memory.BEGINNING


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory.kept_memory():
        assert memory._glibc() is None
