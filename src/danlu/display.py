"""Displays: events in, lines on a terminal, in a log or in a notebook out. Knows nothing of what runs.

rich and IPython are imported only by the display that draws with them.
"""

import html
import sys
import time
from collections.abc import Generator
from typing import Any, Protocol, TextIO, TypeVar

from danlu.events import Doing, Event, Told, Trained
from danlu.layout import cells, cut
from danlu.words import say

T = TypeVar("T")

LINE_EVERY_S = 3.0  # a log gets at most one line of progress in so many seconds
DRAW_EVERY_S = 0.1  # a terminal or notebook is redrawn at most so often
GAP = "  "
LEAST_BAR, WIDEST_BAR = 6, 20  # cells


class Display(Protocol):
    """Shows events. `close` is called once, also after an error."""

    def show(self, event: Event) -> None:
        """Shows one event."""
        ...

    def close(self) -> None:
        """Leaves the screen as a reader wants to find it."""
        ...


def shown(events: Generator[Event, None, T], display: Display | None = None, *, quiet: bool = False) -> T:
    """What the generator returns, its events shown on the way; Ctrl-C always reaches the generator."""
    display = display or (Quiet() if quiet else display_here())
    try:
        event = next(events)
        while True:
            try:
                display.show(event)
            except KeyboardInterrupt as interrupt:  # struck between two steps: the job decides what it saves
                event = events.throw(interrupt)
            else:
                event = next(events)
    except StopIteration as end:
        return end.value
    finally:
        display.close()


def display_here(stream: TextIO | None = None) -> Display:
    """The display that suits the place: notebook, terminal or plain lines; `stream` is stdout if None."""
    stream = stream or sys.stdout
    if _in_notebook():
        return Notebook()
    return Terminal(stream) if stream.isatty() else Lines(stream)


class Quiet:
    """Shows nothing."""

    def show(self, event: Event) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """Plain lines, for logs: every sentence, and progress now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said_at = time.monotonic()

    def show(self, event: Event) -> None:
        """Prints a sentence at once, progress at most every few seconds and at its end."""
        if isinstance(event, Told):
            self._print(marked(event))
        elif time.monotonic() - self._said_at >= LINE_EVERY_S or _ends(event):
            self._print(GAP.join(progress_parts(event).values()))

    def close(self) -> None:
        """Nothing is left to do."""

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
        self._said_at = time.monotonic()


class Terminal:
    """Sentences that stay, and one line of progress below them that is drawn over."""

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, width=width, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawn_at = 0.0

    def show(self, event: Event) -> None:
        """Prints a sentence above the line, or redraws the line."""
        from rich.text import Text

        if isinstance(event, Told):
            style = {"info": "", "warning": "yellow", "result": "bold"}[event.level]
            self._live.update("")  # what was under way is done
            self._console.print(Text(marked(event), style=style))
        elif time.monotonic() - self._drawn_at >= DRAW_EVERY_S:
            line = fitted(event, self._console.width)
            self._live.update(Text(line, no_wrap=True, overflow="crop"), refresh=True)
            self._drawn_at = time.monotonic()

    def close(self) -> None:
        """Takes the line of progress away and gives the cursor back."""
        self._live.stop()


class Notebook:
    """One output cell that holds the sentences and a bar; it is updated in place."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle: Any = display(HTML(""), display_id=True)
        self._told: list[str] = []
        self._progress = ""
        self._drawn_at = 0.0

    def show(self, event: Event) -> None:
        """Adds a sentence, or moves the bar."""
        if isinstance(event, Told):
            weight = "bold" if event.level != "info" else "normal"
            self._told.append(f'<div style="font-weight:{weight}">{html.escape(marked(event))}</div>')
        else:
            self._progress = _html_progress(event)
        if time.monotonic() - self._drawn_at >= DRAW_EVERY_S:
            self._draw()

    def close(self) -> None:
        """Takes the bar away; the sentences stay."""
        self._progress = ""
        self._draw()

    def _draw(self) -> None:
        self._handle.update(self._html("".join(self._told) + self._progress))
        self._drawn_at = time.monotonic()


def marked(event: Told) -> str:
    """The sentence, with a mark before a warning."""
    return say("display.warning", note=event.note) if event.level == "warning" else str(event.note)


def progress_parts(event: Doing | Trained) -> dict[str, str]:
    """Name → text of the parts of a progress line, in the order in which they stand."""
    if isinstance(event, Trained):
        return _training_parts(event)
    if event.total:
        counts = f"{event.done:,}/{event.total:,}"
        return {"percent": f"{event.done / event.total:4.0%}", "what": str(event.note), "count": counts}
    return {"what": str(event.note)} | ({"count": f"{event.done:,}"} if event.done else {})


def fitted(event: Doing | Trained, width: int) -> str:
    """The progress line with a bar, in less than `width` terminal cells: what matters least gives way first."""
    parts, fraction = progress_parts(event), _fraction(event)
    for name in ("best", "epoch"):
        if _room(parts, width) < LEAST_BAR:
            parts.pop(name, None)
    room = _room(parts, width)
    if fraction is not None and room >= LEAST_BAR:
        parts = {"bar": bar(fraction, min(room, WIDEST_BAR))} | parts
    for name in ("count", "speed", "left"):
        if _room(parts, width) < -len(GAP):
            parts.pop(name, None)
    return cut(GAP.join(parts.values()), width - 1)


def _room(parts: dict[str, str], width: int) -> int:
    """Cells that are left for one more part."""
    return width - 1 - cells(GAP.join(parts.values())) - len(GAP)


def bar(fraction: float, width: int) -> str:
    """A bar of `width` characters, of which `fraction` is full."""
    full = round(min(max(fraction, 0.0), 1.0) * width)
    return "━" * full + "╌" * (width - full)


def clock(duration_s: float) -> str:
    """ "45s", "3m05s" or "2h07m"."""
    seconds = round(duration_s)
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def _training_parts(event: Trained) -> dict[str, str]:
    parts = {
        "percent": f"{event.fraction:4.0%}",
        "epoch": say("display.epoch", epoch=f"{event.epoch:.1f}"),
        "loss": say("display.loss", loss=f"{event.loss:.4g}"),
    }
    if event.metric is not None:
        parts["metric"] = say("display.metric", name=event.metric_name, value=f"{event.metric:.4g}")
    if event.best is not None:
        parts["best"] = say("display.best", best=f"{event.best:.4g}")
    parts["speed"] = say("display.speed", rows=_short_count(event.rows_per_s))
    if event.tokens_per_s is not None:
        parts["speed"] = say("corpus.speed", tokens=_short_count(event.tokens_per_s))
    parts["left"] = say("display.left", time=clock(event.remaining_s))
    return parts


def _short_count(count: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:.0f}"


def _fraction(event: Doing | Trained) -> float | None:
    if isinstance(event, Trained):
        return event.fraction
    return event.done / event.total if event.total else None


def _ends(event: Doing | Trained) -> bool:
    return isinstance(event, Trained) and event.fraction >= 1


def _html_progress(event: Doing | Trained) -> str:
    fraction = _fraction(event)
    value = "" if fraction is None else f' value="{fraction:.4f}"'
    text = html.escape(GAP.join(progress_parts(event).values()))
    return f'<div><progress max="1"{value}></progress> <code>{text}</code></div>'


def _in_notebook() -> bool:
    """Whether the code runs in a Jupyter kernel; IPython is not imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
