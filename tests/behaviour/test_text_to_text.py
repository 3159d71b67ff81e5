"""Translation and summarization: pairs of texts in, texts out, however the pairs are written down."""

import hashlib
import json
import random
from dataclasses import replace

import polars as pl
import pytest
import torch
from typer.testing import CliRunner

import danlu
from danlu.api import recipe_of, training
from danlu.cli import app
from danlu.data.codec import Codec
from danlu.data.kinds import infer_target, infer_task
from danlu.data.pair_rows import pair_columns
from danlu.data.pairs import fit_pairs
from danlu.data.read import examples_of, read
from danlu.data.split import split
from danlu.data.tally import Tally
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.evaluation import text_to_text
from danlu.evaluation.text_to_text import first_sentence
from danlu.events import Trained
from danlu.recipe import DataConfig, SplitConfig, TextConfig
from danlu.tasks import TASKS

LETTERS, DIGITS = "abcdefghij", "零一二三四五六七八九"
SMALL = {
    "model": {
        "family": "marian", "width": 64, "depth": 1, "heads": 4, "dropout": 0.0, "positions": "learned",
        "norm_place": "before", "final_norm": True,
    },
    "data__text__tokenizer": "char", "train__epochs": 32, "train__batch_size": 64, "train__learning_rate": 5e-3,
    "train__early_stopping": False, "evaluate__bootstrap": 20, "quiet": True,
}  # fmt: skip


def backwards(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Letters, and the digits for them from the last to the first, in Chinese."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(1, 3))) for _ in range(count)]
    return [{"en": word, "zh": "".join(DIGITS[LETTERS.index(c)] for c in reversed(word))} for word in words]


def pairs(rows, task="translation", **config):
    return examples_of(rows, DataConfig(**config), task=task)


def fitted(rows, **text) -> Codec:
    examples = pairs(rows)
    (target,), _ = infer_target(examples.columns, examples.frame, DataConfig())
    reading, notes = fit_pairs(examples, target, TextConfig(**text))
    return Codec({target: Target(target, "translation")}, {reading.source: "text"}, notes=tuple(notes), reading=reading)


def written_of(examples) -> tuple[str, str, str]:
    """Source, target, task."""
    (target,), _ = infer_target(examples.columns, examples.frame, DataConfig())
    source = next(c.name for c in examples.columns.values() if c.kind == "text" and c.name != target)
    return source, target, infer_task(examples.columns, (target,), examples.frame)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pairs")
    return danlu.train(backwards(1000), task="translation", out=folder / "run", **SMALL)


# columns ------------------------------------------------------------------------------------------------------------

LONG = [f"The {n} small cats sat down on the mat and looked at all the dogs over there for hours." for n in range(40)]
SHORT = [f"Cats number {n} sat." for n in range(40)]
GERMAN = [f"Die {n} kleinen Katzen saßen auf der Matte und sahen lange alle Hunde dort drüben an." for n in range(40)]
CHINESE = [f"那{n}只小猫坐在垫子上，看着那边所有的狗，看了好久。" for n in range(40)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"en": LONG, "de": GERMAN}, ("en", "de", "translation")),
        ({"source": LONG, "target": GERMAN}, ("source", "target", "translation")),
        ({"target": SHORT, "source": LONG}, ("source", "target", "summarization")),
        ({"title": SHORT, "abstract": LONG, "id": list(range(40))}, ("abstract", "title", "summarization")),
        ({"摘要": SHORT, "正文": LONG}, ("正文", "摘要", "summarization")),
        ({"column_1": LONG, "column_2": CHINESE}, ("column_1", "column_2", "translation")),
    ],
)  # fmt: skip
def test_names_or_scripts_tell_what_is_read_what_is_written_and_the_task(columns, expected):
    assert written_of(pairs(pl.DataFrame(columns), task=None)) == expected


@pytest.mark.parametrize(
    "columns",
    [
        {"text": LONG, "label": ["a", "b"] * 20},
        {"source": ["web", "app"] * 20, "target": ["yes", "no"] * 20, "text": LONG},
        {"title": SHORT, "text": LONG, "label": ["a", "b"] * 20},
        {"id": [f"x{n}" for n in range(40)], "it": list(range(40))},
        {"en": LONG, "de": GERMAN, "target": [0.5 * n for n in range(40)]},
        {"column_1": LONG, "column_2": CHINESE, "label": ["a", "b"] * 20},
    ],
)
def test_other_tables_are_no_pairs(columns):
    assert pair_columns(pl.DataFrame(columns), DataConfig(), None) is None


