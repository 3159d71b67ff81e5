"""What texts become: tokens, and n-grams weighted as scikit-learn weighs them."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

from danlu.data import ngrams
from danlu.data.examples import Origin, SourceFile
from danlu.data.ngrams import TOKEN, Part, Terms, fit_terms
from danlu.data.store import Bags
from danlu.data.tally import Rows, Tally
from danlu.data.text import SEPARATOR, SPECIAL, UNKNOWN, Tokens, fit_tokens
from danlu.errors import DanluError
from danlu.recipe import TextConfig

SHARED = Path(__file__).parents[3] / "shared" / "data"
ENGLISH = [
    "It's a good, GOOD film!",
    "not a good film ",
    "",
    "a  really\tgood\nplot, isn't it?",
    "poor film; poor plot",
    "ünïcode Straße 3½ x_y 😀 film",
] * 20
CHINESE = ["这部电影很好看", "这家酒店不好", "很好很好，服务周到！", "电影票ABC123太贵了"] * 30


def frame(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})


def rows(count: int) -> Rows:
    return Rows(np.arange(count), Origin((SourceFile("texts.csv", "csv", "", 0, count),)), Tally())


def tokens_of(texts: list[str], **config: object) -> Tokens:
    return fit_tokens(frame(texts), ("text",), TextConfig.model_validate(config))[0]


def ids(tokens: Tokens, *texts: str) -> list[list[int]]:
    feed = tokens.encode(frame(list(texts)), rows(len(texts)))["tokens"]
    return [feed.values[a:b].tolist() for a, b in feed.offsets.unfold(0, 2, 1).tolist()]


def words(tokens: Tokens, text: str) -> list[str | None]:
    tokenizer = Tokenizer.from_str(tokens.tokenizer_json)
    return [tokenizer.id_to_token(i) for i in ids(tokens, text)[0]]


def dense(bags: Bags, terms: Terms) -> np.ndarray:
    parts = (bags.weights.numpy(), bags.terms.numpy(), bags.offsets.numpy())
    return csr_array(parts, shape=(len(bags), terms.size)).toarray()


def witness(part: Part) -> dict[str, object]:
    """The settings of scikit-learn's vectorizers that mean the same."""
    common: dict[str, object] = {"ngram_range": (part.shortest, part.longest)}
    if part.analyzer == "word":
        return common | {"token_pattern": TOKEN.pattern}
    return common | {"analyzer": part.analyzer}


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["words and characters within them", "characters"])
def test_terms_and_their_document_frequencies_are_those_of_scikit_learn(texts: list[str]) -> None:
    terms, _ = fit_terms(frame(texts), ("text",), TextConfig())

    for part in terms.parts:
        counter = CountVectorizer(min_df=2, **witness(part)).fit(texts)
        frequency = (counter.transform(texts) > 0).sum(axis=0)
        expected = dict(zip(counter.get_feature_names_out(), np.asarray(frequency).ravel().tolist(), strict=True))
        assert dict(zip(part.terms, part.document_frequency, strict=True)) == expected


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["words and characters within them", "characters"])
def test_weights_are_those_of_tfidf_vectorizer(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "_CHUNK", 7)  # several pieces
    terms, _ = fit_terms(frame(texts), ("text",), TextConfig())
    later = [*texts[:5], "a film never seen before", "很好的电影", "zzz", ""]
    ours = dense(terms.encode(frame(later)), terms)
    expected = [
        TfidfVectorizer(vocabulary=list(part.terms), sublinear_tf=True, **witness(part)).fit(texts).transform(later)
        for part in terms.parts
    ]

    np.testing.assert_allclose(ours, np.hstack([part.toarray() for part in expected]), rtol=1e-5, atol=1e-7)


def test_one_text_alone_has_the_terms_it_has_among_others() -> None:
    terms, _ = fit_terms(frame(ENGLISH), ("text",), TextConfig())
    together = dense(terms.encode(frame(ENGLISH[:6])), terms)
    alone = [dense(terms.encode(frame([text])), terms)[0] for text in ENGLISH[:6]]

    np.testing.assert_array_equal(together, alone)


def test_ngrams_do_not_reach_from_one_column_into_the_next() -> None:
    columns = pl.DataFrame({"a": ["good", "poor"] * 60, "b": ["film", "plot"] * 60})
    terms, _ = fit_terms(columns, ("a", "b"), TextConfig())

    assert set(terms.parts[0].terms) == {"good", "poor", "film", "plot"}
    assert not any("d f" in term or "r p" in term for term in terms.names)


def test_a_vocabulary_size_keeps_the_most_frequent_terms() -> None:
    texts = ["common rare"] * 60 + ["common"] * 60
    terms, _ = fit_terms(frame(texts), ("text",), TextConfig(vocab_size=16))

    assert terms.size <= 16
    assert terms.parts[0].terms[0] == "common"


def test_word_tokens_are_words_marks_and_single_ideographs() -> None:
    tokens = tokens_of(["Don't 我爱 Python3, x_y!", "don't 我爱 python3, x_y!"], tokenizer="word")

    assert words(tokens, "don't我爱 PYTHON3,x_y!") == ["don't", "我", "爱", "python3", ",", "x_y", "!"]
    assert ids(tokens, "unheard") == [[UNKNOWN]]


