"""The machine's speeds: what counts of several tries, how long they are believed, and what a run makes of them."""

import json
import time

import pytest
import torch

from danlu import doctor
from danlu.recipe import TrainConfig
from danlu.training import measure
from danlu.training.machine import float32_by, set_for
from danlu.training.measure import BELIEVED_S, BUSY_BELIEVED_S, Clock, best_of, known_speeds, useful_threads
from danlu.training.plan import Plan, plan_of, threads_for
from danlu.training.speeds import Speeds, strengths

QUIET = Speeds(float32=100e9, onednn=110e9, bfloat16=200e9, one_thread=60e9, threads=2, measured_at=1000.0, busy=False)
BUSY = QUIET.model_copy(update={"float32": 40e9, "bfloat16": 220e9, "busy": True})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "danlu" / "machine"


class FakeTime:
    """A clock that moves only while `work` works: for `wall` seconds, of which it has a core for `had`."""

    def __init__(self, *tries):
        self.wall = self.had = 0.0
        self.tries = iter(tries)
        self.clock = Clock(lambda: self.wall, lambda: self.had)

    def work(self):
        wall, had = next(self.tries)
        self.wall += wall
        self.had += had


def measuring(*found):
    """() → one measurement after another; an error once there are no more."""
    return iter(found).__next__


def test_the_best_of_several_tries_counts_and_others_work_is_told_by_its_share():
    clock = FakeTime((9, 9), (0.04, 0.02), (0.01, 0.01), (0.03, 0.02), (9, 9))
    best = best_of([clock.work], 5e9, clock.clock, 1)
    assert best.rate == pytest.approx(5e11)
    assert best.share == pytest.approx(1.0)
    clock = FakeTime((9, 9), *[(0.02, 0.02)] * 3)
    assert best_of([clock.work], 1e9, clock.clock, 2).share == pytest.approx(0.5)


def test_each_of_several_works_has_its_own_best_try():
    clock = FakeTime((1, 1), (1, 1), (0.02, 0.02), (0.01, 0.01), (0.01, 0.01), (0.03, 0.03), (0.5, 0.5), (0.5, 0.5))
    assert best_of([clock.work, clock.work], 1e9, clock.clock, 1).rate == pytest.approx(1e9 / 0.02)


@pytest.mark.parametrize(
    ("rates", "useful"),
    [({1: 50, 2: 96}, 2), ({1: 50, 2: 54}, 1), ({1: 50, 2: 90, 4: 91, 8: 300}, 2), ({1: 50, 2: 90, 4: 170}, 4)],
)
def test_threads_are_useful_as_long_as_each_doubling_brings_something(rates, useful):
    assert useful_threads(rates) == useful


def test_speeds_are_measured_once_and_kept(cache):
    first = known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    assert known_speeds(now=lambda: 1000.0 + BELIEVED_S - 1, measure=measuring()) == first == QUIET
    assert len(list(cache.iterdir())) == 1


def test_speeds_are_measured_again_when_old_or_asked_for(cache):
    later = QUIET.model_copy(update={"float32": 70e9})
    known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    assert known_speeds(again=True, now=lambda: 1001.0, measure=measuring(later)) == later
    assert known_speeds(now=lambda: 1000.0 + BELIEVED_S, measure=measuring(QUIET)) == QUIET


def test_a_busy_machine_is_believed_for_an_hour_and_the_better_of_each_then_counts(cache):
    known_speeds(now=lambda: 1000.0, measure=measuring(BUSY))
    assert known_speeds(now=lambda: 999.0 + BUSY_BELIEVED_S, measure=measuring()) == BUSY
    found = known_speeds(now=lambda: 1000.0 + BUSY_BELIEVED_S, measure=measuring(QUIET))
    assert (found.float32, found.bfloat16, found.busy) == (100e9, 220e9, False)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"speeds": {"float32": -1}}', '{"speeds": 3}'])
def test_a_damaged_file_is_measured_again(cache, content):
    known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    (kept,) = cache.iterdir()
    kept.write_text(content)
    assert known_speeds(now=lambda: 1000.0, measure=measuring(QUIET)) == QUIET
    assert json.loads(kept.read_text())["speeds"]["float32"] == 100e9


