"""Text generation: documents as rows, next tokens as targets, and figures that mean what they say."""

import json
import math
import random
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import danlu
from danlu.api import recipe_of, training
from danlu.data.corpus import END, Documents, fit_documents
from danlu.data.documents import cut_in_parts, of_documents, with_documents
from danlu.data.loader import Loader
from danlu.data.read import examples_of, read
from danlu.data.store import NextTokens, Shapes, Store, Stream
from danlu.data.tally import Rows, Tally
from danlu.errors import DanluError
from danlu.evaluation.language import Text, ngram_nats
from danlu.evaluation.metrics import measure
from danlu.evaluation.outcome import Outcome
from danlu.events import Told, Trained
from danlu.models import build
from danlu.recipe import DataConfig, SplitConfig, TextConfig
from danlu.tasks.text_generation import NextTokens as Objective

KINDS = ("char", "word", "bpe", "wordpiece", "unigram")
TINY = {"family": "llama", "width": 32, "depth": 1, "heads": 2}
QUICK = {
    "train__epochs": 5, "train__learning_rate": 0.02, "train__batch_size": 16, "data__text__max_length": 64,
    "evaluate__bootstrap": 50, "quiet": True,
}  # fmt: skip
STRANGE = ["Hello  world ▁ ## 🦓\n\n\tend ", "床前明月光，疑是地上霜。\r\nx", "[PAD] [END] [UNK]", "", "é" * 40]


def corpus(count: int, seed: int = 0) -> list[str]:
    """Little stories of one grammar."""
    rng = random.Random(seed)
    who, does, what = ("the cat", "a dog", "my bird"), ("sees", "likes", "hears"), ("the sun.", "a tree.", "you.")
    one = lambda: " ".join(map(rng.choice, (who, does, what)))  # noqa: E731
    return [" ".join(one() for _ in range(rng.randint(1, 6))) for _ in range(count)]


def fitted(texts: list[str], **config) -> Documents:
    return fit_documents(pl.DataFrame({"text": texts}), "text", None, TextConfig(**config))[0]


def text_of(documents: Documents, texts: list[str]) -> Text:
    return Text(documents, examples_of({"text": texts}, DataConfig(columns={"text": "text"})))


def stream_store(documents: Documents, texts: list[str]) -> Store:
    rows = examples_of({"text": texts}, DataConfig(columns={"text": "text"}))
    return documents.encode(rows, {}, Rows.of(rows, Tally()))


def small(family: str, documents: Documents) -> nn.Module:
    torch.manual_seed(0)
    shapes = Shapes(tokens=documents.size, max_tokens=documents.max_length)
    fields = {"width": 16, "depth": 2, "heads": 2, "max_length": documents.max_length, "dropout": 0.0}
    return build(family, fields, shapes)[0].eval()


# tokens -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_written_again_from_its_tokens(kind):
    documents = fitted([*corpus(30), *STRANGE, *STRANGE], tokenizer=kind)
    unseen = ["Ünseen ₤ 漢字 𝔘 \x00\r\n" + text for text in STRANGE]
    for text in [*STRANGE, *(unseen if kind not in ("char", "word") else [])]:
        ids = documents.tokenizer.encode(text).ids
        assert documents.tokenizer.decode(ids, skip_special_tokens=False) == text
        assert documents.tokens(pl.DataFrame({"text": [text]})).tokens.tolist() == [*ids, END]


def test_what_no_token_stands_for_is_paid_for_byte_by_byte():
    documents = fitted(["abab" * 10])
    module = lambda inputs: {"logits": torch.zeros(*inputs["tokens"].shape, documents.size)}  # noqa: E731
    text = text_of(documents, ["ab漢"])
    assert text.encoded.unwritten.tolist() == [3]
    nats = text.costs(Uniform(module))[0].sum()
    assert nats == pytest.approx(4 * math.log(documents.size) + 3 * math.log(256), rel=1e-6)


@pytest.mark.parametrize(("most", "kind"), [(100_000, "char"), (1000, "bpe")])
def test_the_tokenizer_follows_the_amount_of_text_and_says_why(monkeypatch, most, kind):
    monkeypatch.setattr("danlu.data.corpus._CHARACTERS", most)
    documents, notes = fit_documents(pl.DataFrame({"text": corpus(100)}), "text", None, TextConfig())
    assert documents.kind == kind
    assert notes[0].key == f"corpus.why_{kind}"


# rows ---------------------------------------------------------------------------------------------------------------

