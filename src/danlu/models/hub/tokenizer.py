"""The tokenizer of a Hugging Face checkpoint as the text of a tokenizer.json; older files are translated into one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from danlu.data.text import Forced
from danlu.errors import DanluError
from danlu.models.hub.spm import SOURCE, TARGET, marian_tokenizer

ANSWER_TOKENIZER = "answer_tokenizer.json"  # danlu's own name: transformers knows no such file
BERT_MARKS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
ROLES = {  # what transformers calls a mark → how it may be written
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("[MASK]", "<mask>"),
    "pad_token": ("[PAD]", "<pad>"),
    "bos_token": ("<s>", "[END]"),  # danlu's own tokenizers end a document with the mark that begins one
    "eos_token": ("</s>", "<|endoftext|>", "[END]"),
}


def tokenizer_json_of(folder: Path) -> str:
    """tokenizer.json, or what vocab.txt (WordPiece), source.spm (SentencePiece) or merges.txt (byte-level BPE) say.

    The numbers of the last two are in vocab.json.

    Raises DanluError where there is none of them, or they cannot be read.
    """
    try:
        return _read(folder).to_str()
    except DanluError:
        raise
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, ValueError):  # tokenizers raises the bare class
            raise
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=str(error)[:200]) from None


def answer_tokenizer_json_of(folder: Path) -> str | None:
    """ANSWER_TOKENIZER or what target.spm says, the tokenizer of answers; None where one tokenizer reads both sides."""
    if (folder / ANSWER_TOKENIZER).is_file():
        return (folder / ANSWER_TOKENIZER).read_text(encoding="utf-8")
    if (folder / "tokenizer.json").is_file() or not (folder / TARGET).is_file():
        return None
    return marian_tokenizer(folder, TARGET).to_str()


def forced_of(said: Mapping[str, Any]) -> Forced:
    """What generation_config.json, or an older config.json, rules of answers."""
    never = tuple(tokens[0] for tokens in said.get("bad_words_ids") or () if len(tokens) == 1)
    return Forced(said.get("forced_bos_token_id"), said.get("forced_eos_token_id"), never)


def generation_settings(start: int, end: int, forced: Forced) -> dict[str, Any]:
    """What generation_config.json says of answers: the tokens before and behind them, and what is ruled of theirs."""
    never = {"bad_words_ids": [[token] for token in forced.never]} if forced.never else {}
    first_and_last = {"forced_bos_token_id": forced.first, "forced_eos_token_id": forced.last}
    return {"decoder_start_token_id": start, "eos_token_id": end, **first_and_last, **never}


def longest_text(folder: Path) -> int | None:
    """Tokens that tokenizer_config.json says the model takes; None where it says nothing."""
    return _settings(folder).get("model_max_length")


def tokenizer_settings(tokenizer_json: str, max_length: int) -> dict[str, Any]:
    """What tokenizer_config.json says of a tokenizer.json, so that transformers knows its marks."""
    marks = _marks(Tokenizer.from_str(tokenizer_json))
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_length, **marks}


def mark_numbers(tokenizer_json: str) -> dict[str, int | None]:
    """What config.json says of a tokenizer.json: the numbers of the marks that begin, end and pad a text."""
    known = Tokenizer.from_str(tokenizer_json)
    marks = _marks(known)
    return {
        f"{role}_id": known.token_to_id(marks[role]) if role in marks else None
        for role in ("bos_token", "eos_token", "pad_token")
    }


def _marks(known: Tokenizer) -> dict[str, str]:
    """Role → mark, of those that the tokenizer has."""
    marks = {
        role: next((mark for mark in names if known.token_to_id(mark) is not None), None)
        for role, names in ROLES.items()
    }
    return {role: mark for role, mark in marks.items() if mark}


def _read(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder)
    numbered = (folder / "vocab.json").is_file()
    if numbered and (folder / SOURCE).is_file():
        return marian_tokenizer(folder, SOURCE)
    if numbered and (folder / "merges.txt").is_file():
        return _byte_level(folder)
    raise DanluError("hub.no_tokenizer", folder=str(folder))


def _wordpiece(folder: Path) -> Tokenizer:
    """BERT's tokenizer (Devlin et al. 2019)."""
    words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {word: place for place, word in enumerate(words)}
    if lacking := [mark for mark in ("[UNK]", "[CLS]", "[SEP]") if mark not in vocabulary]:
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=f"vocab.txt: {', '.join(lacking)}?")
    settings = _settings(folder)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=settings.get("do_lower_case", True),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(m, special=True) for m in BERT_MARKS if m in vocabulary])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokenizer


def _byte_level(folder: Path) -> Tokenizer:
    """GPT-2's tokenizer (Radford et al. 2019), or RoBERTa's where its marks are in the vocabulary."""
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=_settings(folder).get("add_prefix_space", False)
    )
    tokenizer.decoder = decoders.ByteLevel()
    marks = [
        m for m in ("<s>", "</s>", "<unk>", "<pad>", "<mask>", "<|endoftext|>") if tokenizer.token_to_id(m) is not None
    ]
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    begin, end = (tokenizer.token_to_id(mark) for mark in ("<s>", "</s>"))
    if begin is not None and end is not None:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", end), ("<s>", begin), add_prefix_space=False)
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