def test_where_nothing_can_be_written_each_process_measures(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert known_speeds(now=lambda: 1000.0, measure=measuring(QUIET)) == QUIET


def test_other_versions_and_allowed_threads_have_speeds_of_their_own(cache, monkeypatch):
    monkeypatch.setattr(measure, "allowed_threads", lambda: 1)
    known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    monkeypatch.setattr(torch, "__version__", "9.9")
    known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    monkeypatch.setattr(measure, "allowed_threads", lambda: 2)
    known_speeds(now=lambda: 1000.0, measure=measuring(QUIET))
    assert len(list(cache.iterdir())) == 3


def test_this_machine_is_measured():
    threads = torch.get_num_threads()
    found = measure.measured(5.0)
    assert min(found.float32, found.bfloat16, found.one_thread) > 1e7
    assert found.measured_at == 5.0
    assert 1 <= found.threads <= measure.allowed_threads()
    assert torch.get_num_threads() == threads


def test_float32_through_onednn_is_as_exact_as_through_torch():
    x, w = torch.randn(2, 96, 96, generator=torch.Generator().manual_seed(1))
    before = torch.backends.mkldnn.matmul.fp32_precision
    with float32_by("onednn"):
        exact = measure._exact()
        product = x @ w
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    if not exact:
        pytest.skip("oneDNN rounds to bfloat16 on this processor, so that it is never chosen")
    torch.testing.assert_close(product, x @ w)


@pytest.mark.parametrize(
    ("changed", "half", "library"),
    [({}, "bfloat16", "torch"), ({"bfloat16": 120e9}, None, "torch"), ({"onednn": 210e9}, None, "onednn")],
)
def test_what_pays_follows_from_the_speeds(changed, half, library):
    found = strengths(QUIET.model_copy(update=changed))
    assert (found.half, found.float32_by) == (half, library)


def planned(speeds, flops_per_row=1e9, **asked):
    def ask():
        assert speeds is not None, "a small step has no need to know"
        return strengths(speeds)

    plan, _ = plan_of(
        TrainConfig(steps=10, batch_size=8, **asked),
        {"precision": "bfloat16"},
        rows=80,
        validation_rows=10,
        batches_of=lambda size, tokens: 10,
        flops_per_row=flops_per_row,
        metrics=("loss",),
        device="cpu",
        seed=0,
        strengths=ask,
    )
    return plan


def test_a_run_takes_the_precision_that_pays():
    assert planned(QUIET).precision == "bfloat16"
    assert planned(QUIET, precision="float32").precision == "float32"
    slow = QUIET.model_copy(update={"bfloat16": 20e9, "onednn": 200e9})
    assert (planned(slow).precision, planned(slow).float32_by) == ("float32", "onednn")
    assert planned(slow, precision="bfloat16").float32_by == "torch"


def test_small_steps_need_no_measuring():
    plan = planned(None, flops_per_row=1e6)
    assert (plan.precision, plan.threads) == ("float32", 1)


def test_threads_follow_from_the_step_and_from_how_fast_one_is(monkeypatch):
    monkeypatch.setattr("danlu.training.plan.allowed_threads", lambda: 8)
    here = strengths(QUIET)
    assert [threads_for(flops, here) for flops in (1e8, 3e8, 5e8, 1e12)] == [1, 1, 2, 2]


def test_a_plan_sets_threads_and_library_for_its_time_only():
    plan = Plan.model_validate(planned(QUIET).model_dump() | {"threads": 1, "float32_by": "onednn"})
    before = torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision
    with set_for(plan):
        assert (torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision) == (1, "bf16")
    assert (torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision) == before


def test_a_plan_of_before_the_choice_of_a_library_is_still_read():
    plan = planned(QUIET).model_dump()
    del plan["float32_by"]
    assert Plan.model_validate(plan).float32_by == "torch"


def test_the_doctor_tells_the_kept_speeds(cache, monkeypatch):
    monkeypatch.setenv("DANLU_LANG", "en")
    known_speeds(measure=measuring(QUIET.model_copy(update={"measured_at": time.time()})))
    told = str(doctor._speed(again=False))
    assert "100 GFLOP/s in float32 (110 through oneDNN), 200 in bfloat16, useful threads: 2" in told
    assert "bfloat16 pays" in told


def test_advice_on_nvidias_driver_is_for_machines_with_its_card(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    keys = {}
    for card in (True, False):
        monkeypatch.setattr(doctor, "_nvidia_card", lambda card=card: card)
        keys[card] = {note.key for note in doctor.advice()}
    assert keys[True] - keys[False] == {"doctor.no_driver"}