streams = st.builds(
    lambda lengths, width, shift: Stream(
        torch.arange(sum(lengths), dtype=torch.int32) + 3, torch.tensor([0, *np.cumsum(lengths)]), END, width
    ).shifted(shift),
    st.lists(st.integers(1, 30), min_size=1, max_size=12),
    st.integers(1, 17),
    st.integers(0, 1000),
)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_wherever_rows_are_cut_each_token_is_told_once_from_the_one_before_it(stream):
    index = torch.arange(len(stream))
    told, taken = stream.told(index), stream.take("tokens", index)
    inside = told >= 0
    assert sorted(told[inside].tolist()) == stream.tokens.tolist()
    starts = set((stream.offsets[:-1] + 3).tolist())  # token p is p + 3
    for before, token in zip(taken["tokens"][inside].tolist(), told[inside].tolist(), strict=True):
        assert before == (END if token in starts else token - 1)
    documents = taken.get("documents", torch.zeros_like(told))
    for row, (tokens, document) in enumerate(zip(told, documents, strict=True)):
        true = torch.searchsorted(stream.offsets, tokens[inside[row]].long() - 3, right=True)
        assert torch.equal(true[1:] != true[:-1], document[inside[row]].diff() != 0)


def test_every_epoch_cuts_elsewhere_and_a_resumed_one_goes_on_alike():
    stream = Stream(torch.arange(500, dtype=torch.int32), torch.tensor([0, 300, 500]), END, 16)
    store = Store({"tokens": stream}, {}, stream.first_documents(), {"tokens": NextTokens(stream)})
    loader = Loader(store, 4, None, seed=3)
    epochs = [[batch.targets["tokens"] for batch in loader.batches(epoch)] for epoch in range(3)]
    for epoch, batches in enumerate(epochs):
        later = [batch.targets["tokens"] for batch in loader.batches(epoch, start=2)]
        assert all(map(torch.equal, later, batches[2:]))
    rows = [{tuple(row.tolist()) for batch in batches for row in batch} for batches in epochs]
    assert not rows[0] & rows[1]
    assert not rows[1] & rows[2]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_documents_loss_does_not_change_with_its_neighbours(family):
    texts = corpus(6)
    documents = fitted(texts, max_length=256)
    module, text = small(family, documents), text_of(documents, texts)
    alone = np.concatenate([text_of(documents, [t]).costs(module)[0] for t in texts])
    packed = stream_store(documents, texts).batch(torch.tensor([0, 1]))
    assert "documents" in packed.inputs
    logits = module(packed.inputs)["logits"].flatten(0, 1)
    nats = F.cross_entropy(logits, packed.targets["tokens"].flatten(), ignore_index=-1, reduction="none")
    offsets = text.encoded.offsets.tolist()
    within = [p for a, b in pairwise(offsets) if b <= 256 or a >= 256 for p in range(a, b)]  # not cut by a row's end
    np.testing.assert_allclose(nats.detach().numpy()[within], alone[within], atol=1e-5)
    np.testing.assert_allclose(text.costs(module)[0], alone, atol=1e-5)


def test_a_long_document_is_measured_with_half_a_context_in_view_and_each_token_once():
    documents = fitted(["abcdefgh" * 40], max_length=16)
    text = text_of(documents, ["abcdefgh" * 20, "ab"])
    windows = documents.windows(text.encoded)
    lengths, wanted = windows.lengths, windows.by_position["tokens"]
    assert wanted.values[wanted.values >= 0].tolist() == text.encoded.tokens.tolist()
    for row in range(1, len(lengths) - 1):
        seen = wanted.values[wanted.offsets[row] : wanted.offsets[row + 1]]
        assert (seen[:8] == -1).all()
        assert (seen[8:] >= 0).all()
    nats, right = text.costs(small("llama", documents))
    assert len(nats) == len(right) == 160 + 1 + 3


def test_a_batch_without_a_token_to_tell_has_no_weight():
    batch = stream_store(fitted(["ab"]), ["ab"]).batch(torch.tensor([0]))
    batch.targets["tokens"].fill_(-1)
    objective = Objective()
    assert objective.count(batch) == 0
    assert objective.loss({"logits": torch.zeros(1, batch.targets["tokens"].shape[1], 9)}, batch) == 0


# figures ------------------------------------------------------------------------------------------------------------


class Uniform(nn.Module):
    """Says the same of every token."""

    def __init__(self, of) -> None:
        super().__init__()
        self.of = of
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        return self.of(inputs)


def test_a_model_that_knows_nothing_costs_the_logarithm_of_the_vocabulary():
    documents = fitted(corpus(20))
    text = text_of(documents, corpus(5))
    module = Uniform(lambda inputs: {"logits": torch.zeros(*inputs["tokens"].shape, documents.size)})
    metrics = measure(text.outcome(*text.costs(module)))
    assert metrics["loss"] == pytest.approx(math.log(documents.size), rel=1e-6)
    assert metrics["perplexity"] == pytest.approx(documents.size, rel=1e-5)


