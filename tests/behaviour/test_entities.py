"""Named entities: however they are written down, the same places come in, and places come out."""

import json
import random

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import danlu
from danlu.data.codec import Codec
from danlu.data.entity_rows import ENTITIES
from danlu.data.examples import Examples
from danlu.data.read import examples_of, read
from danlu.data.spans import bio_classes, bio_spans, parsed, spans, words_in
from danlu.data.store import Ragged
from danlu.data.tagging import WORD, windows_of
from danlu.data.tally import Tally
from danlu.data.targets import UNKNOWN_CLASS
from danlu.errors import DanluError
from danlu.models.bert import BERT
from danlu.recipe import DataConfig
from danlu.tasks import TASKS
from danlu.tasks.task import Given
from danlu.tasks.token_classification import WordTags

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["Ann", "Bob", "Dan", "Lee", "Rome", "Oslo", "Paris", "saw", "in", "sat", ".", ",", "Mar", "##tha", "##s"]
QUICK = {"train__epochs": 8, "train__learning_rate": 0.02, "evaluate__bootstrap": 20, "quiet": True}


def tagged(count: int, seed: int = 0) -> list[list[tuple[str, str]]]:
    """Sentences in which a name is a person and a town a place."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        who = [(rng.choice(["Ann", "Bob", "Dan", "Martha"]), "B-person")] + [("Lee", "I-person")] * rng.randint(0, 1)
        where = [(rng.choice(["Rome", "Oslo", "Paris"]), "B-place")]
        middle = [(rng.choice(["saw", "in", "sat"]), "O") for _ in range(rng.randint(1, 4))]
        made.append([*who, *middle, *where, (".", "O")] if rng.random() < 0.5 else [*where, *middle, *who])
    return made


def as_conll(sentences: list[list[tuple[str, str]]]) -> str:
    return "\n\n".join("\n".join("\t".join(word) for word in sentence) for sentence in sentences) + "\n"


def as_lists(sentences: list[list[tuple[str, str]]]) -> list[dict[str, list[str]]]:
    return [{"tokens": [w for w, _ in sentence], "tags": [t for _, t in sentence]} for sentence in sentences]


def marked(rows, **config) -> Examples:
    return examples_of(rows, DataConfig(**config), task="token-classification")


def tuples(examples: Examples) -> list[list[tuple[int, int, str]]]:
    return [[tuple(span.values()) for span in row] for row in examples.frame[ENTITIES].to_list()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random BERT that knows a few words, as transformers saves it."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-bert"
    config = transformers.BertConfig(
        vocab_size=len(MARKS + PIECES), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(MARKS + PIECES))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("entities")
    for name, count, seed in (("train", 120, 0), ("dev", 30, 1), ("test", 40, 2)):
        (folder / f"{name}.conll").write_text(as_conll(tagged(count, seed)))
    return danlu.train(
        folder / "train.conll", data__validation_files=[str(folder / "dev.conll")],
        data__test_files=[str(folder / "test.conll")], model=str(tiny), out=folder / "run", **QUICK,
    )  # fmt: skip


# rows ---------------------------------------------------------------------------------------------------------------

SCHEMES = {
    "BIO": ["B-per", "I-per", "O", "B-loc", "B-loc", "I-loc", "I-loc", "O"],
    "IOB1": ["I-per", "I-per", "O", "I-loc", "B-loc", "I-loc", "I-loc", "O"],
    "BILOU": ["B-per", "L-per", "O", "U-loc", "B-loc", "I-loc", "L-loc", "O"],
    "IOBES": ["B-per", "E-per", "O", "S-loc", "B-loc", "I-loc", "E-loc", "O"],
    "BMES": ["B_per", "E_per", "O", "S_loc", "B_loc", "M_loc", "E_loc", "O"],
}
TOKENS = ["Jo", "Lee", "visits", "Rome", "New", "York", "Central", "."]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_of_tags_marks_the_same_places(scheme):
    examples = marked([{"tokens": TOKENS, "tags": SCHEMES[scheme]}])
    reason = examples.columns[ENTITIES].reason
    assert tuples(examples) == [[(0, 6, "per"), (14, 18, "loc"), (19, 35, "loc")]]
    assert (reason.key, reason.fields["scheme"]) == ("entities.tags", scheme)


def test_plain_tags_mark_runs_of_equal_words():
    examples = marked([{"tokens": ["a", "b", "c", "d"], "tags": ["per", "per", "loc", "O"]}])
    assert tuples(examples) == [[(0, 3, "per"), (4, 5, "loc")]]


def test_tags_that_go_on_with_nothing_are_counted_and_begin_an_entity():
    tags = ["I-per", "B-per", "O", "I-loc", "I-per"]
    examples = marked([{"tokens": list("abcde"), "tags": tags}, {"tokens": ["a", "b"], "tags": ["B-per", "O"]}])
    reason = examples.columns[ENTITIES].reason
    assert reason.key == "entities.tags_unopened"
    assert reason.fields["unopened"] == 3
    assert tuples(examples)[0] == [(0, 1, "per"), (2, 3, "per"), (6, 7, "loc"), (8, 9, "per")]


def test_a_conll_file_gives_what_its_lists_give(tmp_path):
    sentences = tagged(20)
    (tmp_path / "a.conll").write_text("-DOCSTART-\tO\n\n" + as_conll(sentences) + "\n\t\n")
    (tmp_path / "a.bio").write_text(as_conll(sentences).replace("\t", " NN "))  # four columns have a third between
    pl.DataFrame(as_lists(sentences)).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(as_lists(sentences)).write_ndjson(tmp_path / "a.jsonl")
    first, *others = (
        read(DataConfig(files=(str(tmp_path / name),))) for name in ("a.conll", "a.bio", "a.parquet", "a.jsonl")
    )
    assert len(first) == 20
    for other in others:
        assert other.frame.equals(first.frame)


@pytest.mark.parametrize(
    "entities",
    [
        [{"start": 4, "end": 8, "label": "loc"}],
        [{"start": 4, "end": 8, "type": "loc", "text": "Rome"}],
        [[4, 8, "loc"]],
        '[{"start": 4, "end": 8, "label": "loc"}]',
    ],
)
def test_places_of_characters_are_read_as_records_lists_and_json(entities):
    assert tuples(marked([{"text": "see Rome.", "entities": entities}])) == [[(4, 8, "loc")]]


def test_the_columns_may_have_any_names():
    rows = [{"satz": "see Rome", "orte": [{"start": 4, "end": 8, "label": "loc"}], "id": 7}]
    assert tuples(marked(rows, target=("orte",), columns={"satz": "text"})) == [[(4, 8, "loc")]]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_tags_of_spans_give_the_spans_again(data):
    classes = bio_classes(["loc", "per"])
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    sentence = np.repeat(np.arange(len(sizes)), sizes)
    drawn = np.array([data.draw(st.integers(0, 4)) for _ in sentence])
    found = bio_spans(drawn, sentence)
    again = np.zeros(len(drawn), np.int64)
    for first, end, label in zip(found.first, found.end, found.label, strict=True):
        assert len(set(sentence[first:end])) == 1
        again[first:end] = 2 * label + 2
        again[first] = 2 * label + 1
    as_text = parsed([classes[number] for number in again])
    told = spans(as_text.code, as_text.label, sentence)
    assert told.first.tolist() == found.first.tolist()
    assert told.end.tolist() == found.end.tolist()
    assert [as_text.labels[n] for n in told.label] == [("loc", "per")[n] for n in found.label]


@given(st.lists(st.text(max_size=6).map(lambda word: word.replace(" ", "_")), max_size=8))
def test_given_words_are_found_again_in_their_text(words):
    text = " ".join(words)
    expected = words if text else []
    assert [text[start:end] for start, end in words_in(text, given=True)] == expected


def test_words_of_a_text_end_where_marks_begin():
    def words(text):
        return [text[start:end] for start, end in words_in(text, given=False)]

    assert words("Ann's in 'Rome', at https://x.org/?a=1 @bob!") == [
        "Ann", "'s", "in", "'", "Rome", "'", ",", "at", "https://x.org/?a=1", "@bob", "!",
    ]  # fmt: skip
    assert words("王明在New-York。") == ["王", "明", "在", "New-York", "。"]


# what is refused ----------------------------------------------------------------------------------------------------


def test_rows_with_unequal_lists_are_left_out_and_named(tmp_path):
    rows = [*as_lists(tagged(3)), {"tokens": ["a", "b"], "tags": ["O"]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DanluError, match=r"a\.jsonl row 4.*expected a tag for each of the 2 words, got 1"):
        read(DataConfig(files=(str(tmp_path / "a.jsonl"),)))
    examples = read(DataConfig(files=(str(tmp_path / "a.jsonl"),), max_bad_rows=0.5))
    assert len(examples) == 3


def test_a_line_without_its_tag_is_named(tmp_path):
    (tmp_path / "a.conll").write_text("Ann\tB-per\nsat\n\nRome\tB-loc\n")
    with pytest.raises(DanluError, match="line 2"):
        read(DataConfig(files=(str(tmp_path / "a.conll"),)))


@pytest.mark.parametrize("span", [{"start": 4, "end": 20, "label": "x"}, {"start": 5, "end": 5, "label": "x"}])
def test_places_outside_the_text_are_named(span):
    with pytest.raises(DanluError, match="within the 8 characters"):
        marked([{"text": "see Rome", "entities": [span]}])


@pytest.mark.parametrize(
    ("rows", "config", "key"),
    [
        ([{"a": 1, "b": 2}], {}, "entities.no_text"),
        ([{"text": "see Rome"}], {}, "entities.no_answers"),
        ([{"tokens": ["a"], "ner_tags": [3]}], {}, "entities.no_tags"),
        ([{"text": "a", "entities": []}], {"target": ("entities", "text")}, "entities.one_target"),
        ([{"text": "a", "entities": []}], {"target": ("entitys",)}, "data.no_such_column"),
        ([{"text": "a", "entities": [], "n": 1}], {"columns": {"n": "number"}}, "entities.other_kind"),
    ],
)
def test_what_is_no_table_of_entities_is_refused(rows, config, key):
    with pytest.raises(DanluError) as refused:
        marked(rows, **config)
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"data__text__over_long": "cut"}, "entities.over_long"),
        ({"data__text__max_length": 4}, "entities.too_short"),
        ({"train__loss": "binary_cross_entropy"}, "train.loss_misfit"),
        ({"train__class_weights": "balanced"}, "train.only_classes"),
        ({"model": "linear"}, "models.cannot_read"),
    ],
)
def test_settings_without_a_use_are_refused(tmp_path, changed, key):
    (tmp_path / "a.conll").write_text(as_conll(tagged(40)))
    with pytest.raises(DanluError) as refused:
        danlu.train(tmp_path / "a.conll", out=tmp_path / "run", **(QUICK | {"model": "lstm"} | changed))
    assert refused.value.key == key


def test_rows_without_any_entity_are_refused(tmp_path):
    rows = [{"tokens": ["a", str(n)], "tags": ["O", "O"]} for n in range(40)]
    with pytest.raises(DanluError) as refused:
        danlu.train(rows, task="token-classification", out=tmp_path / "run", quiet=True)
    assert refused.value.key == "entities.none"


# tokens -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), max_size=40), st.integers(8, 20))
def test_windows_fit_and_tell_every_word_once(sizes, limit):
    cuts = list(windows_of(sizes, limit))
    told = [word for cut in cuts for word in range(cut.told_from, cut.told_to)]
    assert told == list(range(len(sizes)))
    for cut in cuts:
        assert cut.first <= cut.told_from <= cut.told_to <= cut.end
        assert sum(sizes[cut.first : cut.end]) <= limit


def codec_of(examples: Examples, **text) -> Codec:
    config = DataConfig(text={"tokenizer": "bpe", "vocab_size": 300, **text})
    return TASKS["token-classification"].codec(Given(examples, (ENTITIES,), BERT, config))


def test_the_first_token_of_a_word_carries_its_class_and_no_other_does():
    examples = marked(as_lists(tagged(30)))
    codec = codec_of(examples)
    store = codec.encode(examples)
    word, classes = store.by_position[WORD], store.by_position[ENTITIES]
    assert isinstance(word, Ragged)
    assert isinstance(classes, Ragged)
    told = word.values != UNKNOWN_CLASS
    names = codec.targets[ENTITIES].classes
    assert [names[n] for n in classes.values[told]] == [tag for sentence in tagged(30) for _, tag in sentence]
    assert (classes.values[~told] == UNKNOWN_CLASS).all()
    assert told.sum() < len(told), "some words have several tokens"


def test_long_texts_are_read_in_windows_that_tell_all_words_and_are_counted():
    long = [word for sentence in tagged(12) for word in sentence]
    examples = marked(as_lists([*tagged(3), long]))
    codec, tally = codec_of(examples, max_length=16), Tally()
    store = codec.encode(examples, tally=tally)
    assert int(store.lengths.max()) <= 16
    word = store.by_position[WORD].values
    assert sorted(word[word != UNKNOWN_CLASS].tolist()) == list(range(sum(map(len, [*tagged(3), long]))))
    assert [(note.key, note.fields["count"]) for note in tally.notes()] == [("entities.windows", 1)]


def test_entities_that_words_cannot_tell_are_counted():
    train = marked([{"text": "see Rome now", "entities": [[4, 8, "loc"]]}])
    other = marked(
        [
            {"text": "see Romes", "entities": [[4, 8, "loc"]]},
            {"text": "see Rome", "entities": [[4, 8, "loc"], [4, 8, "town"]]},
        ]
    )
    tally = Tally()
    codec_of(train).encode(other, tally=tally)
    assert {note.key: note.fields["count"] for note in tally.notes()} == {"entities.inexact": 2, "entities.unseen": 1}


def test_padding_and_neighbours_change_no_loss(run):
    model = danlu.load(run)
    store = model.codec.encode(marked(as_lists(tagged(6))))
    objective, together = WordTags(ENTITIES), store.batch(torch.arange(6))
    with torch.no_grad():
        whole = objective.loss(model.module(together.inputs), together)
        alone = [store.batch(torch.tensor([n])) for n in range(6)]
        parts = [objective.loss(model.module(batch.inputs), batch) for batch in alone]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-5)
    assert objective.count(together) == sum(map(objective.count, alone)) == sum(map(len, tagged(6)))


# from files to answers ----------------------------------------------------------------------------------------------


def test_a_fine_tuned_model_finds_entities_in_words_and_in_prose(run):
    target = run.report["targets"][0]
    assert target["kind"] == "entities"
    assert target["metrics"]["f1_micro"] > 0.8
    assert [c["class"] for c in target["per_class"]] == ["person", "place"]
    assert target["baselines"][0]["metrics"]["f1_micro"] == 0
    (found,) = danlu.load(run).predict("Ann saw Rome, in Oslo.")[ENTITIES].to_list()
    assert [("Ann saw Rome, in Oslo."[e["start"] : e["end"]], e["text"]) for e in found] == [
        (e["text"], e["text"]) for e in found
    ]
    assert {(e["text"], e["label"]) for e in found} >= {("Ann", "person"), ("Rome", "place")}
    assert all(0 < e["score"] <= 1 for e in found)


def test_the_measured_f1_is_that_of_the_answers(run):
    test = marked(as_lists(tagged(40, 2)))
    answers = danlu.load(run).predict(as_lists(tagged(40, 2)))
    said = [{(e["start"], e["end"], e["label"]) for e in row} for row in answers[ENTITIES].to_list()]
    true = [set(row) for row in tuples(test)]
    right = sum(len(a & b) for a, b in zip(said, true, strict=True))
    expected = 2 * right / (sum(map(len, said)) + sum(map(len, true)))
    assert run.report["targets"][0]["metrics"]["f1_micro"] == pytest.approx(expected)
    assert danlu.load(run).evaluate(as_lists(tagged(40, 2)))["targets"][0]["metrics"]["f1_micro"] == pytest.approx(
        expected
    )


def test_what_was_fine_tuned_loads_in_transformers_and_says_the_same(run):
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(run.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model)
    model, words = danlu.load(run), ["Martha", "Lee", "saw", "Rome", "."]
    given = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    store = model.codec.encode(examples_of([{"tokens": words}], model.data, model.columns), with_targets=False)
    batch = store.batch(torch.tensor([0]))
    assert batch.inputs["tokens"].tolist() == given["input_ids"].tolist()
    with torch.no_grad():
        torch.testing.assert_close(model.module(batch.inputs)[ENTITIES], theirs(**given).logits, atol=1e-4, rtol=1e-4)
    assert list(theirs.config.id2label.values()) == ["O", "B-person", "I-person", "B-place", "I-place"]


@pytest.mark.parametrize("family", ["roberta", "distilbert"])
def test_transformers_reads_the_taggers_of_the_other_encoders(tmp_path, family):
    rows = as_lists(tagged(40))
    run = danlu.train(
        rows, model={"family": family, "width": 16, "heads": 2, "depth": 1}, out=tmp_path / "run",
        **(QUICK | {"train__epochs": 1}),
    )  # fmt: skip
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(run.model).eval()
    model = danlu.load(run)
    batch = model.codec.encode(marked(rows[:1])).batch(torch.tensor([0]))
    with torch.no_grad():
        expected = theirs(batch.inputs["tokens"]).logits
        torch.testing.assert_close(model.module(batch.inputs)[ENTITIES], expected, atol=1e-4, rtol=1e-4)


def test_texts_without_a_word_have_no_entity(run):
    model = danlu.load(run)
    assert model.predict(["", " "])[ENTITIES].to_list() == [[], []]
    assert model.predict([{"tokens": []}, {"tokens": ["", "Ann"]}])[ENTITIES].list.len().to_list()[0] == 0


def test_mistakes_name_what_was_missed_and_what_was_too_much(run):
    rows = as_lists([[("Ann", "O"), ("saw", "B-place"), ("Rome", "B-place")]])
    (mistake,) = danlu.load(run).evaluate(rows)["targets"][0]["mistakes"]
    assert "saw (place)" in mistake["missed"]
    assert "Ann (person)" in mistake["wrong"]


def test_entities_are_written_to_every_format_and_read_again(run, tmp_path):
    from danlu import output

    model = danlu.load(run)
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        output.write_file(iter([model.predict(["Ann saw Rome", "北京 in Oslo"])]), tmp_path / name)
    first, *others = (
        read(DataConfig(files=(str(tmp_path / name),)), task="token-classification")
        for name in ("a.csv", "a.jsonl", "a.parquet")
    )
    assert tuples(first)[0]
    assert all(tuples(other) == tuples(first) for other in others)
    assert "北京" in (tmp_path / "a.csv").read_text(encoding="utf-8")
