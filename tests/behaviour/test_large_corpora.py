"""Corpora too large for memory: what lies on the disk gives the same as what lies in memory, once, and is bounded."""

import errno
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, trainers

import danlu
from danlu import cache
from danlu.data import corpus, kept, large, token_file
from danlu.data.corpus import END, Documents, fit_documents
from danlu.data.cuts import cut_before, last_words, pieces_of
from danlu.data.documents import STRETCHES, cut_in_parts, drawn, with_documents
from danlu.data.formats import lines
from danlu.data.formats.table import Ask, Source
from danlu.data.large import kept_documents
from danlu.data.read import examples_of, read
from danlu.data.split import split, without_overlap
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.evaluation.language import last_bytes
from danlu.recipe import DataConfig, SplitConfig, TextConfig

TINY = {"family": "llama", "width": 16, "depth": 1, "heads": 2}
QUICK = {
    "train__steps": 6, "train__batch_size": 4, "train__early_stopping": False, "data__text__max_length": 32,
    "evaluate__bootstrap": 20, "quiet": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "danlu"


@pytest.fixture
def everything_is_large(monkeypatch) -> None:
    """Every corpus is kept on the disk, and read in small stretches."""
    for module in (large, corpus):
        monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(kept, "STRETCH", 700)
    monkeypatch.setattr(kept, "PIECE", 90)


def story(length: int, seed: int = 0) -> str:
    """Words, numbers, code, Chinese and strange spaces."""
    rng = random.Random(seed)
    words = ["the", "fox's", "went", "42", "home.", "x += f(y)", "春眠不觉晓，", "処", "Ünsäglich", "don't", "🦊"]
    spaces = [" ", " ", " ", "  ", "\n", "\n\n", "\t", "\n    ", " \n", ""]
    return "".join(rng.choice(words) + rng.choice(spaces) for _ in range(length))


def corpus_file(folder: Path, length: int = 1500) -> Path:
    path = folder / "story.txt"
    path.write_text(story(length), encoding="utf-8")
    return path


def read_large(path: Path, **settings) -> tuple:
    """The same files as references and in memory."""
    config, _ = with_documents(DataConfig(files=(str(path),), **settings), "text-generation")
    return kept_documents(config), read(config)


# pieces -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab \n春é1.", max_size=300), st.integers(1, 40))
def test_pieces_are_the_text(text, most):
    pieces = list(pieces_of(text, most))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= most
    for piece in pieces[:-1]:
        assert piece.endswith(last_words(piece))


def test_a_text_is_cut_between_words_or_else_between_lines():
    assert cut_before("one two three", 9) == 7
    assert cut_before("春眠\n不觉晓", 5) == 3
    assert cut_before("春眠不觉晓", 4) == 4


@pytest.mark.parametrize("kind", ["char", "word", "bpe", "wordpiece", "unigram"])
def test_tokens_of_pieces_are_those_of_the_whole(kind, monkeypatch):
    text = story(2000)
    documents = fit_documents(pl.DataFrame({"text": [text]}), "text", None, TextConfig(tokenizer=kind))[0]
    whole = documents.tokenizer.encode(text).ids
    monkeypatch.setattr(kept, "STRETCH", 3000)
    monkeypatch.setattr(kept, "PIECE", 500)
    encoded = documents.tokens(pl.DataFrame({"text": ["a", text, "b", ""]}))
    assert encoded.tokens[encoded.offsets[1] : encoded.offsets[2]].tolist() == [*whole, END]
    assert encoded.offsets.diff()[-1] == 1
    assert encoded.bytes.tolist() == [1, len(text.encode()), 1, 0]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "char", "word"])
def test_a_tokenizer_learns_the_same_from_pieces(kind, monkeypatch):
    frame = pl.DataFrame({"text": [story(2000), story(50, 1)]})
    whole = fit_documents(frame, "text", None, TextConfig(tokenizer=kind))[0]
    monkeypatch.setattr(kept, "PIECE", 500)
    assert fit_documents(frame, "text", None, TextConfig(tokenizer=kind))[0].tokenizer_json == whole.tokenizer_json


def test_a_checkpoints_mark_of_a_beginning_stands_at_no_piece(monkeypatch):
    text = story(1500)
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Replace("▁", " ")
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["</s>"], show_progress=False, max_token_length=6)
    tokenizer.train_from_iterator(story(300, 5).split(), trainer)
    checkpoint = Checkpoint(tokenizer.to_str(), 64, tokenizer.get_vocab_size())
    documents = fit_documents(pl.DataFrame({"text": [text]}), "text", None, TextConfig(), checkpoint)[0]
    monkeypatch.setattr(kept, "PIECE", 500)
    encoded = documents.tokens(pl.DataFrame({"text": [text]}))
    assert encoded.tokens.tolist()[:-1] == documents.tokenizer.encode(text, add_special_tokens=False).ids