def test_the_target_turns_the_direction_and_other_texts_are_named_or_left_out():
    rows = pl.DataFrame({"one": LONG, "two": GERMAN, "three": SHORT})
    assert written_of(pairs(rows.select("one", "two"), target=("one",)))[:2] == ("two", "one")
    chosen = pairs(rows, target=("two",), columns={"three": "text"})
    assert written_of(chosen)[:2] == ("three", "two")
    assert chosen.columns["one"].kind == "ignore"
    with pytest.raises(DanluError, match=r"one, two, three.*data\.target=NAME.*data\.columns\.NAME=text"):
        pairs(rows)
    with pytest.raises(DanluError, match=r"several: one, two"):
        pairs(rows, target=("one", "two"))
    with pytest.raises(DanluError, match=r"data\.columns\.three is number"):
        pairs(rows, columns={"three": "number"})


def test_tatoebas_file_without_a_header_is_read_without_its_attribution(tmp_path):
    made_by = "CC-BY 2.0 (France) Attribution: tatoeba.org #{0} (CM) & #{0}1 (Martha)"
    lines = ["\t".join((*pair, made_by.format(n))) for n, pair in enumerate(zip(LONG, CHINESE, strict=True))]
    (tmp_path / "cmn.txt").write_text("\n".join(["Hi.\t嗨。\t" + made_by.format(77), *lines]))
    examples = read(DataConfig(files=(str(tmp_path / "cmn.txt"),)))
    assert written_of(examples) == ("column_1", "column_2", "translation")
    assert examples.frame.row(0)[:2] == ("Hi.", ["嗨。"])
    (tmp_path / "two.tsv").write_text("Hi.\t嗨。\nGo!\t走！\nStop.\t停。\n")
    assert len(read(DataConfig(files=(str(tmp_path / "two.tsv"),)), task="translation")) == 3


def test_short_sentences_that_return_are_read_where_a_task_asks_for_texts():
    said = ["Hi.", "Run.", "Stop!", "Go on."] * 50
    written = [f"{word}{n}" for n, word in enumerate(["嗨。", "跑。", "停！", "继续。"] * 50)]
    made_by = [f"CC-BY 2.0 (France) Attribution: #{n}" for n in range(200)]
    rows = pl.DataFrame({"column_1": said, "column_2": written, "column_3": made_by})
    assert written_of(pairs(rows))[:2] == ("column_1", "column_2")


def test_lists_of_sentences_are_joined_and_lists_of_references_are_kept(tmp_path):
    rows = [{"source": [one, "Why?"], "target": [short, "Cats."]} for one, short in zip(LONG, SHORT, strict=True)]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps(row | {"paper_id": f"x{n}-Q"}) for n, row in enumerate(rows))
    )
    examples = read(DataConfig(files=(str(tmp_path / "a.jsonl"),)))
    assert written_of(examples) == ("source", "target", "summarization")
    assert examples.frame.select("source", "target").row(0) == (f"{LONG[0]} Why?", [SHORT[0], "Cats."])


def test_translations_of_one_sentence_stay_on_one_side():
    rows = pairs([{"en": f"Sentence {n // 3} is here.", "de": f"Satz {n} ist hier."} for n in range(120)])
    parts = split(rows, ("de",), SplitConfig(), 0, None)
    sides = [set(rows.take(part).frame["en"]) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sides)) == 40
    assert all(sides)


# tokens -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bpe", "char", "word", "wordpiece", "unigram"])
def test_answers_begin_with_start_and_end_with_end_and_are_told_one_ahead(kind):
    rows = [{"en": one, "zh": f"{DIGITS[n % 10]}只猫。"} for n, one in enumerate(LONG)]
    codec = fitted(rows, tokenizer=kind)
    reading, batch = codec.reading, codec.encode(pairs(rows)).batch(torch.arange(len(rows)))
    given, told = batch.inputs["answer"], batch.targets["tokens"]
    length = batch.inputs["answer_length"]
    assert (given[:, 0] == reading.start).all()
    assert (told.gather(1, length[:, None] - 1) == reading.end).all()
    assert ((told != UNKNOWN_CLASS).sum(1) == length).all()
    inside = (told != UNKNOWN_CLASS)[:, :-1] & (told[:, :-1] != reading.end)
    assert (given[:, 1:][inside] == told[:, :-1][inside]).all()
    sources = batch.inputs["tokens"].gather(1, batch.inputs["tokens_length"][:, None] - 1)
    assert (sources == reading.end).all()
    assert [reading.text(ids[ids >= 0].tolist()) for ids in told] == [row["zh"] for row in rows]
    assert codec.shapes.heads is None
    assert codec.shapes.answers == reading.answer_length


