"""Question answering: however questions are written, answers come out letter by letter as in their context."""

import json
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import danlu
from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.data.passages import BEGINS, ENDS, KINDS, LEVELS, NEAR, WEIGHTS, fit_passages, likeness, starts
from danlu.data.question_rows import ANSWERS, kept_together
from danlu.data.read import examples_of, read
from danlu.data.tally import Tally
from danlu.data.targets import UNKNOWN_CLASS, Target
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.evaluation.answers import Asking
from danlu.evaluation.question_answering import Asked
from danlu.flow.material import gathered
from danlu.recipe import DataConfig, Recipe, TextConfig
from danlu.tasks.question_answering import AnswerEnds, best_pairs

CONTEXT = "The Panthers gave up 308 points in Denver. Denver won."
SMALL = {"family": "bert", "width": 32, "depth": 2, "heads": 2}
QUICK = {"model": SMALL, "evaluate__bootstrap": 20, "quiet": True}
NAMES, TOWNS = ["Ann", "Bob", "Dan", "Eve", "Fay"], ["Rome", "Oslo", "Paris", "Bern", "Kiev"]


def question(text="308", start=21, asked="How many points?", context=CONTEXT, **more):
    return {"question": asked, "context": context, "answers": [{"text": text, "answer_start": start}], **more}


def asked(rows, **config) -> Examples:
    return examples_of(rows, DataConfig(**config), task="question-answering")


def answers(examples: Examples) -> list:
    return [row and [tuple(each.values()) for each in row] for row in examples.frame[ANSWERS].to_list()]


def living(count: int, seed: int = 0, unanswerable: bool = False) -> list[dict]:
    """Questions whose answer is the town in the context; with `unanswerable` every third context has none."""
    rng, rows = random.Random(seed), []
    for number in range(count):
        who, town = rng.choice(NAMES), rng.choice(TOWNS)
        empty = unanswerable and number % 3 == 0
        context = (
            f"{' '.join(rng.choices(NAMES, k=rng.randint(1, 6)))} lives {'alone' if empty else f'in {town}'} . {number}"
        )
        told = [] if empty else [{"text": town, "answer_start": context.index(town)}]
        rows.append({"question": f"Where is {who} ?", "context": context, "answers": told})
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return danlu.train(
        living(160),
        out=tmp_path_factory.mktemp("qa") / "run",
        train__epochs=8,
        train__learning_rate=0.01,
        train__batch_size=16,
        **QUICK,
    )


# rows ---------------------------------------------------------------------------------------------------------------


def as_squad(version="1.1", **qa):
    asked = {"id": "q1", "question": "How many points?", "answers": [{"text": "308", "answer_start": 21}], **qa}
    other = {"id": "q2", "question": "Who won?", "answers": [{"text": "Denver", "answer_start": 43}]}
    return {"version": version, "data": [{"title": "A", "paragraphs": [{"context": CONTEXT, "qas": [asked, other]}]}]}


def test_squad_files_are_known_by_their_content(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(as_squad()))
    examples = read(DataConfig(files=(str(tmp_path / "a.json"),)))
    assert answers(examples) == [[("308", 21)], [("Denver", 43)]]
    assert {name: column.kind for name, column in examples.columns.items()} == {
        "question": "text", "context": "text", "answers": "answers", "id": "ignore", "title": "ignore",
    }  # fmt: skip


def test_every_way_of_writing_answers_gives_the_same(tmp_path):
    place = [{"text": "308", "answer_start": 21}]
    lists = {"text": ["308"], "answer_start": [21]}
    row = {"question": "How many points?", "context": CONTEXT}
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({**row, "answers": lists}) for _ in range(2)))
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps({**row, "answers": place}) for _ in range(2)))
    for name in ("a", "b"):
        assert answers(read(DataConfig(files=(str(tmp_path / f"{name}.jsonl"),)))) == [[("308", 21)]] * 2
    for cell in (json.dumps(lists), json.dumps(place), "308"):
        assert answers(asked([{**row, "answers": cell}])) == [[("308", 21)]]
    assert answers(asked([{"frage": "a", "text": CONTEXT, "antwort": "308"}], target=("antwort",),
                         columns={"frage": "text", "text": "text"})) == [[("308", 21)]]  # fmt: skip