# kept texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["file", "paragraph", "line"])
def test_what_is_kept_is_what_would_be_read(tmp_path, everything_is_large, unit, monkeypatch):
    monkeypatch.setattr(Ask, "block", 300)
    path = corpus_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n  \r\n\xef\xbf\xbe end\r")
    references, texts = read_large(path, documents=unit)
    column, truth = references.frame["text"], texts.frame["text"]
    assert kept.texts_at(column) == truth.to_list()
    for same in (kept.byte_sizes, kept.character_counts):
        assert same(column).tolist() == same(truth).tolist()
    assert references.frame["_row"].to_list() == texts.frame["_row"].to_list()
    assert references.columns["text"] == texts.columns["text"]
    assert [vars(file) for file in references.origin.files] == [vars(file) for file in texts.origin.files]
    assert last_bytes(column) == last_bytes(truth) == "\n".join(truth).encode()
    assert last_bytes(column, 40) == "\n".join(truth).encode()[-40:]
    assert kept.part_of(column, 0, 3, 20) == truth[0][3:20]


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab\r\n\t x", max_size=60), st.integers(1, 9), st.sampled_from(["file", "paragraph"]))
def test_documents_read_in_blocks_are_those_of_the_whole_file(tmp_path_factory, text, block, unit):
    path = tmp_path_factory.mktemp("blocks") / "a.txt"
    path.write_bytes(b"x" + text.encode())
    source = Source(str(path), "lines", path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("danlu.data.formats.encoding.SAMPLE", block)
        pieces = list(lines.tables(source, Ask(documents=unit, in_pieces=True, block=block)))
    whole = [text for table in lines.tables(source, Ask(documents=unit)) for text in table.frame["text"]]
    found = [text for table in pieces for text in table.frame["text"]]
    assert (["".join(found)] if unit == "file" else found) == whole
    assert sum(table.rows for table in pieces) == len(whole)


def test_rows_of_a_table_are_kept_with_the_columns_that_divide_them(tmp_path, everything_is_large):
    rows = [{"title": f"t{i}", "text": story(30, i), "author": f"a{i % 7}"} for i in range(60)]
    rows[5]["text"] = rows[6]["text"]
    rows[8]["text"], rows[9]["text"] = "  ", None
    pl.DataFrame(rows).write_ndjson(tmp_path / "rows.jsonl")
    config = DataConfig(files=(str(tmp_path / "rows.jsonl"),), split=SplitConfig(by="author"))
    examples = kept_documents(config)
    assert list(examples.columns) == ["text", "author"]
    assert kept.texts_at(examples.frame["text"]) == [r["text"] for r in rows if (r["text"] or "").strip()]
    parts = split(examples, [], config.split, 0, None)
    authors = [set(examples.frame["author"][side]) for side in (parts.train, parts.validation, parts.test)]
    assert not authors[0] & authors[1]
    assert not authors[0] & authors[2]
    train = examples.take(parts.train)
    assert without_overlap(train, examples.take(parts.train[:3]), [])[0].frame.height <= len(train) - 3


def test_few_long_documents_are_cut_where_texts_in_memory_are(tmp_path, everything_is_large):
    references, texts = read_large(corpus_file(tmp_path))
    ours, split_of_ours = cut_in_parts(references, SplitConfig())
    theirs, split_of_theirs = cut_in_parts(texts, SplitConfig())
    assert kept.texts_at(ours.frame["text"]) == theirs.frame["text"].to_list()
    assert split_of_ours.train.tolist() == split_of_theirs.train.tolist()
    again = cut_in_parts(references, SplitConfig())[0].frame["text"]
    assert kept.contents(again).to_list() == kept.contents(ours.frame["text"]).to_list()


def test_where_documents_are_cut_is_found_once_and_holds_wherever_the_text_lies(
    tmp_path, everything_is_large, monkeypatch
):
    path = corpus_file(tmp_path)
    first, _ = read_large(path)
    parts = kept.texts_at(cut_in_parts(first, SplitConfig())[0].frame["text"])
    (tmp_path / "before.txt").write_text("春 Something that stands before it.\n", encoding="utf-8")
    config, _ = with_documents(DataConfig(files=(str(tmp_path / "before.txt"), str(path))), "text-generation")
    both = kept_documents(config)
    behind = both.take([1])
    assert kept.where_of(behind.frame["text"])["start"][0] > 0
    monkeypatch.setattr("danlu.data.documents.cut_apart", None)
    cut, sides = cut_in_parts(behind, SplitConfig())
    assert kept.texts_at(cut.frame["text"]) == parts
    assert cut.frame["_row"].to_list() == [1, 1, 1]
    assert [side.tolist() for side in (sides.train, sides.validation, sides.test)] == [[0], [1], [2]]


def test_a_document_with_broken_characters_is_left_out_whole_and_named(tmp_path, everything_is_large, monkeypatch):
    monkeypatch.setattr(Ask, "block", 300)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(story(400, ord(name)), encoding="utf-8")
    raw = (tmp_path / "b.txt").read_bytes()
    (tmp_path / "b.txt").write_bytes(raw[: len(raw) // 2] + b"\xff\xfe\xfd" + raw[len(raw) // 2 :])
    config = DataConfig(files=tuple(str(tmp_path / f"{n}.txt") for n in "abc"), max_bad_rows=0.5)
    config, _ = with_documents(config, "text-generation")
    examples = kept_documents(config)
    assert examples.frame["_row"].to_list() == [0, 2]
    assert examples.origin.place(examples.origin.bad_rows[0].row).startswith(str(tmp_path / "b.txt"))
    with pytest.raises(DanluError):
        kept_documents(config.model_copy(update={"max_bad_rows": 0.1}))


# tokens on the disk -------------------------------------------------------------------------------------------------


def bpe(text: str) -> Documents:
    return fit_documents(pl.DataFrame({"text": [text]}), "text", None, TextConfig(tokenizer="bpe", vocab_size=300))[0]


def test_mapped_tokens_are_those_in_memory_and_are_made_once(tmp_path, monkeypatch, everything_is_large):
    references, texts = read_large(corpus_file(tmp_path), documents="paragraph")
    documents = bpe(story(200))
    mapped = documents.tokens(references.frame)
    monkeypatch.setattr(corpus, "LARGE", 1 << 40)
    here = documents.tokens(texts.frame)
    assert mapped.tokens.tolist() == here.tokens.tolist()
    assert mapped.offsets.tolist() == here.offsets.tolist()
    assert mapped.bytes.tolist() == here.bytes.tolist()
    monkeypatch.setattr(corpus, "LARGE", 1)
    monkeypatch.setattr(Documents, "_stretches", None)
    assert documents.tokens(references.frame).tokens.tolist() == here.tokens.tolist()


@pytest.mark.parametrize("unit", ["file", "paragraph"])
def test_tokens_of_a_killed_writing_are_not_made_again(tmp_path, monkeypatch, everything_is_large, unit):
    monkeypatch.setattr(token_file, "EVERY", 3)
    references, _ = read_large(corpus_file(tmp_path), documents=unit)
    documents, seen = bpe(story(200)), []
    encode = Documents._ids

    def counting(self, texts, before):
        if len(seen) == 8:
            raise KeyboardInterrupt
        seen.append(texts)
        return encode(self, texts, before)

    monkeypatch.setattr(Documents, "_ids", counting)
    with pytest.raises(KeyboardInterrupt):
        documents.tokens(references.frame)
    done = len(seen)
    seen.append("past the kill")
    resumed = documents.tokens(references.frame).tokens.tolist()
    redone = len(seen) - 1 - done
    total = len(list(kept.in_pieces(references.frame["text"])))
    assert redone == total - 6
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert documents.tokens(references.frame).tokens.tolist() == resumed


def test_a_large_corpus_teaches_its_tokenizer_by_a_sample_of_everywhere(tmp_path, everything_is_large, monkeypatch):
    monkeypatch.setattr(corpus, "LEARNED", 2000)
    references, texts = read_large(corpus_file(tmp_path))
    some, whole = kept.sample(references.frame["text"], 2000, seed=0), texts.frame["text"][0]
    assert some == kept.sample(references.frame["text"], 2000, seed=0)
    assert all(piece in whole for piece in some)
    assert 500 < sum(map(len, some)) <= 2500
    assert max(whole.find(piece) for piece in some) > 0.8 * len(whole)
    settings = (references.frame, "text", None, TextConfig(tokenizer="bpe", vocab_size=300))
    fitted = fit_documents(*settings)[0]
    monkeypatch.setattr(corpus, "trained_tokenizer", None)
    assert fit_documents(*settings)[0].tokenizer_json == fitted.tokenizer_json


# the whole way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["file", "paragraph"])
def test_a_large_corpus_trains_the_weights_that_it_would_in_memory(tmp_path, unit):
    path = corpus_file(tmp_path, 3000)
    asked = QUICK | {"model": TINY, "task": "text-generation", "data__documents": unit}
    danlu.train(str(path), out=tmp_path / "small", **asked)
    with pytest.MonkeyPatch.context() as patch:
        for module in (large, corpus):
            patch.setattr(module, "LARGE", 1)
        patch.setattr(kept, "STRETCH", 5000)
        patch.setattr(kept, "PIECE", 600)
        danlu.train(str(path), out=tmp_path / "large", **asked)
    one, other = (tmp_path / name for name in ("small", "large"))
    assert (one / "model/model.safetensors").read_bytes() == (other / "model/model.safetensors").read_bytes()
    for name in ("codec.json", "tokenizer.json", "data.json"):
        assert (one / name).read_text() == (other / name).read_text()
    small, big = (json.loads((each / "report.json").read_text())["targets"][0] for each in (one, other))
    assert small["metrics"] == big["metrics"]
    assert small["samples"] == big["samples"]
    assert [b["metrics"] for b in small["baselines"]] == [b["metrics"] for b in big["baselines"]]


def test_a_resumed_run_takes_its_tokenizer_and_trains_none(tmp_path, monkeypatch):
    path = corpus_file(tmp_path, 3000)
    asked = QUICK | {"model": TINY, "task": "text-generation", "data__text__tokenizer": "unigram"}
    danlu.train(str(path), out=tmp_path / "run", **asked, data__text__vocab_size=400)
    weights = (tmp_path / "run/model/model.safetensors").read_bytes()
    (tmp_path / "run/report.json").unlink()
    monkeypatch.setattr(corpus, "trained_tokenizer", None)
    danlu.train(resume=tmp_path / "run", quiet=True)
    assert (tmp_path / "run/model/model.safetensors").read_bytes() == weights


def test_of_a_large_corpus_no_more_is_measured_than_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr("danlu.flow.material.MEASURED", 1000)
    path = corpus_file(tmp_path, 3000)
    run = danlu.train(str(path), out=tmp_path / "run", model=TINY, task="text-generation", **QUICK)
    target = run.report["targets"][0]
    assert target["metrics"]["bits_per_byte"] > 0
    assert any(
        note["code"] == "corpus.measured" for note in json.loads((tmp_path / "run/data.json").read_text())["notes"]
    )


TOKENIZING = """
import os, sys
import polars as pl
from danlu.data.corpus import fit_documents
from danlu.recipe import TextConfig
texts = ["the fox went home " * 50 + str(i) for i in range(200)]
frame = pl.DataFrame({"text": texts})
documents, _ = fit_documents(frame[:1], "text", None, TextConfig(tokenizer="bpe", vocab_size=300))
before = len(os.listdir("/proc/self/task"))
documents.tokens(frame)
print(before, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_tokens_are_made_by_as_many_threads_as_there_are_cores():
    """Counted by the workers of the pool, whose number is given here."""
    known = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    found = []
    for workers in (1, 4):
        environment = known | {"RAYON_NUM_THREADS": str(workers), "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", TOKENIZING]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        found.append(int(done.stdout.split()[1]))
    assert found[1] - found[0] == 3


# what is measured ---------------------------------------------------------------------------------------------------


def test_what_is_measured_is_drawn_from_everywhere_by_the_seed(tmp_path, everything_is_large):
    references, texts = read_large(corpus_file(tmp_path, 9000))
    whole, most = texts.frame["text"][0], 8000
    parts = drawn(references, most, 0).frame["text"].to_list()
    assert drawn(texts, most, 0).frame["text"].to_list() == parts == drawn(references, most, 0).frame["text"].to_list()
    assert drawn(texts, most, 1).frame["text"].to_list() != parts
    places = [whole.find(part) for part in parts]
    assert places == sorted(places), "in the text's order"
    assert all(place + len(part) <= after for place, part, after in zip(places, parts, places[1:], strict=False))
    assert all(
        part.endswith("\n") and whole[place - 1] == "\n" for part, place in zip(parts, places, strict=True) if place
    )
    assert most * 0.7 < sum(len(part.encode()) for part in parts) <= most
    assert 0 <= places[0] < len(whole) * 0.2
    assert places[-1] > len(whole) * 0.8
    assert len(parts) > STRETCHES * 0.8


def test_short_documents_are_measured_whole_or_not_at_all(tmp_path, everything_is_large):
    references, texts = read_large(corpus_file(tmp_path, 9000), documents="line")
    kept_rows, rows = (drawn(each, 30_000, 0).frame for each in (references, texts))
    assert kept_rows["text"].to_list() == rows["text"].to_list()
    whole = dict(texts.frame.select("_row", "text").iter_rows())
    assert all(whole[row] == text for row, text in rows.select("_row", "text").iter_rows())
    assert rows["_row"].is_sorted()
    assert rows["_row"].n_unique() == rows.height
    assert 29_000 < rows["text"].str.len_bytes().sum() <= 30_000


def test_few_texts_are_measured_all():
    rows = examples_of({"text": [story(50), story(60, 1)]}, DataConfig(columns={"text": "text"}))
    assert drawn(rows, 10**6, 0) is rows
    assert len(drawn(rows, 1, 0)) == 1


@pytest.mark.parametrize("task", ["text-generation", "fill-mask"])
def test_a_run_measures_what_it_says_and_rivals_on_the_same(tmp_path, task):
    path = corpus_file(tmp_path, 8000)
    model = TINY if task == "text-generation" else {"family": "bert", "width": 16, "depth": 1, "heads": 2}
    asked = QUICK | {"model": model, "task": task, "evaluate__megabytes": 0.004}
    run = danlu.train(str(path), out=tmp_path / "run", **asked)
    notes = {note["fields"]["side"]["code"]: note["fields"] for note in run.read("data")["notes"]
             if note["code"] == "corpus.drawn"}  # fmt: skip
    assert notes.keys() == {"corpus.validation", "corpus.test"}
    assert float(notes["corpus.test"]["megabytes"]) <= 0.004 < float(notes["corpus.test"]["whole"])
    (target,) = run.report["targets"]
    assert run.report["rows"]["test"] == notes["corpus.test"]["count"]
    assert all(len(baseline["metrics"]) for baseline in target["baselines"])


def test_megabytes_of_a_table_are_refused():
    with pytest.raises(DanluError, match=r"evaluate\.megabytes"):
        danlu.train("sample:iris", evaluate__megabytes=2, quiet=True)


# the cache folder ---------------------------------------------------------------------------------------------------


def test_an_entry_is_whole_or_not_there_and_made_once(folder):
    def broken(part: Path) -> None:
        (part / "half").write_text("1")
        raise OSError("power cut")

    with pytest.raises(OSError, match="power cut"):
        cache.kept("things", "a", broken)
    assert not (folder / "things/a").exists()
    made = []

    def fill(part: Path) -> None:
        made.append((part / "half").exists())
        (part / "whole").write_text("2")

    for _ in range(2):
        assert (cache.kept("things", "a", fill) / "whole").read_text() == "2"
    assert made == [True]


def test_a_full_disk_is_told_with_what_to_do(folder):
    def full(part: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(DanluError, match="XDG_CACHE_HOME"):
        cache.kept("things", "a", full)


def test_processes_that_want_the_same_wait_for_the_first(folder):
    begun, go, waited = threading.Event(), threading.Event(), []

    def slow(part: Path) -> None:
        begun.set()
        go.wait()
        (part / "x").write_text("first")

    first = threading.Thread(target=cache.kept, args=("things", "a", slow))
    first.start()
    begun.wait()

    def wait() -> None:
        waited.append(1)
        go.set()

    found = cache.kept("things", "a", lambda part: (part / "x").write_text("second"), wait)
    first.join()
    assert waited
    assert (found / "x").read_text() == "first"


def test_what_was_used_longest_ago_goes_first_and_nothing_of_today(folder, monkeypatch):
    for i in range(4):
        cache.kept("things", str(i), lambda part: (part / "x").write_bytes(bytes(100)))
        old = time.time() - (3 - i) * 100 * 24 * 3600
        os.utime(folder / f"things/{i}/.used", (old, old))
    monkeypatch.setattr(cache, "LARGEST", 250)
    cache.kept("other", "new", lambda part: (part / "x").write_bytes(bytes(100)))
    assert sorted(path.name for path in folder.glob("*/*") if path.is_dir()) == ["3", "new"]


def test_without_a_writable_cache_folder_entries_lie_beside_the_runs(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    found = cache.kept("things", "a", lambda part: (part / "x").write_text(""))
    assert found == tmp_path / "runs" / ".cache" / "things" / "a"


def test_stores_in_memory_take_no_part_in_the_cache(folder):
    documents = bpe(story(200))
    rows = examples_of({"text": [story(50)]}, DataConfig(columns={"text": "text"}))
    documents.tokens(rows.frame)
    assert not folder.exists()
    assert np.asarray(documents.tokens(rows.frame).tokens).dtype == np.int32
