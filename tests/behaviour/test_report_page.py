"""The page and the card: self-contained, escaped, in two languages, true to report.json."""

import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import polars as pl
import pytest
import yaml

from danlu.data.examples import Column
from danlu.evaluation.baseline import trivial
from danlu.evaluation.card import card
from danlu.evaluation.charts import LETTER, Line, line_chart, matrix, ticks
from danlu.evaluation.judge import About, Evidence, cross_validation, evaluation
from danlu.evaluation.markup import VOID, Markup, tag
from danlu.evaluation.numerals import number, percent
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.report import html
from danlu.words import Note

HOSTILE = "<script>alert('x')</script>\"&</svg>"


def simulated(kind: str, rows: int = 60, size: int = 3, name: str = "label") -> Evidence:
    rng = np.random.default_rng(rows + size)
    classes = tuple(f"{name} {i}" for i in range(size)) if kind != "number" else ()
    if kind == "class":
        truth, prediction = rng.integers(0, size, rows), rng.dirichlet(np.ones(size), rows)
    elif kind == "labels":
        truth, prediction = rng.integers(0, 2, (rows, size)), rng.random((rows, size))
    else:
        truth, prediction = rng.standard_normal(rows), rng.standard_normal(rows)
    frame = pl.DataFrame(
        {
            name: [name] * rows,
            "value": [None] * rows,
            "picture": pl.Series(np.zeros((rows, 8, 8), np.uint8), dtype=pl.Array(pl.UInt8, (8, 8))),
            "curve": pl.Series([[1.0, 2.0, 1.5]] * rows, dtype=pl.List(pl.Float32)),
        },
        schema_overrides={"value": pl.Float64},
    )
    outcome = Outcome(name, kind, classes, truth, prediction, [f"{name}.csv row {i}" for i in range(rows)], frame)
    known = truth if rows else np.array([0.0, 1.0]) if kind == "number" else np.zeros((1, size), dtype=int)
    baselines = [trivial(known, outcome)] if rows else []
    return Evidence(outcome, baselines, None if kind == "number" else prediction, 1.0 if kind == "number" else 1.7)


def report_of(*evidence: Evidence, name: str = "run") -> dict:
    kinds = {"value": "number", "picture": "image", "curve": "sequence", evidence[0].outcome.target: "text"}
    about = About(
        name=name,
        task="tabular-classification",
        family="mlp",
        columns={c: Column(c, kind, Note("evaluate.always", answer=name)) for c, kind in kinds.items()},
        rows={"train": 800, "validation": 100, "test": 60},
        asked={"data": {"target": [name]}},
        resolved={"plan": {name: 3, "betas": [0.9, 0.99]}},
        notes=[Note("evaluate.always", answer=name)],
        findings=[("warning", Note("evaluate.always", answer=name)), ("info", Note("evaluate.boosting"))],
        files=[{"path": f"{name}.csv", "format": "csv", "rows": 960, "bytes": 12_000, "sha256": "ab" * 32}],
        history=[
            {"step": i, "loss": 9.0 / i, "learning_rate": 1e-3, "validation": {"loss": 1.0, name: 0.5}}
            for i in range(1, 9)
        ],
        cv=cross_validation([{"y": {"accuracy": 0.91}}, {"y": {"accuracy": 0.93}}], Note("evaluate.boosting")),
        timing={"train": 125.0, name: 1.0},
        memory_bytes=312_000_000,
        environment={"danlu": "0.1", "machine": {name: name}},
    )
    return evaluation(evidence, about, samples=50)