def test_char_tokens_are_characters_without_spaces() -> None:
    tokens = tokens_of(["ab ba", "ab"], tokenizer="char")

    assert words(tokens, "b a") == ["b", "a"]


def test_bpe_knows_every_text_and_gives_it_back() -> None:
    tokens = tokens_of(["low lower lowest new newer newest"] * 3, tokenizer="bpe", lowercase=False, max_length=99)
    tokenizer = Tokenizer.from_str(tokens.tokenizer_json)
    text = "a newest 新 😀 é"

    assert tokenizer.decode(ids(tokens, text)[0]) == text
    assert tokens.size == tokenizer.get_vocab_size()
    assert len(ids(tokens, "newest")[0]) < 6


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_marks_of_the_vocabulary_written_in_a_text_are_text(kind: str) -> None:
    tokens = tokens_of(["[PAD] [UNK] [SEP] a"] * 3, tokenizer=kind)
    tokenizer = Tokenizer.from_str(tokens.tokenizer_json)

    assert [tokenizer.token_to_id(mark) for mark in SPECIAL] == [0, 1, 2]
    assert not {0, 1, 2} & set(ids(tokens, "[PAD] [UNK] [SEP] a")[0])


def test_training_a_tokenizer_twice_gives_the_same_one() -> None:
    for kind in ("word", "char", "bpe"):
        assert tokens_of(ENGLISH + CHINESE, tokenizer=kind) == tokens_of(ENGLISH + CHINESE, tokenizer=kind)


def test_several_columns_are_joined_with_the_separator() -> None:
    columns = pl.DataFrame({"a": ["good film"] * 3, "b": ["poor plot", "", None]})
    tokens, _ = fit_tokens(columns, ("a", "b"), TextConfig(tokenizer="word"))
    feed = tokens.encode(columns, rows(3))["tokens"]

    assert feed.lengths.tolist() == [5, 3, 3]
    assert (feed.values[feed.offsets[:-1] + 2] == SEPARATOR).all()


def test_over_long_texts_are_cut_and_counted_or_refused_by_row() -> None:
    texts = ["one two", "one two three four"]
    cutting = tokens_of(texts, max_length=3, tokenizer="word")
    seen = rows(2)
    refusing = tokens_of(texts, max_length=3, tokenizer="word", over_long="refuse")

    assert cutting.encode(frame(texts), seen)["tokens"].lengths.tolist() == [2, 3]
    assert [(n.key, n.fields["count"], n.fields["place"]) for n in seen.tally.notes()] == [
        ("codec.text_cut", 1, "texts.csv row 2")
    ]
    with pytest.raises(DanluError) as caught:
        refusing.encode(frame(texts), rows(2))
    assert caught.value.note.text("en").startswith('texts.csv row 2, column "text": the text has 4 tokens')


def test_length_is_chosen_so_that_nearly_all_training_texts_fit() -> None:
    texts = ["a " * n for n in range(1, 101)] + ["a " * 3000]
    tokens = tokens_of(texts, tokenizer="word")

    assert 98 <= tokens.max_length <= 100
    assert tokens_of(texts, tokenizer="word", over_long="refuse").max_length == 3000


@pytest.mark.parametrize(
    ("texts", "kind", "why"),
    [
        (CHINESE, "word", "codec.why_ideographs"),
        (["สวัสดีครับ ผมชอบหนัง"] * 30, "char", "codec.why_no_spaces"),
        (ENGLISH, "word", "codec.why_word"),
        ([f"sana{i} talo{i * 7}ssa kissa{i * 3}lle" for i in range(50)], "bpe", "codec.why_bpe"),
    ],
)
def test_kind_of_token_follows_the_language(texts: list[str], kind: str, why: str) -> None:
    tokens, notes = fit_tokens(frame(texts), ("text",), TextConfig())

    assert (tokens.kind, notes[0].key) == (kind, why)


def test_a_bpe_vocabulary_smaller_than_its_alphabet_is_refused() -> None:
    with pytest.raises(DanluError, match="vocab"):
        tokens_of(ENGLISH, tokenizer="bpe", vocab_size=100)


def test_terms_are_good_enough_for_film_reviews() -> None:
    """A linear model of the terms on sentence_polarity, one split of 8:2."""
    archive = SHARED / "sentiment-en" / "sentence_polarity.zip"
    if not archive.exists():
        pytest.skip(f"needs {archive}")
    texts, labels = polarity(archive)
    test = np.random.default_rng(0).permutation(len(texts))[: len(texts) // 5]
    train = np.setdiff1d(np.arange(len(texts)), test)
    terms, _ = fit_terms(frame([texts[i] for i in train]), ("text",), TextConfig())
    bags = terms.encode(frame(texts))
    parts = (bags.weights.numpy(), bags.terms.numpy(), bags.offsets.numpy())
    features = csr_array(parts, shape=(len(texts), terms.size))

    model = LogisticRegression(C=3).fit(features[train], labels[train])
    assert model.score(features[test], labels[test]) > 0.76


def polarity(archive: Path) -> tuple[list[str], np.ndarray]:
    with ZipFile(archive) as files:
        names = sorted(name for name in files.namelist() if name.endswith((".neg", ".pos")))
        sides = [files.read(name).decode("latin-1").splitlines() for name in names]
    return sides[0] + sides[1], np.repeat([0, 1], [len(side) for side in sides])
