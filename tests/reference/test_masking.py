"""Hidden tokens: how many, which, and what a model that tells them is worth, against closed forms and transformers."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from torch import Tensor

from danlu import models
from danlu.data.chinese import goes_on, learned_pairs, pair_keys
from danlu.data.codec import Codec
from danlu.data.examples import ROW, Examples
from danlu.data.masking import FOLLOWS, MASKS, Masking, fit_masking
from danlu.data.read import examples_of
from danlu.data.store import Batch, Store
from danlu.data.tally import Rows, Tally
from danlu.data.targets import UNKNOWN_CLASS
from danlu.data.values import code_points
from danlu.errors import DanluError
from danlu.evaluation.answers import Asking
from danlu.evaluation.fill_mask import NEIGHBOURS, Filled, Hidden, costs_by_neighbours
from danlu.models.hub import files
from danlu.recipe import DataConfig
from danlu.tasks.fill_mask import HiddenTokens

SENTENCES = "the old fox unbelievably quick runs over a hill, into the woods. then it sleeps! under 木 trees"
WORDS = SENTENCES.split(" ")
CHINESE = "今天天气很好，我们去公园散步。孩子们在湖边玩耍！晚上回家吃饭。"


def documents(count: int = 300, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 40))) + f" number {i}." for i in range(count)]
    return texts_as_examples(texts)


def texts_as_examples(texts: Sequence[str]) -> Examples:
    return examples_of(pl.DataFrame({"text": texts}), DataConfig(columns={"text": "text"}))


def fitted(examples: Examples, **text: Any) -> Masking:
    return fit_masking(examples, "text", DataConfig(text={"max_length": 32, **text}))[0]


def encoded(masking: Masking, examples: Examples, tally: Tally | None = None) -> Store:
    return masking.encode(examples, {}, Rows.of(examples, tally or Tally()))


def whole(batch: Batch) -> Tensor:
    """The tokens without anything hidden."""
    wanted = batch.targets["tokens"]
    return torch.where(wanted == UNKNOWN_CLASS, batch.inputs["tokens"], wanted)


def all_rows(store: Store) -> Batch:
    return store.batch(torch.arange(len(store)))


def redrawn(masking: Masking, store: Store, seed: int) -> Batch:
    return masking.redrawn(all_rows(store), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("drawing", ["fixed", "redrawn"])
@pytest.mark.parametrize("whole_word", [False, True])
def test_fifteen_in_a_hundred_tokens_are_told_and_eight_in_ten_of_them_masked(drawing: str, whole_word: bool) -> None:
    masking = fitted(documents(1200), whole_word=whole_word)
    store = encoded(masking, documents(1200))
    batch = all_rows(store) if drawing == "fixed" else redrawn(masking, store, 1)
    told, given, true = batch.inputs["told"], batch.inputs["tokens"], batch.targets["tokens"]
    inside = torch.arange(given.shape[1]) < batch.inputs["tokens_length"][:, None]
    tellable = masking.tellable[whole(batch)] & inside
    count = int(tellable.sum())
    assert count > 20_000
    # four standard deviations of a binomial share; words of several tokens make it twice as wide
    assert abs(int(told.sum()) / count - 0.15) < (8 if whole_word else 4) * math.sqrt(0.15 * 0.85 / count)
    fate = Counter(torch.where(given == masking.mask, 0, torch.where(given == true, 1, 2))[told].tolist())
    shares = [fate[kind] / int(told.sum()) for kind in range(3)]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=4 * math.sqrt(0.16 / int(told.sum())))


@pytest.mark.parametrize("drawing", ["fixed", "redrawn"])
def test_marks_padding_and_unknown_text_are_never_hidden_and_never_put_in(drawing: str) -> None:
    examples = documents()
    masking = fitted(examples, tokenizer="word", vocab_size=16)  # of which most words are unknown
    store = encoded(masking, examples)
    batch = all_rows(store) if drawing == "fixed" else redrawn(masking, store, 3)
    marks = {masking.tokenizer.token_to_id(mark) for mark in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    assert masking.tokenizer.token_to_id("[UNK]") in whole(batch).unique().tolist()
    told = batch.inputs["told"]
    assert not marks & set(batch.targets["tokens"][told].tolist())
    put_in = batch.inputs["tokens"][told]
    assert not (marks - {masking.mask}) & set(put_in.tolist())
    assert (batch.inputs["tokens"][~told] == whole(batch)[~told]).all()


def test_the_same_step_hides_the_same_tokens_and_another_step_others() -> None:
    masking = fitted(documents())
    store = encoded(masking, documents())
    one, again, other = (redrawn(masking, store, seed) for seed in (5, 5, 6))
    torch.testing.assert_close(one.inputs["tokens"], again.inputs["tokens"])
    assert (one.inputs["told"] != other.inputs["told"]).any()
    for batch in (one, other):
        torch.testing.assert_close(whole(batch), whole(all_rows(store)))


def test_where_models_are_measured_the_same_tokens_are_always_hidden() -> None:
    masking = fitted(documents())
    stores = [encoded(masking, documents()) for _ in range(2)]
    one, other = (all_rows(store) for store in stores)
    assert set(one.inputs) == {"tokens", "tokens_length", "told", "told_length"}
    torch.testing.assert_close(one.inputs, other.inputs)
    torch.testing.assert_close(one.targets, other.targets)


def test_the_same_texts_give_the_same_word_pieces() -> None:
    examples = documents()
    assert len({fitted(examples, vocab_size=200).tokenizer_json for _ in range(5)}) == 1


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe", "unigram", "word", "char"])
def test_rows_hold_the_whole_of_one_document_between_marks(tokenizer: str) -> None:
    examples = documents(40)
    masking = fitted(examples, tokenizer=tokenizer, vocab_size=300)
    batch = all_rows(encoded(masking, examples))
    tokens, length = whole(batch), batch.inputs["tokens_length"]
    begin, end = (masking.tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))
    assert int(length.max()) <= 32
    assert (tokens[:, 0] == begin).all()
    assert (tokens[torch.arange(len(tokens)), length - 1] == end).all()
    for row, text in examples.frame.select(ROW, "text").iter_rows():
        parts = [ids[1 : n - 1] for ids, n, of in zip(tokens, length, batch.rows, strict=True) if int(of) == row]
        expected = masking.tokenizer.encode(text, add_special_tokens=False).ids
        assert torch.cat(parts).tolist() == expected
        assert max(map(len, parts)) - min(map(len, parts)) <= 1  # in equal parts


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe"])
def test_the_tokens_of_a_word_are_hidden_together(tokenizer: str) -> None:
    examples = documents()
    masking = fitted(examples, tokenizer=tokenizer, vocab_size=290 if tokenizer == "bpe" else 40, whole_word=True)
    batch = redrawn(masking, encoded(masking, examples), 2)
    text, told = whole(batch), batch.inputs["told"]
    pieces = [masking.tokenizer.id_to_token(number) or "" for number in range(masking.size)]
    goes_on = torch.tensor(
        [p.startswith("##") if tokenizer == "wordpiece" else p.isascii() and p[:1].isalpha() for p in pieces]
    )
    within = goes_on[text[:, 1:]] & masking.tellable[text[:, :-1]]
    if tokenizer == "bpe":  # a letter behind a letter goes on with its word
        letters = torch.tensor([p.lstrip("Ġ").isascii() and p[-1:].isalpha() for p in pieces])
        within &= letters[text[:, :-1]]
    assert int(within.sum()) > 500
    assert (told[:, 1:] == told[:, :-1])[within].all()


def test_pairs_that_keep_together_are_those_of_words() -> None:
    words = ["北京", "大学", "图书馆", "电脑", "今天", "学生", "喜欢", "我们"]
    rng = np.random.default_rng(0)
    alone = [chr(code) for code in range(0x4E00, 0x4E40)]
    texts = ["".join(rng.choice([*words, *alone], 40)) for _ in range(200)]
    pairs = learned_pairs(texts)
    assert {*pairs} == {a + b for word in words for a, b in pairwise(word)}
    text = "我们喜欢北京大学图书馆a电脑"
    ends = "".join("-" if on else "|" for on in goes_on(code_points(text), pair_keys(pairs)))
    assert ends == "|-|-|-|-|--||-"


def test_words_of_ideographs_are_hidden_together() -> None:
    words = ["北京", "大学", "图书馆", "电脑", "今天"]
    rng = np.random.default_rng(0)
    alone = [chr(code) for code in range(0x4E00, 0x4E40)]
    examples = texts_as_examples(["".join(rng.choice([*words, *alone], 20)) for _ in range(400)])
    masking = fitted(examples, whole_word=True, tokenizer="char")
    batch = all_rows(encoded(masking, examples))
    tokens, told = whole(batch), batch.inputs["told"]
    first, second = (masking.tokenizer.token_to_id(each) for each in "电脑")
    place = (tokens[:, :-1] == first) & (tokens[:, 1:] == second)
    assert place.sum() > 50
    assert torch.equal(told[:, :-1][place], told[:, 1:][place])
    assert 0 < told[:, 1:][place].float().mean() < 0.5


def test_a_sentence_of_ideographs_is_no_single_word() -> None:
    examples = texts_as_examples([CHINESE * (1 + i % 3) + str(i) for i in range(200)])
    for settings in ({"tokenizer": "wordpiece"}, {"tokenizer": "bpe", "vocab_size": 270}):
        masking = fitted(examples, whole_word=True, **settings)
        batch = all_rows(encoded(masking, examples))
        tellable = masking.tellable[whole(batch)].sum(1)
        hidden = batch.inputs["told"].sum(1)
        assert 0.1 < int(hidden.sum()) / int(tellable.sum()) < 0.2
        assert (hidden < tellable).all(), "a sentence is no single word"


def test_second_parts_follow_or_come_from_another_document() -> None:
    rng = np.random.default_rng(0)
    lengths = [int(length) for length in rng.integers(2, 12, 300)]
    texts = [f"{f'name{i} ' * length}. {f'name{i} ' * 9}. name{i}!" for i, length in enumerate(lengths)]
    examples = texts_as_examples(texts)
    masking = fitted(examples, tokenizer="word", next_sentence=True)
    batch = all_rows(encoded(masking, examples))
    tokens, segments = whole(batch), batch.inputs["segments"]
    separator = masking.tokenizer.token_to_id("[SEP]")
    follows = batch.targets["next"] == FOLLOWS
    assert abs(float(follows.float().mean()) - 0.5) < 4 * 0.5 / math.sqrt(len(follows))
    assert int(batch.inputs["tokens_length"].max()) <= 32
    named = torch.tensor([(masking.tokenizer.id_to_token(n) or "").startswith("name") for n in range(masking.size)])
    for row, length, kinds, true in zip(tokens, batch.inputs["tokens_length"], segments, follows, strict=True):
        first, second = (row[:length][kinds[:length] == kind] for kind in (0, 1))
        assert first[-1] == separator == second[-1]
        one, other = (set(part[named[part]].tolist()) for part in (first, second))
        assert bool(true) == (one == other)


def test_parts_meet_between_sentences_where_there_are_any() -> None:
    texts = [f"alpha {'beta ' * n}. gamma {'delta ' * (10 - n)}." for n in range(10)] * 20
    examples = texts_as_examples([f"{text} {i}" for i, text in enumerate(texts)])
    masking = fitted(examples, tokenizer="word", next_sentence=True)
    batch = all_rows(encoded(masking, examples))
    starts = batch.inputs["segments"].argmax(1)
    opening = whole(batch)[torch.arange(len(starts)), starts]
    assert set(opening.tolist()) <= {masking.tokenizer.token_to_id(word) for word in ("gamma", "[UNK]")}


def test_a_document_of_one_token_is_left_out_of_pairs_and_counted() -> None:
    examples = texts_as_examples(["fox", "the old fox. the quick fox.", "a hill. a wood."])
    tally = Tally()
    store = encoded(fitted(examples, tokenizer="word", next_sentence=True), examples, tally)
    assert len(store) == 2
    assert [note.key for note in tally.notes()] == ["masking.no_pair"]


def test_pairs_of_a_single_document_are_refused() -> None:
    with pytest.raises(DanluError, match=r"data\.documents=paragraph"):
        fitted(texts_as_examples(["the old fox. the quick fox."]), next_sentence=True)


def test_a_batch_in_which_nothing_is_hidden_has_no_loss() -> None:
    batch = Batch({}, {"tokens": torch.full((2, 5), UNKNOWN_CLASS)}, torch.arange(2))
    objective, outputs = HiddenTokens(), {"logits": torch.randn(0, 7)}
    assert objective.count(batch) == 0
    assert float(objective.loss(outputs, batch)) == 0.0


@torch.no_grad()
def test_the_loss_is_that_of_transformers_with_and_without_pairs() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
    examples = documents(40)
    masking = fitted(examples, next_sentence=True)
    theirs = transformers.BertForPreTraining(transformers.BertConfig(vocab_size=masking.size, **sizes)).eval()
    batch = all_rows(encoded(masking, examples))
    layout = models.family_named("bert").layout
    assert layout
    module, config = models.build("bert", layout.fields(theirs.config.to_dict()), masking.shapes({}))
    layout.load(module, theirs.state_dict(), config)
    inside = torch.arange(batch.inputs["tokens"].shape[1]) < batch.inputs["tokens_length"][:, None]
    expected = theirs(
        batch.inputs["tokens"],
        attention_mask=inside.long(),
        token_type_ids=batch.inputs["segments"],
        labels=batch.targets["tokens"].masked_fill(batch.targets["tokens"] == UNKNOWN_CLASS, -100),
        next_sentence_label=batch.targets["next"],
    )
    outputs = module.eval()(batch.inputs)
    loss = HiddenTokens().loss(outputs, batch) / HiddenTokens().count(batch)
    torch.testing.assert_close(loss, expected.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs["next"], expected.seq_relationship_logits, atol=1e-4, rtol=1e-4)


def test_transformers_loads_a_pretraining_model_of_danlu(tmp_path: Path) -> None:
    shapes = fitted(documents(), next_sentence=True).shapes({})
    module, config = models.build("bert", {"width": 16, "depth": 2, "heads": 2, "max_length": 32}, shapes)
    layout = models.family_named("bert").layout
    assert layout
    files.write(tmp_path, layout.config(config, shapes), layout.tensors(module, config))
    theirs, told = transformers.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values()), told
    tokens = torch.randint(5, shapes.tokens, (2, 9))
    with torch.inference_mode():
        ours = module.eval()({"tokens": tokens, "tokens_length": torch.tensor([9, 9])})
        found = theirs.eval()(tokens)
    torch.testing.assert_close(ours["logits"], found.prediction_logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours["next"], found.seq_relationship_logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["roberta", "distilbert"])
def test_pairs_need_a_model_that_tells_segments_apart(family: str) -> None:
    shapes = fitted(documents(), next_sentence=True).shapes({})
    with pytest.raises(DanluError, match=r"model\.family=bert"):
        models.build(family, {"max_length": 32}, shapes)


def test_metrics_are_those_of_the_full_scores() -> None:
    examples = documents(60)
    masking = fitted(examples, next_sentence=True)
    module, _ = models.build("bert", {"width": 16, "max_length": 32}, masking.shapes({}))
    codec = Codec(targets={}, inputs={"text": "text"}, reading=masking)
    outcome = Filled(Asking(codec, module, examples)).evidence().outcome
    batch = all_rows(encoded(masking, examples))
    inputs = {name: value for name, value in batch.inputs.items() if not name.startswith("told")}
    with torch.inference_mode():
        outputs = module.eval()(inputs)
    wanted = batch.targets["tokens"]
    hidden = wanted != UNKNOWN_CLASS
    scores, true = outputs["logits"][hidden], wanted[hidden]
    nats, right, among, pairs_right = outcome.prediction.sum(0)
    assert outcome.truth.sum(0).tolist() == [int(hidden.sum()), len(wanted)]
    assert nats == pytest.approx(float(torch.nn.functional.cross_entropy(scores, true, reduction="sum")), rel=1e-5)
    assert right == int((scores.argmax(1) == true).sum())
    assert among == int((scores.topk(5).indices == true[:, None]).any(1).sum())
    assert pairs_right == int((outputs["next"].argmax(1) == batch.targets["next"]).sum())
    assert len(outcome) == 60  # documents are resampled whole


def test_neighbours_are_counted_as_by_hand() -> None:
    """Tokens 0, 1, 2: 1 stands twice between 0 and 2, once 0 between 0 and 2."""
    learned = np.array([0, 1, 2, 0, 1, 2, 0, 0, 2])
    asked = Hidden(np.array([1, 2]), np.array([0, -1]), np.array([2, -1]))
    nats, rank = costs_by_neighbours(learned, np.ones(3, bool), asked, NEIGHBOURS)
    known = Counter(learned[1:-1].tolist())
    chance = {token: (known[token] + 1) / 10 for token in range(3)}
    for counts in ({1: 2, 0: 1}, {1: 2, 0: 1, 2: 0}, {1: 2, 0: 1}):  # before 2 · behind 0 · between both
        counts = {token: n for token, n in counts.items() if n}
        weight = sum(counts.values()) + len(counts)
        chance = {token: (counts.get(token, 0) + len(counts) * lower) / weight for token, lower in chance.items()}
    assert nats[0] == pytest.approx(-math.log(chance[1]))
    assert rank[0] == 0
    assert nats[1] == pytest.approx(-math.log((known[2] + 1) / 10))  # where nothing is known, how common it is


def test_any_way_to_write_a_mask_asks_for_a_token() -> None:
    masking = fitted(documents())
    texts = [f"the {MASKS[0]} fox", f"a {MASKS[1]} and {MASKS[0]}", "[CLS] the [MASK]", "the old fox " * 60 + "[MASK]"]
    store = masking.questions(texts)
    batch = all_rows(store)
    assert store.rows.tolist() == [0, 1, 1, 2, 3]
    assert (batch.inputs["tokens"][batch.inputs["told"]] == masking.mask).all()
    assert batch.inputs["told"].sum(1).tolist() == [1] * 5
    assert int(batch.inputs["tokens_length"].max()) == 32
    lone = masking.tokenizer.encode("the", add_special_tokens=False).ids
    assert batch.inputs["tokens"][0].tolist()[1 : 1 + len(lone)] == lone