def test_a_saved_codec_reads_alike():
    rows = backwards(50)
    codec = fitted(rows)
    again = Codec.from_json(json.loads(json.dumps(codec.to_json())), codec.tokenizer_json)
    assert again == codec
    one, other = (each.encode(pairs(rows)).batch(torch.arange(9)) for each in (codec, again))
    assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)


def test_bytes_leave_no_character_unknown():
    reading = fitted(backwards(50)).reading
    text = "Grüße, 世界 🎉 [END] </s>"
    assert reading.text(reading.tokenizer.encode(text).ids) == text


def test_texts_that_are_too_long_are_cut_with_their_end_and_counted_or_refused():
    rows = [*backwards(200), {"en": "abc" * 50, "zh": "一二三" * 50}]
    codec, tally = fitted(rows, tokenizer="char"), Tally()
    batch = codec.encode(pairs(rows), tally=tally).batch(torch.tensor([200]))
    assert [(note.key, note.fields["column"], note.fields["count"]) for note in tally.notes()] == [
        ("codec.text_cut", "en", 1), ("codec.text_cut", "zh", 1)
    ]  # fmt: skip
    assert batch.inputs["tokens"].shape[1] == codec.reading.max_length
    assert batch.inputs["tokens"][0, -1] == batch.targets["tokens"][0, -1] == codec.reading.end
    whole = fitted(rows, tokenizer="char", over_long="refuse")
    assert whole.reading.max_length == 151
    with pytest.raises(DanluError, match=r"row 1.*\b161\b.*\b151\b"):
        whole.encode(pairs([{"en": "a" * 160, "zh": "一"}]))


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(DanluError, match="max_length is 2"):
        fitted(backwards(20), max_length=2)
    checkpoint = Checkpoint(fitted(backwards(20)).tokenizer_json, 64, 300)
    with pytest.raises(DanluError, match="decoder_start_token_id"):
        fit_pairs(pairs(backwards(20)), "zh", TextConfig(), checkpoint)


@pytest.mark.parametrize(("rows", "words"), [
    (["a cat", "two dogs"], "13a"), (["一只猫。", "两只狗。"], "zh"), (["ねこがいます。", "犬です。"], "char"),
])  # fmt: skip
def test_the_script_of_the_answers_decides_what_bleu_counts_as_words(rows, words):
    assert fitted([{"en": "a", "zh": text} for text in rows]).reading.bleu_words == words


# models -------------------------------------------------------------------------------------------------------------


def test_a_small_model_learns_to_translate_backwards(run):
    unseen = backwards(300, seed=9)
    answers = danlu.load(run.folder).predict(unseen)["prediction"].to_list()
    right = sum(answer == row["zh"] for answer, row in zip(answers, unseen, strict=True))
    assert right >= 0.95 * len(unseen)
    report = json.loads((run.folder / "report.json").read_text())["targets"][0]
    copied, word_by_word = (rival["metrics"]["chrf"] for rival in report["baselines"])
    assert copied < word_by_word < report["metrics"]["chrf"]
    assert {"rouge_1", "rouge_2", "rouge_l", "loss", "accuracy", "bleu"} <= report["metrics"].keys()


def test_one_text_several_texts_and_rows_are_answered_alike(run):
    model = danlu.load(run.folder)
    alone = [model.predict(text)["prediction"][0] for text in ("abc", "j")]
    assert alone == model.predict(["abc", "j"])["prediction"].to_list()
    assert alone == model.predict([{"en": "abc"}, {"en": "j"}])["prediction"].to_list() == ["二一零", "九"]


def test_empty_texts_and_unseen_characters_have_an_answer(run):
    answers = danlu.load(run.folder).predict(["", "😀"])["prediction"]
    assert answers.null_count() == 0


def test_the_page_shows_source_reference_and_answer_of_the_worst(run):
    evidence = danlu.load(run.folder).evidence(pairs([{"en": "abc", "zh": "九九九"}, {"en": "j", "zh": "九"}]))[0]
    assert [(each["truth"], each["answer"]) for each in evidence.mistakes] == [(["九九九"], "二一零")]
    page = (run.folder / "report.html").read_text()
    assert "BLEU" in page
    assert "ROUGE-L" in page
    assert "reference <b>" in page
    assert "share of tokens told right" in page