def test_perplexity_and_bits_per_byte_follow_their_definitions():
    costs = np.array([[3 * math.log(2) * 4, 2.0], [1 * math.log(2) * 2, 1.0]])  # 12 bits, 2 bits
    outcome = Outcome("text", "text", (), np.array([[4.0, 10.0], [3.0, 4.0]]), costs, ["a", "b"], pl.DataFrame())
    metrics = measure(outcome)
    assert metrics["bits_per_byte"] == pytest.approx(14 / 14)
    assert metrics["perplexity"] == pytest.approx(2 ** (14 / 7))
    assert metrics["accuracy"] == pytest.approx(3 / 7)


def test_ngrams_are_interpolated_as_witten_and_bell_say():
    documents = fitted(["abcab", "aab"])
    train, test = (documents.tokens(pl.DataFrame({"text": texts})) for texts in (["abcab", "aab"], ["abd", "caa"]))
    for order in (1, 2, 3, 5):
        ours = ngram_nats(train, test, documents.size, order)
        np.testing.assert_allclose(ours, witten_bell(train, test, documents.size, order))


def witten_bell(train, test, size, order):
    grams = Counter()
    for document in sentences(train):
        padded = ["^"] * (order - 1) + document
        for end in range(order - 1, len(padded)):
            grams.update(tuple(padded[end - n : end + 1]) for n in range(order))

    def chance(history, token):
        followers = {g[-1]: n for g, n in grams.items() if g[:-1] == history}
        lower = chance(history[1:], token) if history else 1 / size
        weight = sum(followers.values()) + len(followers)
        return (followers.get(token, 0) + len(followers) * lower) / weight if weight else lower

    padded = [["^"] * (order - 1) + document for document in sentences(test)]
    return [
        -math.log(chance(tuple(tokens[end - order + 1 : end]), tokens[end]))
        for tokens in padded
        for end in range(order - 1, len(tokens))
    ]


def sentences(encoded):
    return [encoded.tokens[a:b].tolist() for a, b in pairwise(encoded.offsets.tolist())]


# data ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        ("file", ["one\ntwo\n\nthree\n", "four"]),
        ("paragraph", ["one\ntwo", "three\n", "four"]),
        ("line", ["one", "two", "three", "four"]),
    ],
)
@pytest.mark.parametrize("where", ["folder", "files"])
def test_plain_text_is_files_paragraphs_or_lines(tmp_path, unit, found, where):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n\r\nthree\r\n")
    (tmp_path / "b.txt").write_text("four")
    files = (str(tmp_path),) if where == "folder" else (str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    config, notes = with_documents(DataConfig(files=files, documents=unit), "text-generation")
    texts = of_documents(read(config)).frame["text"].to_list()
    assert [text.strip() for text in texts] == [text.strip() for text in found]
    assert notes[0].key == f"corpus.unit_{unit}"


def test_a_folder_of_programs_is_a_corpus(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.py", "sub/b.py"):
        (tmp_path / name).write_text("import os\n")
    assert len(read(DataConfig(files=(str(tmp_path),)))) == 2


def test_few_documents_are_cut_by_position_and_nothing_of_them_is_lost():
    texts = ["\n".join(corpus(200, seed)) for seed in (1, 2)]
    rows = examples_of({"text": texts}, DataConfig(columns={"text": "text"}))
    parts, split = cut_in_parts(rows, SplitConfig())
    cut = parts.frame["text"].to_list()
    for text, sides in zip(texts, zip(split.train, split.validation, split.test, strict=True), strict=True):
        assert "".join(cut[side] for side in sides) == text
        assert len(cut[sides[0]]) == pytest.approx(0.8 * len(text), rel=0.02)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"target": "label"}, "corpus.target"),
        ({"data__documents": "line"}, "corpus.no_plain_text"),
        ({"data__text": {"over_long": "cut"}}, "corpus.over_long"),
        ({"data__text": {"tokenizer": "bpe", "vocab_size": 50}}, "corpus.vocab_too_small"),
        ({"data__columns": {"title": "text", "text": "ignore"}}, "corpus.several_texts"),
        ({"data__columns": {"text": "category", "notes": "category"}}, "corpus.no_text"),
        ({"model": "cnn"}, "models.cannot_read"),
        ({"train__class_weights": "balanced"}, "train.only_classes"),
        ({"train__loss": "mse"}, "train.loss_misfit"),
    ],
)
def test_a_setting_without_use_is_refused_before_training(tmp_path, settings, key):
    rows = pl.DataFrame({"text": corpus(30), "title": "a", "notes": corpus(30, 1), "label": "x"})
    file = tmp_path / "rows.parquet"
    rows.write_parquet(file)
    asked = {"model": TINY, "task": "text-generation", "quiet": True, **settings}
    with pytest.raises(DanluError) as refused:
        danlu.train(str(file), out=tmp_path / "run", **asked)
    assert refused.value.key == key


