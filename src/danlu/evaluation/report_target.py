"""The sections of one target: how good, where it errs, how sure, how far off. Knows nothing of the run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from danlu.evaluation.charts import Line, histogram, line_chart, matrix, sparkline
from danlu.evaluation.markup import NOTHING, Markup, joined, tag
from danlu.evaluation.metrics import LOWER_IS_BETTER, MAIN
from danlu.evaluation.numerals import number
from danlu.evaluation.tables import folded, table
from danlu.evaluation.verdict import calibration_note
from danlu.evaluation.voice import Voice

WRITTEN = ("translation", "summary")  # kinds of texts that are written
TOLD_BY_TOKEN = ("text", "masked")  # kinds whose answers, and whose baselines' training data, are tokens
Target = Mapping[str, Any]  # an entry of `targets` in report.json

PAIRS = 10  # confused pairs that are listed
CLASSES = 12  # classes that are listed without a fold
CARDS = 6  # mistakes that are shown without a fold, where they are no pictures
CELLS = 6  # columns of a mistaken row that are shown without a fold


def hero(target: Target, voice: Voice, named: bool) -> Markup:
    """The verdict: one large number, one sentence, and what must be said beside it."""
    headline, *others = [voice.note(note) for note in target["verdict"]]
    title = tag("h2", voice.say("target", name=target["name"])) if named else NOTHING
    words = [tag("p", headline, class_="headline"), *(tag("p", other, class_="beside") for other in others)]
    return tag("section", title, _big(target, voice), tag("div", *words), class_="hero")


def target_sections(target: Target, voice: Voice) -> Iterator[tuple[str, list[Markup]]]:
    """(key of the title, parts) of the sections that this target has."""
    if not target["rows"]:
        return
    yield "results", [_comparison(target, voice), *_metrics(target, voice)]
    if target["kind"] == "masked":
        return
    if target["kind"] == "text":
        yield "samples", _samples(target, voice)
        return
    if target["kind"] == "number":
        yield "residuals", [_residuals(target, voice), *_mistakes(target, voice)]
        return
    if target["kind"] in WRITTEN:
        yield "errors", _mistakes(target, voice)
        return
    if target["kind"] == "answers":
        yield "errors", _mistakes(target, voice)
        return
    if target["kind"] == "entities":
        yield "errors", [*_per_class(target, voice), *_mistakes(target, voice)]
        return
    yield "errors", [_confusion(target, voice), *_mistakes(target, voice), *_per_class(target, voice)]
    yield "sureness", [_sureness(target, voice)]


def _big(target: Target, voice: Voice) -> Markup:
    if not target["rows"]:
        return NOTHING
    name = target["headline"]
    value, unit = _parted(voice.value(name, target["metrics"][name]))
    big = tag("p", value, tag("small", unit) if unit else NOTHING, class_="value")
    bounds = target["intervals"].get(name)
    between = voice.say("range", between=voice.between(name, bounds)) if bounds else ""
    return tag(
        "div",
        big,
        tag("p", voice.say(f"big_{target['kind']}")),
        tag("p", between, class_="range"),
        class_="big",
    )


def _parted(text: str) -> tuple[str, str]:
    """The number, and its per cent sign with the space before it, if any."""
    value = text.rstrip("\u202f%")
    return value, text[len(value) :]


def _comparison(target: Target, voice: Voice) -> Markup:
    """The headline metric of this model and of what it is compared with, each with its interval on one scale."""
    name = target["headline"]
    entries = [(voice.say("this_model"), target, "ours")]
    entries += [(voice.note(b["name"]), b, "theirs") for b in reversed(target["baselines"])]
    ends = [end for _, each, _ in entries for end in (each["metrics"][name], *each["intervals"].get(name, ()))]
    low, high = 0.0 if name in LOWER_IS_BETTER else max(0.0, min(ends) - 0.05), max(ends)
    scale = (low, high if high > low else low + 1)
    rows = [_on_scale(label, each, style, name, scale, voice) for label, each, style in entries]
    title = voice.say("compared", rows=f"{target['rows']:,}", metric=voice.metric(name))
    caption = tag("figcaption", tag("strong", title), tag("span", voice.say("compared_how"), class_="how"))
    return tag("figure", caption, tag("dl", *rows), class_="comparison")


def _on_scale(
    label: str, measured: Mapping[str, Any], style: str, metric: str, scale: tuple[float, float], voice: Voice
) -> Markup:
    """One line of the comparison: name, dot and interval, value."""
    value = measured["metrics"][metric]
    bounds = measured["intervals"].get(metric, (value, value))
    first, middle, last = (100 * (v - scale[0]) / (scale[1] - scale[0]) for v in (bounds[0], value, bounds[1]))
    bar = tag("i", class_="span", style=f"left:{first:.2f}%;right:{100 - last:.2f}%")
    track = tag("div", bar, tag("i", class_="dot", style=f"left:{middle:.2f}%"), class_="track")
    shown = tag("div", track, class_="scale", aria_hidden="true")
    return tag("div", tag("dt", label), shown, tag("dd", voice.value(metric, value)), class_=style)


def _metrics(target: Target, voice: Voice) -> list[Markup]:
    main = [name for name in MAIN[target["kind"]] if name in target["metrics"]]
    rest = [name for name in target["metrics"] if name not in main]
    head = [
        voice.say("metric"),
        voice.say("this_model"),
        *(voice.note(b["name"]) for b in target["baselines"]),
    ]
    parts = [table(voice.say("metrics"), head, [_metric_row(target, name, voice) for name in main])]
    if rest:
        every = table("", head, [_metric_row(target, name, voice) for name in target["metrics"]])
        parts.append(folded(voice.say("all_metrics"), every))
    said = [_trained_on(b, target["kind"], voice) for b in target["baselines"] if b["fit_s"]]
    return [*parts, tag("p", voice.text(voice.say("best_bold"), *said), class_="how")]


def _metric_row(target: Target, name: str, voice: Voice) -> list[str]:
    """Name and meaning, this model with its interval, the others; the best in bold."""
    of_tokens = name == "accuracy" and target["kind"] in (*WRITTEN, *TOLD_BY_TOKEN)
    meaning = voice.meaning("token_accuracy" if of_tokens else name)
    label = joined(voice.metric(name), tag("small", meaning) if meaning else NOTHING)
    values = [target["metrics"].get(name), *(b["metrics"].get(name) for b in target["baselines"])]
    bounds = [target["intervals"].get(name)] + [None] * len(target["baselines"])
    known = [v for v in values if v is not None]
    best = min(known) if name in LOWER_IS_BETTER else max(known)
    cells = [
        _metric_cell(name, v, b, v == best and min(known) < max(known), voice)
        for v, b in zip(values, bounds, strict=True)
    ]
    return [label, *cells]


def _metric_cell(name: str, value: float | None, bounds: Sequence[float] | None, best: bool, voice: Voice) -> Markup:
    if value is None:
        return joined("–")
    text = voice.value(name, value)
    between = voice.between(name, bounds) if bounds else ""
    return joined(tag("b", text) if best else text, tag("small", between) if between else NOTHING)


def _trained_on(baseline: Mapping[str, Any], kind: str, voice: Voice) -> str:
    counts = {part: f"{baseline[part]:,}" for part in ("rows", "available")}
    name = voice.note(baseline["name"])
    return voice.say(
        "baseline_tokens" if kind in TOLD_BY_TOKEN else "baseline_rows",
        name=name[:1].upper() + name[1:],
        seconds=voice.duration(baseline["fit_s"]),
        **counts,
    )


def _samples(target: Target, voice: Voice) -> list[Markup]:
    """Beginnings of test text, how the model goes on and how the text does."""
    if not target["samples"]:
        return [tag("p", voice.say("no_samples"))]
    cards = [
        tag(
            "figure",
            tag("pre", sample["prompt"], tag("b", sample["text"])),
            folded(voice.say("truly"), tag("pre", sample["true"])),
            class_="sample",
        )
        for sample in target["samples"]
    ]
    return [tag("p", voice.say("samples_how"), class_="how"), *cards]


def _confusion(target: Target, voice: Voice) -> Markup:
    if not target["confusion"]:
        return NOTHING
    chart = matrix(
        voice.say("confusion"),
        target["classes"],
        target["confusion"],
        voice.say("true"),
        voice.say("answered"),
    )
    return tag("div", chart, _pairs(target, voice), class_="grid")


def _pairs(target: Target, voice: Voice) -> Markup:
    """The pairs of classes that are most often taken for each other."""
    classes = target["classes"]
    totals: dict[int, int] = {}
    for true, _, count in target["confusion"]:
        totals[true] = totals.get(true, 0) + count
    wrong = sorted((c for c in target["confusion"] if c[0] != c[1]), key=lambda c: (-c[2], c[0], c[1]))[:PAIRS]
    if not wrong:
        return tag("p", voice.say("no_confusion"))
    rows = [
        [
            _pair(classes[true] if true >= 0 else voice.say("never_in_training"), classes[said], voice),
            f"{count:,}",
            voice.share(count / totals[true]),
        ]
        for true, said, count in wrong
    ]
    return table(voice.say("pairs"), ["", voice.say("times"), voice.say("of_class")], rows)


def _pair(true: str, answered: str, voice: Voice) -> str:
    return voice.say("pair", true=f"“{true}”", answered=f"“{answered}”")


def _per_class(target: Target, voice: Voice) -> list[Markup]:
    ordered = sorted(target["per_class"], key=lambda c: (c["f1"], -c["actual"]))
    shown, rest = (ordered, []) if len(ordered) <= CLASSES else (ordered[:CLASSES], ordered[CLASSES:])
    support = "entities" if target["kind"] == "entities" else "support"
    head = [voice.say(part) for part in ("class", "precision", "recall", "f1", support)]
    parts = [table(voice.say("per_class"), head, [_class_row(c, voice) for c in shown])]
    if rest:
        more = table("", head, [_class_row(c, voice) for c in rest])
        parts.append(folded(voice.say("per_class_more", count=len(rest)), more))
    return parts


def _class_row(scores: Mapping[str, Any], voice: Voice) -> list[str]:
    return [
        scores["class"],
        *(voice.share(scores[part]) for part in ("precision", "recall", "f1")),
        f"{scores['actual']:,}",
    ]


def _mistakes(target: Target, voice: Voice) -> list[Markup]:
    kind = {"number": "mistakes_number", **dict.fromkeys(WRITTEN, "mistakes_written")}.get(target["kind"], "mistakes")
    if not target["mistakes"]:
        return [tag("h3", voice.say(kind)), tag("p", voice.say("no_mistakes"))]
    pictures = all(any(i["kind"] == "image" for i in m["inputs"]) for m in target["mistakes"])
    cards = [_mistake(m, target["kind"], voice) for m in target["mistakes"]]
    parts = [tag("h3", voice.say(kind)), tag("p", voice.say(f"{kind}_how"), class_="how")]
    if pictures:
        return [*parts, tag("ol", *cards, class_="cards small")]
    rest = tag("ol", *cards[CARDS:], class_="cards", start=CARDS + 1)
    more = [folded(voice.say("more_mistakes", count=len(cards) - CARDS), rest)] if len(cards) > CARDS else []
    return [*parts, tag("ol", *cards[:CARDS], class_="cards"), *more]


def _mistake(mistake: Mapping[str, Any], kind: str, voice: Voice) -> Markup:
    listed = {"labels": _labels_mistake, "entities": _labels_mistake}
    written = dict.fromkeys(WRITTEN, _written_mistake)
    says = {"class": _class_mistake, **listed, **written, "number": _number_mistake, "answers": _answer_mistake}[kind]
    special = [_input(i, voice) for i in mistake["inputs"] if i["kind"] != "value"]
    plain = [_input(i, voice) for i in mistake["inputs"] if i["kind"] == "value"]
    shown = tag("dl", *plain[:CELLS], class_="row") if plain else NOTHING
    rest = plain[CELLS:]
    more = folded(voice.say("more_columns", count=len(rest)), tag("dl", *rest, class_="row")) if rest else NOTHING
    return tag("li", *special, says(mistake, voice), shown, more, tag("p", mistake["place"], class_="place"))


def _class_mistake(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    truth = mistake["truth"] if mistake["truth"] is not None else voice.say("never_in_training")
    chance = voice.share(mistake["truth_claimed"]) if mistake["truth"] is not None else ""
    return tag(
        "p",
        tag(
            "span",
            voice.say("said"),
            " ",
            tag("b", mistake["answer"], class_="wrong"),
            " ",
            _quiet(mistake, voice),
        ),
        tag("span", voice.say("is"), " ", tag("b", truth), " ", tag("small", chance)),
        class_="answer",
    )


def _quiet(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    return tag("small", voice.share(mistake["claimed"]))


def _answer_mistake(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    said, true = (mistake[part] or voice.say("no_answer") for part in ("answer", "truth"))
    wrong = tag("b", said, class_="wrong")
    return tag(
        "p",
        tag("span", voice.say("said"), " ", wrong, " ", _quiet(mistake, voice)),
        tag("span", voice.say("is"), " ", tag("b", true)),
        class_="answer",
    )


def _labels_mistake(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    lines = [
        tag("span", voice.say(part), " ", tag("b", ", ".join(mistake[key]), class_=style))
        for part, key, style in (("missed", "missed", None), ("too_much", "wrong", "wrong"))
        if mistake[key]
    ]
    return tag("p", *lines, class_="answer")


def _number_mistake(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    off = mistake["answer"] - mistake["truth"]
    far = voice.say("off_by", value=f"{'+' if off > 0 else '−'}{number(abs(off))}")
    return tag(
        "p",
        tag("span", voice.say("said"), " ", tag("b", number(mistake["answer"]), class_="wrong")),
        tag("span", voice.say("is"), " ", tag("b", number(mistake["truth"])), " ", tag("small", far)),
        class_="answer",
    )


def _written_mistake(mistake: Mapping[str, Any], voice: Voice) -> Markup:
    wrong = tag("span", voice.say("said"), " ", tag("b", mistake["answer"], class_="wrong"))
    right = [tag("span", voice.say("reference"), " ", tag("b", reference)) for reference in mistake["truth"]]
    return tag("p", wrong, *right, class_="answer")


def _input(cell: Mapping[str, Any], voice: Voice) -> Markup:
    """One input column: the picture, the text, the curve, or name and value."""
    if cell["kind"] == "image":
        what = voice.say("image_of", name=cell["name"], width=cell["width"], height=cell["height"])
        coarse = "coarse" if max(cell["width"], cell["height"]) <= 96 else None
        return tag("img", src=f"data:image/png;base64,{cell['png']}", alt=what, class_=coarse, loading="lazy")
    if cell["kind"] == "sequence":
        return sparkline(cell["name"], cell["channels"])
    if cell["kind"] == "text":
        return tag("blockquote", cell["text"], title=cell["name"])
    value = cell["text"] if cell["text"] is not None else tag("i", voice.say("missing"))
    return tag("div", tag("dt", cell["name"]), tag("dd", value))


def _sureness(target: Target, voice: Voice) -> Markup:
    """Reliability, ROC and precision-recall beside each other, each with a sentence on how to read it."""
    return tag(
        "div",
        _reliability(target, voice),
        _roc(target, voice),
        _precision_recall(target, voice),
        class_="grid",
    )


def _reliability(target: Target, voice: Voice) -> Markup:
    calibration = target["calibration"]
    after = _bins("as_is", calibration["after"], "s1", voice)
    lines = [after]
    said = ""
    if calibration["temperature"] != 1:
        lines = [
            _bins("before", calibration["before"], "faint", voice),
            _bins("after", calibration["after"], "s1", voice),
        ]
        said = voice.note(calibration_note(calibration))
    unit = (0.0, 1.0)
    labels = (voice.say("claimed"), voice.say("share_right"))
    chart = line_chart(voice.say("reliability"), lines, *labels, x_range=unit, y_range=unit, diagonal=True)
    return tag("div", chart, tag("p", voice.text(said, voice.say("reliability_how")), class_="how"))


def _bins(name: str, reliability: Mapping[str, Any], style: str, voice: Voice) -> Line:
    bins = reliability["bins"]
    most = max(b["count"] for b in bins)
    radii = [2 + 5 * (b["count"] / most) ** 0.5 for b in bins]
    return Line(voice.say(name), [b["claimed"] for b in bins], [b["right"] for b in bins], style, radii, joined=False)


def _roc(target: Target, voice: Voice) -> Markup:
    if not target["roc"]:
        return NOTHING
    labels = (voice.say("false_positive"), voice.say("true_positive"))
    return _curves(target, "roc", labels, voice, diagonal=True)


def _precision_recall(target: Target, voice: Voice) -> Markup:
    if not target["pr"]:
        return NOTHING
    return _curves(target, "pr", (voice.say("true_positive"), voice.say("share_of_answers")), voice, diagonal=False)


def _curves(target: Target, key: str, labels: tuple[str, str], voice: Voice, diagonal: bool) -> Markup:
    curves = target[key]
    lines = [
        Line(voice.say("curve_name", name=c["class"], area=f"{c['area']:.3f}"), c["x"], c["y"], f"s{i + 1}")
        for i, c in enumerate(curves)
    ]
    unit = (0.0, 1.0)
    chart = line_chart(voice.say(key), lines, *labels, x_range=unit, y_range=unit, diagonal=diagonal)
    total = len(target["classes"])
    few = [voice.say("weakest_curves", count=len(curves), total=total)] if 2 < total > len(curves) else []
    return tag("div", chart, tag("p", voice.text(*few, voice.say(f"{key}_how")), class_="how"))


def _residuals(target: Target, voice: Voice) -> Markup:
    residuals = target["residuals"]
    truth, predicted = zip(*residuals["points"], strict=True)
    ends = (min(*truth, *predicted), max(*truth, *predicted))
    pad = abs(ends[0]) or 1
    both = ends if ends[0] < ends[1] else (ends[0] - pad, ends[1] + pad)
    points = Line("", truth, predicted, "s1", [3.0] * len(truth), joined=False)
    labels = (voice.say("actual"), voice.say("predicted"))
    against = line_chart(voice.say("predicted_true"), [points], *labels, x_range=both, y_range=both, diagonal=True)
    axes = (voice.say("residual"), voice.say("rows_axis"))
    return tag(
        "div",
        against,
        histogram(voice.say("histogram"), residuals["edges"], residuals["counts"], *axes),
        class_="grid",
    )