def test_many_rows_are_measured_in_part_and_that_is_said(run, monkeypatch):
    monkeypatch.setattr(text_to_text, "MOST", 5)
    model, tally = danlu.load(run.folder), Tally()
    outcome = model.evidence(pairs(backwards(20)), tally)[0].outcome
    assert len(outcome) == 5
    assert tally.notes()[0].fields["count"] == 15
    assert len(model.predict(backwards(20))) == 20


def test_a_resumed_run_equals_one_that_was_not_stopped(tmp_path):
    pl.DataFrame(backwards(150)).write_csv(tmp_path / "pairs.csv")
    settings = {name: value for name, value in SMALL.items() if name != "quiet"} | {"evaluate__baseline": False}
    settings |= {"train__epochs": 3, "train__checkpoint_every": 2}
    recipe = recipe_of([str(tmp_path / "pairs.csv")], task="translation", **settings)
    for event in training(recipe, tmp_path / "left"):
        if isinstance(event, Trained) and event.step >= 3:
            break
    danlu.train(resume=tmp_path / "left", quiet=True)
    for _ in training(recipe, tmp_path / "whole"):
        pass
    one, other = (tmp_path / name / "model" / "model.safetensors" for name in ("left", "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_generate_says_what_answers(run):
    with pytest.raises(DanluError, match=r"model\.predict"):
        danlu.load(run.folder).generate("abc")


def test_a_summary_is_compared_with_the_first_sentence(tmp_path):
    rows = [{"summary": short, "text": f"{short} {long}"} for long, short in zip(LONG, SHORT, strict=True)]
    run = danlu.train(rows, task="summarization", out=tmp_path / "run", **SMALL | {"train__epochs": 1})
    target = json.loads((run.folder / "report.json").read_text())["targets"][0]
    assert (target["kind"], target["headline"]) == ("summary", "rouge_l")
    assert [rival["metrics"]["rouge_l"] for rival in target["baselines"]] == [1.0]
    assert len(danlu.load(run).predict("Cats number 4 sat. The 4 cats.")) == 1


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One is 1.5 of it. Two!", "One is 1.5 of it."),
        ("没有句号", "没有句号"),
        ("先说这个。再说那个。", "先说这个。"),
        ("Why?\nBecause.", "Why?"),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_at_its_mark(text, first):
    assert first_sentence(text) == first


def test_losses_and_weights_without_a_meaning_are_refused():
    target = {"zh": Target("zh", "translation")}
    for setting in ({"loss": "mse"}, {"class_weights": "balanced"}):
        with pytest.raises(DanluError):
            TASKS["translation"].objective(target, danlu.Recipe.of({"train": setting}).train, {})


def test_the_search_tells_how_many_texts_are_written(run):
    model, told = danlu.load(run), []
    rows = examples_of(backwards(100, seed=4), model.data, model.columns)
    model.answers(rows, progress=lambda note, done, total: told.append((note.key, done, total)))
    assert told == [("flow.evaluating", 64, 100), ("flow.evaluating", 100, 100)]


def test_progress_of_measuring_is_told_too(run):
    told = []
    danlu.load(run).evaluate(backwards(70, seed=5), 20, lambda note, done, total: told.append((note.key, done, total)))
    assert ("flow.evaluating", 64, 70) in told


def test_a_text_where_a_file_should_stand_is_told_how_to_be_given(run):
    refused = CliRunner().invoke(app, ["predict", str(run), "abc de"]).exception
    assert isinstance(refused, DanluError)
    assert refused.key == "cli.text_as_file"
    assert "--text" in str(refused)


def test_measuring_on_the_file_of_the_training_says_that_it_was_seen(run, tmp_path):
    model, other = danlu.load(run), tmp_path / "other.jsonl"
    other.write_text("\n".join(json.dumps(row) for row in backwards(20, seed=6)))
    assert "predict.trained_on" not in [note["code"] for note in model.evaluate(str(other), 0)["notes"]]
    seen = replace(model, trained_on=frozenset({hashlib.sha256(other.read_bytes()).hexdigest()}))
    told = seen.evaluate(str(other), 0)
    assert told["notes"][0]["code"] == "predict.trained_on"
    assert "texts it was trained on" in told["targets"][0]["verdict"][0]["text"]