def test_questions_without_an_answer_are_told_from_those_of_which_none_is_known(tmp_path):
    content = as_squad("v2.0", is_impossible=True, answers=[], plausible_answers=[{"text": "x", "answer_start": 0}])
    del content["data"][0]["paragraphs"][0]["qas"][1]["answers"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    examples = read(DataConfig(files=(str(tmp_path / "a.json"),)))
    assert answers(examples) == [[], None]
    assert examples.columns[ANSWERS].reason.fields["unanswerable"] == 1


def test_misaligned_answers_are_moved_to_where_their_text_is_and_named():
    rows = [question("Denver", 44), question("Denver", 30), question("Seattle", 3), question("Denver", -1), question()]
    examples = asked(rows)
    assert answers(examples) == [
        [("Denver", 43)],
        [("Denver", 35)],
        [("Seattle", None)],
        [("Denver", 35)],
        [("308", 21)],
    ]
    reason = examples.columns[ANSWERS].reason.fields
    assert (reason["moved"].fields["count"], reason["moved"].fields["places"]) == (3, "row 1, row 2, row 4")
    assert (reason["lost"].fields["count"], reason["lost"].fields["places"]) == (1, "row 3")
    assert "row 3" in str(examples.columns[ANSWERS].reason)


@pytest.mark.parametrize(
    ("rows", "config", "key"),
    [
        ([{"context": "a", "answers": "a"}], {}, "qa.no_question"),
        ([{"question": "a", "answers": "a"}], {}, "qa.no_context"),
        ([{"question": "a", "context": "a"}], {}, "qa.no_answers"),
        ([question()], {"target": ("answers", "question")}, "qa.one_target"),
        ([question()], {"target": ("answer",)}, "data.no_such_column"),
        ([question(n=1)], {"columns": {"n": "number"}}, "qa.other_kind"),
        ([question(asked=" ")], {}, "data.too_many_bad_rows"),
        ([{**question(), "answers": '[{"text": 3}]'}], {}, "data.too_many_bad_rows"),
    ],
)
def test_what_is_no_table_of_questions_is_refused(rows, config, key):
    with pytest.raises(DanluError) as refused:
        asked(rows, **config)
    assert refused.value.key == key


def test_without_a_column_of_questions_the_error_says_what_to_do():
    with pytest.raises(DanluError, match=r"needs a column of questions.*among: context, answers.*data\.columns"):
        asked([{"context": "a", "answers": "a"}])


def test_the_articles_alone_are_squad_too(tmp_path):
    (tmp_path / "whole.json").write_text(json.dumps(as_squad()))
    (tmp_path / "articles.json").write_text(json.dumps(as_squad()["data"]))
    whole, articles = (danlu.read(str(tmp_path / name)) for name in ("whole.json", "articles.json"))
    assert articles.frame.equals(whole.frame)


def test_a_broken_squad_file_is_named(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": "a", "qas": "?"}]}]}))
    with pytest.raises(DanluError, match=r"a\.json.*\"qas\""):
        read(DataConfig(files=(str(tmp_path / "a.json"),)))


def test_all_questions_of_a_context_stand_on_one_side():
    rows = [question("a", 0, f"question {n}?", f"a context {n // 4}") for n in range(80)]
    examples = asked(rows)
    assert kept_together(DataConfig(split={"by": "id"}), examples.columns).split.by == "id"
    events = gathered(Recipe.of({"task": "question-answering"}), examples)
    while True:
        try:
            next(events)
        except StopIteration as end:
            material = end.value
            break
    sides = [set(part.frame["context"]) for part in (material.train, material.validation, material.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 20


# windows ------------------------------------------------------------------------------------------------------------


def codec_of(examples: Examples, checkpoint: Checkpoint | None = None, **text) -> Codec:
    passages, _ = fit_passages(examples, TextConfig(**text), checkpoint)
    return Codec({ANSWERS: Target(ANSWERS, "answers")}, {"question": "text", "context": "text"}, reading=passages)


def told_by_windows(codec: Codec, examples: Examples) -> list[set[str]]:
    """Of each row, the texts that its windows' targets stand for; without those that say none."""
    store = codec.encode(examples)
    found: list[set[str]] = [set() for _ in range(len(examples))]
    for window in range(len(store)):
        row = int(store.rows[window])
        first, last = store.targets[ANSWERS][window].tolist()
        if first > 0:
            begins, ends = (store.batch(torch.tensor([window])).targets[name][0] for name in (BEGINS, ENDS))
            found[row].add(examples.frame["context"][row][begins[first] : ends[last]])
    return found


WORDS = ["cat", "Über", "e\u0301t\u00e9", "北京", "大学", "🙂", "👩‍👩‍👧", "שלום", "ﬁn", "x_1", "don't", "3.5%", "ไทย"]


@st.composite
def passage(draw):
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))
    gaps = [draw(st.sampled_from([" ", "\n", "  ", "\t", "\u3000"])) for _ in words]
    first = draw(st.integers(0, len(words) - 1))
    last = draw(st.integers(first, min(first + 3, len(words) - 1)))
    before = "".join(word + gap for word, gap in zip(words[:first], gaps[:first], strict=True))
    answer = "".join(word + gap for word, gap in zip(words[first : last + 1], gaps[first : last + 1], strict=True))
    context = "".join(word + gap for word, gap in zip(words, gaps, strict=True))
    return question(answer.rstrip(), len(before), "Where is the cat, 北京?", context)


@pytest.mark.parametrize("tokenizer", ["word", "char", "bpe", "wordpiece"])
@given(row=passage())
@settings(max_examples=25, deadline=None)
def test_every_answer_that_fits_is_recovered_letter_by_letter_from_its_window(tokenizer, row):
    examples = asked([row])
    told = told_by_windows(codec_of(examples, tokenizer=tokenizer, vocab_size=600, max_length=96, stride=32), examples)
    (answer,) = row["answers"]
    assert told == [{answer["text"]}]


@given(st.integers(0, 300), st.integers(2, 60), st.data())
def test_windows_cover_a_text_and_share_what_is_asked(tokens, room, data):
    stride = data.draw(st.integers(0, room - 1))
    first = list(starts(tokens, room, stride))
    covered = [token for start in first for token in range(start, min(start + room, tokens))]
    assert set(covered) == set(range(tokens))
    assert all(later - start == room - stride for start, later in pairwise(first))
    assert len(first) == 1 or first[-2] + room < tokens, "the last window tells something new"


def test_windows_without_the_answer_say_so_and_rows_without_a_known_one_have_no_loss():
    long = " ".join(f"word{n % 50}" for n in range(200))
    rows = [
        question("Oslo", 0, context=f"Oslo {long}"),
        {**question(context=long), "answers": []},
        question("lost", 3, context=long),
    ]
    codec, tally = codec_of(asked(rows), max_length=64, tokenizer="word"), Tally()
    store = codec.encode(asked(rows), tally=tally)
    assert int(store.lengths.max()) <= 64
    by_row = [store.targets[ANSWERS][store.rows == row].tolist() for row in range(3)]
    assert by_row[0][0][0] > 0
    assert by_row[0][1:] == [[0, 0]] * (len(by_row[0]) - 1)
    assert all(each == [0, 0] for each in by_row[1])
    assert all(each == [UNKNOWN_CLASS] * 2 for each in by_row[2])
    assert {note.key: note.fields["count"] for note in tally.notes()} == {"qa.windows": 3, "qa.untold": 1}


def test_a_question_takes_a_third_of_a_window_at_most_and_is_counted():
    rows = [question(asked="why " * 100)]
    codec, tally = codec_of(asked(rows), max_length=48, tokenizer="word"), Tally()
    store = codec.encode(asked(rows), tally=tally)
    assert int(store.lengths.max()) <= 48
    assert [note.key for note in tally.notes()] == ["qa.question_cut"]
    assert told_by_windows(codec, asked(rows)) == [{"308"}]


def test_places_like_the_question_are_told_by_their_segments():
    question, context = np.array([5, 6, 7, 1]), np.array([9, 6, 7, 1, 5, 9, 6])
    kinds = likeness(question, context)
    assert ((kinds - 1) % len(WEIGHTS)).tolist() == [0, 2, 2, 0, 1, 0, 1], "unknown tokens are like none"
    assert ((kinds - 1) // len(WEIGHTS)).tolist() == [LEVELS] * 7
    far = np.concatenate([context, np.full(3 * NEAR, 9), [5]])
    level = (likeness(question, far) - 1) // len(WEIGHTS)
    assert (level[:7] == LEVELS).all()
    assert level[-1] == 1
    assert level[7 + 2 * NEAR - 2] == 0
    assert likeness(question, context[:1]).tolist() == likeness(question[:0], context[:1]).tolist() == [1]
    assert len(likeness(question, context[:0])) == 0


@pytest.mark.parametrize("given", ["bert", "roberta"])
def test_a_checkpoint_reads_a_pair_as_transformers_does(tmp_path, given):
    rows = living(20)
    if given == "bert":
        words = sorted({word for row in rows for word in f"{row['question']} {row['context']}".split()})
        (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
        theirs = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"), do_lower_case=False)
    else:
        from tokenizers import ByteLevelBPETokenizer

        trained = ByteLevelBPETokenizer()
        marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        trained.train_from_iterator([row["context"] for row in rows], 400, special_tokens=marks, show_progress=False)
        trained.save_model(str(tmp_path))
        theirs = transformers.RobertaTokenizerFast.from_pretrained(tmp_path)
    checkpoint = Checkpoint(theirs.backend_tokenizer.to_str(), 512, len(theirs))
    examples = asked(rows)
    codec = codec_of(examples, checkpoint)
    batch = codec.encode(examples).batch(torch.arange(5))
    expected = theirs(
        [r["question"] for r in rows[:5]], [r["context"] for r in rows[:5]], return_tensors="pt", padding=True
    )
    real = expected["attention_mask"].bool()
    assert (batch.inputs["tokens"][real] == expected["input_ids"][real]).all()
    if given == "bert":
        assert (batch.inputs["segments"][real] == expected["token_type_ids"][real]).all()
    else:
        assert "segments" not in batch.inputs
    assert told_by_windows(codec, examples) == [{row["answers"][0]["text"]} for row in rows]


# loss and answers ---------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_cross_entropy_of_both_ends_over_the_context_and_the_first_position():
    rows = [question(), {**question(), "answers": []}, question("lost", 0)]
    batch = codec_of(asked(rows), tokenizer="word").encode(asked(rows)).batch(torch.arange(3))
    logits = torch.randn(*batch.inputs["tokens"].shape, 2, generator=torch.Generator().manual_seed(0))
    objective, expected, count = AnswerEnds(ANSWERS), 0.0, 0
    for row in range(3):
        open_to = [0, *np.flatnonzero(batch.targets[BEGINS][row].numpy() >= 0).tolist()]
        wanted = batch.targets[ANSWERS][row].tolist()
        if wanted[0] != UNKNOWN_CLASS:
            count += 1
            expected += sum(
                -logits[row, open_to, end].log_softmax(0)[open_to.index(wanted[end])].item() / 2 for end in (0, 1)
            )
    assert objective.count(batch) == count == 2
    assert objective.loss({"answer": logits}, batch).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 1000))
def test_the_best_pair_is_the_best_of_all_pairs(steps, longest, seed):
    scores = torch.randn(3, steps, 2, generator=torch.Generator().manual_seed(seed))
    best, first, last = best_pairs(scores, longest)
    for row in range(3):
        pairs = {
            (i, j): float(scores[row, i, 0] + scores[row, j, 1])
            for i in range(steps)
            for j in range(i, min(i + longest, steps))
        }
        assert (int(first[row]), int(last[row])) == max(pairs, key=pairs.get)
        assert float(best[row]) == pytest.approx(max(pairs.values()))


def test_padding_and_neighbours_change_no_loss(run):
    model = danlu.load(run)
    store = model.codec.encode(asked(living(6)))
    objective, together = AnswerEnds(ANSWERS), store.batch(torch.arange(6))
    with torch.no_grad():
        whole = objective.loss(model.module(together.inputs), together)
        alone = [store.batch(torch.tensor([n])) for n in range(6)]
        parts = [objective.loss(model.module(batch.inputs), batch) for batch in alone]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-5)


# from files to answers ----------------------------------------------------------------------------------------------


def test_a_model_from_scratch_learns_where_the_answer_stands(run):
    target = run.report["targets"][0]
    assert (target["kind"], target["headline"]) == ("answers", "f1")
    assert target["metrics"]["f1"] > 0.9 > 0.5 > target["baselines"][0]["metrics"]["f1"]
    assert set(target["metrics"]) == {"exact_match", "f1"}
    assert "questions the model never saw" in target["verdict"][0]["text"]


def test_one_question_is_answered_with_the_place_in_its_context(run):
    model, context = danlu.load(run), "Ann Bob lives in Oslo . 7"
    (row,) = model.predict({"question": "Where is Bob ?", "context": context}).to_dicts()
    assert row["prediction"] == "Oslo" == context[row["start"] : row["end"]]
    assert 0 < row["score"] <= 1
    assert row["question"] == "Where is Bob ?"


def test_a_long_context_is_read_to_its_end(run):
    model = danlu.load(run)
    context = "Ann Bob Dan Eve " * 60 + "lives in Kiev . 7"
    tally = Tally()
    (row,) = model.predict([{"question": "Where is Bob ?", "context": context}], tally).to_dicts()
    assert row["prediction"] == "Kiev"
    assert [note.key for note in tally.notes()] == ["qa.windows"]


def test_the_measured_scores_are_those_of_the_answers(run):
    model, rows = danlu.load(run), living(30, 5)
    said = model.predict([{k: row[k] for k in ("question", "context")} for row in rows])["prediction"].to_list()
    right = [a == row["answers"][0]["text"] for a, row in zip(said, rows, strict=True)]
    metrics = model.evaluate(rows)["targets"][0]["metrics"]
    assert metrics["exact_match"] == pytest.approx(np.mean(right))
    assert metrics["f1"] == pytest.approx(np.mean(right))  # answers of one word


def test_answers_are_shown_with_a_piece_of_their_context_where_they_are_wrong(run):
    wrong = question("Ann", 0, "Where is Bob ?", "Ann lives in Oslo . 3")
    (mistake,) = danlu.load(run).evaluate([wrong])["targets"][0]["mistakes"]
    assert (mistake["truth"], mistake["answer"]) == ("Ann", "Oslo")
    assert [cell["text"] for cell in mistake["inputs"]] == ["Where is Bob ?", "Ann lives in Oslo . 3"]


def test_what_was_trained_loads_in_transformers_and_scores_the_same(run):
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(run.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model)
    model, row = danlu.load(run), living(1, 9)[0]
    batch = model.codec.encode(asked([row]), with_targets=False).batch(torch.tensor([0]))
    given = tokenizer(row["question"], row["context"], return_tensors="pt")
    assert batch.inputs["tokens"].tolist() == given["input_ids"].tolist()
    assert int(batch.inputs["segments"].max()) < KINDS == theirs.config.type_vocab_size
    with torch.no_grad():
        expected = theirs(given["input_ids"], token_type_ids=batch.inputs["segments"])
        found = model.module(batch.inputs)["answer"]
    torch.testing.assert_close(found[..., 0], expected.start_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[..., 1], expected.end_logits, atol=1e-4, rtol=1e-4)


def test_no_answer_is_given_where_training_had_none(tmp_path):
    run = danlu.train(
        living(200, unanswerable=True),
        out=tmp_path / "run",
        train__epochs=8,
        train__learning_rate=0.01,
        train__batch_size=16,
        **QUICK,
    )
    metrics = run.report["targets"][0]["metrics"]
    assert metrics["no_answer_accuracy"] > 0.8
    assert metrics["f1_answerable"] > 0.8
    model = danlu.load(run)
    assert model.codec.reading.threshold is not None
    (row,) = model.predict({"question": "Where is Bob ?", "context": "Ann Bob lives alone . 7"}).to_dicts()
    assert (row["prediction"], row["start"], row["end"]) == ("", None, None)


def test_a_higher_threshold_gives_fewer_answers(run):
    from dataclasses import replace

    model = danlu.load(run)
    given = []
    for threshold in (None, -1e9, 1e9):
        codec = replace(model.codec, reading=replace(model.codec.reading, threshold=threshold))
        given.append(int(Asked(Asking(codec, model.module, asked(living(10)))).answered.sum()))
    assert given == [10, 10, 0]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"data__text__over_long": "cut"}, "qa.over_long"),
        ({"data__text__max_length": 8}, "qa.too_short"),
        ({"data__text__max_length": 48, "data__text__stride": 40}, "qa.stride"),
        ({"train__loss": "mse"}, "train.loss_misfit"),
        ({"train__label_smoothing": 0.1}, "train.only_classes"),
        ({"train__class_weights": "balanced"}, "train.only_classes"),
        ({"model": "linear"}, "models.cannot_read"),
        ({"model": {**SMALL, "segments": 2}}, "models.few_segments"),
    ],
)
def test_settings_without_a_use_are_refused(tmp_path, changed, key):
    with pytest.raises(DanluError) as refused:
        danlu.train(living(40), out=tmp_path / "run", **(QUICK | changed))
    assert refused.value.key == key


def test_settings_of_this_task_are_refused_for_others(tmp_path):
    rows = [{"text": f"good {n}", "label": "ab"[n % 2]} for n in range(40)]
    with pytest.raises(DanluError) as refused:
        danlu.train(rows, out=tmp_path / "run", quiet=True, data__text__stride=3)
    assert refused.value.key == "qa.only_here"


def test_rows_without_any_answer_in_their_context_are_refused(tmp_path):
    rows = [question("nowhere", 0, f"question {n}?") for n in range(40)]
    with pytest.raises(DanluError) as refused:
        danlu.train(rows, task="question-answering", out=tmp_path / "run", data__split__by="question", **QUICK)
    assert refused.value.key == "qa.none_known"