class Strict(HTMLParser):
    """Refuses tags that are not closed in order; collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, name, attributes):
        self.seen.add(name)
        self.attributes += attributes
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name


def parsed(page: str) -> Strict:
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


CASES = {
    "binary": lambda: [simulated("class", size=2)],
    "many classes": lambda: [simulated("class", size=15)],
    "a hundred classes": lambda: [simulated("class", rows=300, size=100)],
    "labels": lambda: [simulated("labels", size=14)],
    "number": lambda: [simulated("number")],
    "two rows": lambda: [
        simulated("class", rows=2),
        simulated("number", rows=2),
        simulated("labels", rows=2),
    ],
    "one class": lambda: [simulated("class", rows=5, size=1)],
    "one row": lambda: [simulated("number", rows=1)],
    "no rows": lambda: [simulated("class", rows=0)],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_case_has_a_page_and_a_card(case, language):
    report = report_of(*CASES[case]())
    page = parsed(html(report, language))
    assert {"h1", "main", "section"} <= page.seen
    assert yaml.safe_load(card(report, language).split("---")[1])["library_name"] == "danlu"


@pytest.mark.parametrize("kind", ["class", "labels", "number"])
def test_nothing_that_a_user_named_becomes_markup(kind):
    report = report_of(simulated(kind, name=HOSTILE), name=HOSTILE)
    page = html(report, "en")
    assert "script" not in parsed(page).seen
    assert "<script" not in page
    assert '</svg>"' not in page
    assert "<script" not in card(report).split("---\n\n", 1)[1].replace("\\<", "")


def test_the_page_loads_nothing():
    page = parsed(html(report_of(simulated("class")), "en"))
    links = [value for key, value in page.attributes if key in ("src", "href", "srcset", "data", "action")]
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    style = resources.files("danlu.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_both_languages_hold_the_same_numbers():
    report = report_of(simulated("class"), simulated("number"))
    pages = [html(report, language) for language in ("en", "zh")]
    numbers = [sorted(re.findall(r"\d+\.\d+", re.sub(r"<[^>]*>", " ", p.split("</style>")[1]))) for p in pages]
    assert numbers[0] == numbers[1]
    assert re.search("[一-鿿]", pages[1])
    assert not re.search("[一-鿿]", pages[0].split("</style>")[1].replace("丹", ""))


def test_the_page_shows_the_measured_numbers():
    report = report_of(simulated("class"))
    target = report["targets"][0]
    page = html(report, "en")
    assert f"{percent(target['metrics']['accuracy'])}" in page
    assert f"{target['metrics']['log_loss']:.3f}" in page
    assert "92.0\u202f% ± 1.4\u202f%" in page
    assert "2 min 5 s" in page
    assert "312 MB" in page


@pytest.mark.parametrize("high", [1.0, 650_000.0, 1e9])
def test_numbers_beside_a_chart_leave_room_for_the_name_of_its_axis(high):
    chart = line_chart("t", [Line("a", [0.0, 1.0], [0.4 * high, high], "s1")], "x", "predicted")
    marks = re.findall(r'<text x="([^"]*)" y="[^"]*" text-anchor="end">([^<]*)<', chart)
    assert marks
    assert all(float(right) - LETTER * len(number) > 10 for right, number in marks)


def test_every_chart_has_a_name_for_those_who_do_not_see_it():
    page = html(report_of(simulated("class"), simulated("number")), "en")
    charts = re.findall(r"<svg[^>]*>.{7}", page)
    assert len(charts) > 8
    assert all('role="img"' in c and re.search('aria-label="[^"]+"', c) and c.endswith("<title>") for c in charts)
    assert all(re.search('alt="[^"]+"', image) for image in re.findall("<img[^>]*>", page))


def test_colours_can_be_read_on_their_ground():
    """WCAG 2.2 AA: 4.5 : 1 for text, 3 : 1 for lines, in the light and in the dark."""
    style = resources.files("danlu.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)][
        :2
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for name in ("ink", "quiet", "s1", "s2", "warning"):
            for ground in ("paper", "raised"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in ("s3", "s4", "s5", "s6", "hit", "miss"):
            assert contrast(colours[name], colours["paper"]) >= 3, name


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_card_is_read_by_hugging_face():
    hub = pytest.importorskip("huggingface_hub")
    report = report_of(simulated("class"))
    data = hub.ModelCard(card(report)).data
    assert (data.library_name, data.pipeline_tag) == ("danlu", "tabular-classification")
    accuracy = next(r for r in data.eval_results if r.metric_type == "accuracy")
    assert accuracy.metric_value == pytest.approx(report["targets"][0]["metrics"]["accuracy"], abs=1e-6)


def test_tags_escape_text_and_keep_markup():
    assert tag("p", "<b>", Markup("<i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i></p>'
    assert tag("img", alt="x", class_=None, aria_label="y") == '<img alt="x" aria-label="y">'


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.001, 0.0012), (1e6, 5e6), (-1e-9, 1e-9)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert low - 1e-9 * (high - low) <= found[0] < found[-1] <= high + 1e-9 * (high - low)


@pytest.mark.parametrize("y", [[1.0], [5.0, 5.0], [1e-6, 10.0], [0.0, 0.0], [-2.0, 3.0]])
def test_charts_draw_inside_their_paper(y):
    chart = line_chart("t", [Line("a", list(range(len(y))), y, "s1", [2.0] * len(y))], "x", "y")
    for points in re.findall('points="([^"]*)"', chart):
        for point in points.split():
            across, down = map(float, point.split(","))
            assert 0 <= across <= 360
            assert 0 <= down <= 250


def test_a_matrix_of_long_names_keeps_them_short():
    chart = matrix("m", ["x" * 80, "中文" * 40], [[0, 0, 5], [1, 0, 2]], "true", "said")
    assert "xxxxxxxxxxx…" in chart
    assert "中文中文中…" in chart


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98876, "98.9"), (0.99999, "99.9"), (1.0, "100"), (0.0, "0"), (0.0001, "0.1"), (-0.2, "-20.0")],
)
def test_shares_are_never_rounded_to_all_or_nothing(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.98765, "0.9877"), (43.612, "43.61"), (1234.5, "1,234"), (123456.7, "123,457")],
)
def test_numbers_have_four_digits_and_grouped_thousands(value, text):
    assert number(value) == text