# the whole way ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small model of little stories."""
    folder = tmp_path_factory.mktemp("stories")
    (folder / "stories.txt").write_text("\n\n".join([*corpus(400), *corpus(40)]))
    file = str(folder / "stories.txt")
    return danlu.train(file, model=TINY, data__documents="paragraph", out=folder / "run", **QUICK)


def test_a_small_run_beats_single_tokens_and_says_where_it_does_not(run):
    target = run.report["targets"][0]
    names = [baseline["name"]["code"] for baseline in target["baselines"]]
    assert names == ["evaluate.unigram", "evaluate.ngram", "evaluate.gzip", "evaluate.xz"]
    assert target["baselines"][0]["standing"] == "ahead"
    said = {note["code"] for note in target["verdict"]}
    for baseline in target["baselines"][1:]:
        assert f"evaluate.{baseline['standing']}" in said
    assert run.report["task"] == "text-generation"
    low, high = target["intervals"]["bits_per_byte"]
    assert low < target["metrics"]["bits_per_byte"] < high


def test_the_report_shows_what_it_writes_behind_test_texts(run):
    samples = run.report["targets"][0]["samples"]
    assert len(samples) == 3
    texts = Path(run.recipe.data.files[0]).read_text()
    page = (Path(run.folder) / "report.html").read_text(encoding="utf-8")
    for sample in samples:
        assert sample["prompt"] + sample["true"] in texts
        assert sample["text"] in page
    assert any(sample["text"] for sample in samples)


def test_equal_documents_stand_on_one_side(run):
    said = json.loads((Path(run.folder) / "data.json").read_text())
    assert said["train_rows"] + said["validation_rows"] + said["test_rows"] == 440
    assert any(finding["note"]["code"] == "checks.duplicates" for finding in said["findings"])


def test_the_page_and_the_card_say_what_the_text_cost(run):
    page = (Path(run.folder) / "report.html").read_text(encoding="utf-8")
    card = (Path(run.folder) / "README.md").read_text(encoding="utf-8")
    value = run.report["targets"][0]["metrics"]["bits_per_byte"]
    assert f"{value:.3f}" in page
    assert f"{value:.3f}" in card
    assert "pipeline_tag: text-generation" in card


def test_predictions_are_what_each_document_costs_and_add_up_to_the_evaluation(run, tmp_path):
    model, texts = danlu.load(run), corpus(40, seed=9)
    costs = model.predict(texts)
    assert costs.columns == ["loss", "perplexity", "bits_per_byte", "tokens", "text"]
    assert costs["tokens"].to_list() == [len(text) + 1 for text in texts]
    (tmp_path / "new.txt").write_text("\n\n".join(texts))
    metrics = model.evaluate(str(tmp_path / "new.txt"))["targets"][0]["metrics"]
    loss = (costs["loss"] * costs["tokens"]).sum() / costs["tokens"].sum()
    assert metrics["loss"] == pytest.approx(loss, rel=1e-6)
    strange = model.predict([texts[0], texts[0][::-1]])
    assert strange["perplexity"][1] > strange["perplexity"][0]


def test_chinese_text_goes_the_whole_way(tmp_path, monkeypatch):
    monkeypatch.setenv("DANLU_LANG", "zh")
    rng, parts = random.Random(0), ("春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少")
    poems = ["，".join(rng.choices(parts, k=3)) + f"。第{i}首" for i in range(150)]
    pl.DataFrame({"title": "诗", "text": poems}).write_ndjson(tmp_path / "p.jsonl")
    file = str(tmp_path / "p.jsonl")
    run = danlu.train(file, task="text-generation", model=TINY, out=tmp_path / "run", **QUICK)
    target = run.report["targets"][0]
    assert target["baselines"][0]["standing"] == "ahead"
    assert "每字节" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert danlu.load(run).predict("春眠不觉晓")["tokens"].to_list() == [6]


def test_a_run_left_at_a_checkpoint_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    (tmp_path / "one.txt").write_text("\n".join(corpus(150)))
    settings = QUICK | {"train__checkpoint_every": 5, "evaluate__baseline": False}
    del settings["quiet"]
    recipe = recipe_of([str(tmp_path / "one.txt")], model=TINY | {"dropout": 0.1}, **settings)
    for event in training(recipe, tmp_path / "left"):
        if isinstance(event, Trained) and event.step >= 12:
            break
    danlu.train(resume=tmp_path / "left", quiet=True)
    for _ in training(recipe, tmp_path / "whole"):
        pass
    one, other = (tmp_path / name / "model" / "model.safetensors" for name in ("left", "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_the_task_is_known_from_plain_files_alone(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(corpus(60)))
    events = training(recipe_of([str(tmp_path / "a.txt")]), tmp_path / "run")
    told = [event.note.key for event in islice(events, 30) if isinstance(event, Told)]
    assert told[:2] == ["corpus.task", "corpus.unit_one_file"]
