"""Rows of pairs, a text and what is to be written of it: which column is which. Knows nothing of tokens."""

from collections.abc import Sequence
from itertools import product

import polars as pl

from danlu.data.cast import REFERENCES
from danlu.data.columns import input_column
from danlu.data.examples import ROW, Column
from danlu.data.kinds import check_known, sure_targets
from danlu.data.text import share_of_ideographs
from danlu.errors import DanluError
from danlu.recipe import DataConfig
from danlu.words import Note

TASKS = ("translation", "summarization")

_LONG = ("article", "document", "text", "content", "dialogue", "abstract", "正文", "文章", "原文", "内容", "摘要")
_SHORT = ("summary", "highlights", "tldr", "headline", "title", "摘要", "标题")
_NAMED = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("原文", "译文"), *product(_LONG, _SHORT))
_CODES = (
    "ar bg bn cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv sw ta te th "
    "tr uk ur vi zh zh-cn zh-tw cmn yue eng deu fra spa rus jpn kor"
)
_LANGUAGE_NAMES = (
    "arabic chinese czech dutch english french german hindi italian japanese korean polish portuguese russian spanish "
    "turkish vietnamese 中文 英文 英语 汉语 日文 日语 韩文 韩语 法文 法语 德文 德语 俄文 俄语 西班牙语"
)
_LANGUAGES = frozenset(f"{_CODES} {_LANGUAGE_NAMES}".split())
_SAMPLE = 1000  # rows that are looked at
_FEW = 4  # columns of texts among which two are looked for that differ in their script
_SAME_BEGINNING = 16  # characters with which every cell of a column begins that is no text of its own


def pair_columns(frame: pl.DataFrame, config: DataConfig, task: str | None) -> dict[str, Column] | None:
    """The columns where two of them are a text and what is to be written of it; None for rows of another kind.

    The second of them has REFERENCES as its format. Raises DanluError where pairs are asked for and it cannot be told
    which columns they are.
    """
    if task not in TASKS and not (task is None and _looks_like_pairs(frame, config)):
        return None
    _refuse_idle(frame, config)
    source, target = _chosen(frame, config)
    other = Note("pairs.other_column", source=source, target=target)
    columns = {name: Column(name, "ignore", other) for name in frame.columns if name != ROW}
    columns[source] = Column(source, "text", Note("pairs.source", target=target))
    columns[target] = Column(target, "text", Note("pairs.written", source=source), REFERENCES)
    return columns


def _looks_like_pairs(frame: pl.DataFrame, config: DataConfig) -> bool:
    """Whether names, or two scripts, leave no doubt."""
    if config.columns or len(config.target) > 1:
        return False
    texts, sure = _texts(frame, config), sure_targets(_names(frame), config)
    named = _by_name(texts, config.target)
    if named:
        return {*sure} <= {named[1]} and all(_is_prose(frame[name]) for name in named)
    if sure or len(texts) > _FEW:
        return False
    prose = [name for name in texts if _is_prose(frame[name])]
    return len(prose) == 2 and {*config.target} <= {*prose} and _of_two_scripts(frame, prose)


def _of_two_scripts(frame: pl.DataFrame, texts: Sequence[str]) -> bool:
    """Whether one of two columns is Chinese or Japanese and the other is not."""
    heads = [frame[name].drop_nulls().head(_SAMPLE) for name in texts]
    if any(head.dtype != pl.String for head in heads):
        return False
    low, high = sorted(share_of_ideographs(head.to_list()) for head in heads)
    return low < 0.05 and high > 0.5


def _chosen(frame: pl.DataFrame, config: DataConfig) -> tuple[str, str]:
    """The columns of the source and of the target."""
    texts = _texts(frame, config)
    said = [name for name, kind in config.columns.items() if kind == "text" and name not in config.target]
    if len(said) == 1 and config.target:
        return said[0], config.target[0]
    found = _by_name(texts, config.target)
    if found:
        return found
    for fits in (_begins_anew, _is_prose):  # short sentences that return look like categories: they go last
        if len(texts) > 2:
            texts = [name for name in texts if name in (*said, *config.target) or fits(frame[name])]
    if len(texts) != 2:
        raise DanluError("pairs.which", texts=", ".join(texts) or "–", names=", ".join(_names(frame)))
    first, second = texts
    return (second, first) if config.target == (first,) or said == [second] else (first, second)


def _by_name(texts: Sequence[str], target: Sequence[str]) -> tuple[str, str] | None:
    """The pair whose names are known for one; two columns named after languages, the second being the target."""
    known = {name.strip().lower(): name for name in texts}
    languages = [name for key, name in known.items() if key in _LANGUAGES]
    pairs = [(known[one], known[other]) for one, other in _NAMED if one in known and other in known and one != other]
    pairs += [(languages[0], languages[1]), (languages[1], languages[0])] if len(languages) == 2 else []
    return next((pair for pair in pairs if not target or target[0] == pair[1]), None)


def _texts(frame: pl.DataFrame, config: DataConfig) -> list[str]:
    """Columns of texts, or of lists of them, that the recipe does not leave out."""
    kept = [name for name in _names(frame) if config.columns.get(name) != "ignore"]
    return [name for name in kept if frame.schema[name] in (pl.String, pl.List(pl.String))]


def _names(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name != ROW]


def _is_prose(series: pl.Series) -> bool:
    """Whether the cells are texts of their own: no codes, no addresses, nothing that always begins in the same way."""
    if series.dtype != pl.String:
        return True
    return _begins_anew(series) and input_column(series.drop_nulls().head(_SAMPLE), ()).kind == "text"


def _begins_anew(series: pl.Series) -> bool:
    """Whether the cells do not all begin in the same way, as attributions do."""
    if series.dtype != pl.String:
        return True
    seen = series.drop_nulls().head(_SAMPLE)
    begins = seen.str.head(_SAME_BEGINNING)
    return not (begins.n_unique() == 1 < seen.n_unique() and begins.str.len_chars().min() == _SAME_BEGINNING)


def _refuse_idle(frame: pl.DataFrame, config: DataConfig) -> None:
    """DanluError for a second target, a column that is not there, or a kind that has no meaning here."""
    check_known([*config.target, *config.columns], _names(frame))
    if len(config.target) > 1:
        raise DanluError("pairs.one_target", columns=", ".join(config.target))
    for name, kind in config.columns.items():
        if kind not in ("text", "ignore"):
            raise DanluError("pairs.other_kind", column=name, kind=kind)
