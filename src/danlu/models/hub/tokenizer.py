"""The tokenizer of a Hugging Face checkpoint as the text of a tokenizer.json; older files are translated into one."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from danlu.errors import DanluError

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
    """tokenizer.json, or what vocab.txt (WordPiece) or vocab.json with merges.txt (byte-level BPE) say.

    Raises DanluError where there is none of them, or they cannot be read.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(folder / "tokenizer.json")).to_str()
        if (folder / "vocab.txt").is_file():
            return _wordpiece(folder).to_str()
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            return _byte_level(folder).to_str()
    except DanluError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        raise DanluError("hub.bad_tokenizer", folder=str(folder), why=str(error)[:200]) from None
    raise DanluError("hub.no_tokenizer", folder=str(folder))


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
