"""What a run tells reaches its reader: on a terminal, in a log, in a notebook, and Ctrl-C reaches the run."""

import io
import re
import sys
import time as clock_time
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu import display
from danlu.display import Lines, Notebook, Quiet, Terminal, clock, display_here, fitted, progress_parts, shown
from danlu.events import Doing, Event, Progress, Told, Trained, beyond, during
from danlu.layout import cells
from danlu.recipe import seconds
from danlu.words import Note

NOTE = Note("doctor.well")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def trained(fraction: float = 0.5, **changes: Any) -> Trained:
    facts: dict[str, Any] = {
        "fraction": fraction,
        "step": 10,
        "epoch": 1.5,
        "loss": 0.25,
        "metric_name": "accuracy",
        "metric": 0.9,
        "best": 0.95,
        "rows_per_s": 12345.0,
        "remaining_s": 61.0,
    }
    return Trained(**facts | changes)


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_LANG", "en")


def test_shown_gives_what_the_job_returns() -> None:
    def job() -> Generator[Event, None, str]:
        yield Told(NOTE)
        return "done"

    assert shown(job(), quiet=True) == "done"


def test_ctrl_c_while_showing_lets_the_job_save_itself() -> None:
    class Struck(Quiet):
        def show(self, event: Event) -> None:
            if isinstance(event, Trained):
                raise KeyboardInterrupt

    def job() -> Generator[Event, None, str]:
        try:
            yield trained()
        except KeyboardInterrupt:
            yield Told(NOTE)
            return "saved"
        return "finished"

    assert shown(job(), Struck()) == "saved"


def test_screen_is_given_back_when_the_job_fails() -> None:
    def job() -> Generator[Event, None, None]:
        yield trained()
        raise ValueError("broken")

    stream = Tty()
    with pytest.raises(ValueError, match="broken"):
        shown(job(), Terminal(stream, width=80))
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_log_holds_every_sentence_in_order() -> None:
    stream = io.StringIO()
    log = Lines(stream)
    log.show(Told(NOTE))
    log.show(Told(Note("cli.see_help", command="danlu"), "warning"))
    assert stream.getvalue() == "All is well.\n! See: danlu --help\n"


def test_log_gets_a_line_of_progress_every_few_seconds_and_at_the_end(time: Clock) -> None:
    stream = io.StringIO()
    log = Lines(stream)
    for step in range(301):
        log.show(trained(step / 300))
        time.now_s += 0.1
    lines = stream.getvalue().splitlines()
    assert 30 / display.LINE_EVERY_S - 1 <= len(lines) <= 30 / display.LINE_EVERY_S + 1
    assert lines[-1].startswith("100%")


def test_log_says_nothing_of_work_that_is_done_at_once(time: Clock) -> None:
    stream = io.StringIO()
    log = Lines(stream)
    for done in range(100):
        log.show(Doing(NOTE, done, 100))
        time.now_s += 0.01
    assert stream.getvalue() == ""


def test_progress_line_tells_loss_metric_speed_and_time_left() -> None:
    assert fitted(trained(), 80) == "━━━━━━╌╌╌╌╌   50%  loss 0.25  validation accuracy 0.9  12.3k rows/s  1m01s left"
    assert "epoch 1.5  loss 0.25  validation accuracy 0.9  best 0.95  12.3k rows/s" in fitted(trained(), 100)


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(20, 200),
    language=st.sampled_from(["en", "zh"]),
    event=st.builds(
        Trained,
        fraction=st.floats(0, 1),
        step=st.integers(0, 10**9),
        epoch=st.floats(0, 1e5),
        loss=st.floats(-1e30, 1e30),
        metric_name=st.sampled_from(["loss", "balanced_accuracy", "mean_absolute_error"]),
        metric=st.none() | st.floats(-1e9, 1e9),
        best=st.none() | st.floats(-1e9, 1e9),
        rows_per_s=st.floats(0, 1e9),
        remaining_s=st.floats(0, 1e7),
    )
    | st.builds(Doing, note=st.just(NOTE), done=st.integers(0, 10**12), total=st.just(10**12) | st.just(0)),
)
def test_progress_line_never_wraps(width: int, language: str, event: Doing | Trained) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_LANG", language)
        assert cells(fitted(event, width)) < width


def test_terminal_draws_one_line_of_progress_over_itself_and_keeps_the_sentences(time: Clock) -> None:
    stream = Tty()
    screen = Terminal(stream, width=80)
    for step in range(50):
        screen.show(trained(step / 50))
        time.now_s += 1
        if step == 25:
            screen.show(Told(NOTE))
    screen.close()
    drawn = CONTROL.sub("", stream.getvalue())
    assert all(cells(line) <= 80 for line in re.split(r"[\r\n]", drawn))
    kept = [line for line in drawn.split("\n") if line and "\r" not in line.strip("\r")]
    assert sum("All is well." in line for line in drawn.split("\n")) == 1
    assert len(kept) <= 2


def test_display_suits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(display_here(io.StringIO()), Lines)
    assert isinstance(display_here(Tty()), Terminal)
    notebook(monkeypatch)
    assert isinstance(display_here(io.StringIO()), Notebook)


def test_notebook_keeps_the_sentences_and_takes_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = notebook(monkeypatch)
    cell = Notebook()
    cell.show(Told(Note("cli.see_help", command="<danlu>"), "result"))
    cell.show(trained())
    cell._draw()
    assert "<progress" in pages[-1]
    cell.close()
    assert "See: &lt;danlu&gt; --help" in pages[-1]
    assert "<progress" not in pages[-1]


@pytest.mark.parametrize("duration_s", [0, 1, 59, 60, 61, 599, 3600, 86400])
def test_clock_is_read_as_a_time_limit(duration_s: int) -> None:
    read = seconds(clock(duration_s))
    assert abs(read - duration_s) < (60 if duration_s >= 3600 else 1)


def test_unknown_amount_of_work_shows_what_is_done() -> None:
    assert progress_parts(Doing(NOTE, 1234, 0)) == {"what": "All is well.", "count": "1,234"}


def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for IPython in a kernel; the pages that it was given."""
    pages: list[str] = []

    class ZMQInteractiveShell:
        pass

    class Handle:
        def update(self, page: str) -> None:
            pages.append(page)

    package, part = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    part.HTML = str  # type: ignore[attr-defined]
    part.display = lambda page, display_id: Handle()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return pages


def test_work_that_is_interrupted_ends_where_it_next_tells_of_its_progress() -> None:
    told = []

    def work(progress: Progress) -> None:
        for done in range(1000):
            progress(NOTE, done, 1000)
            told.append(done)
            clock_time.sleep(0.01)

    events = during(work)
    assert next(events) == Doing(NOTE, 0, 1000)
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt())
    assert len(told) < 500


def test_a_count_that_is_not_known_is_not_shown() -> None:
    assert list(progress_parts(Doing(NOTE, 0, 0))) == ["what"]
    assert progress_parts(Doing(NOTE, 12, 0))["count"] == "12"


def test_pieces_of_a_whole_are_counted_on() -> None:
    told: list[tuple[int, int]] = []
    whole = beyond(lambda _, done, total: told.append((done, total)), 256)
    assert whole
    whole(NOTE, 64, 256)
    assert told == [(320, 0)]
    assert beyond(None, 256) is None


def test_a_language_model_tells_tokens_per_second():
    parts = display.progress_parts(trained(rows_per_s=10.0, tokens_per_s=2560.0))
    assert parts["speed"] in ("2.56k tokens/s", "2.56k 词元/秒")
