"""Checkpoints of llama2.c (Karpathy 2023): a Llama in one .bin file, and its tokenizer in another.

Seven int32, then float32 tensors in a fixed order; a score, a length and the bytes of each token. The two coordinates
of a rotary pair lie side by side there, and half a head apart in the Hugging Face layout.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from torch import Tensor

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models.causal import CausalLM
from danlu.models.llama import LLAMA, LlamaConfig

BEGIN, END = 1, 2
MARKS = ("<unk>", "<s>", "</s>")
BYTES = 256  # tokens of single bytes, behind the marks
SPACE = "▁"  # how a space is written in the names of tokens
HEADER = 28  # bytes


@dataclass(frozen=True)
class Contents:
    """A model and its tokenizer in the Hugging Face layout: its config.json, its tensors, its tokenizer.json."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    tokenizer_json: str


def contents(folder: Path) -> Contents | None:
    """What a folder with one model's .bin and one tok*.bin holds; None for any other folder.

    Raises DanluError where the model's file is shorter or longer than its header says.
    """
    files = {file for file in folder.glob("*.bin") if not (folder / "config.json").exists()}
    tokenizers = {file for file in files if file.name.startswith("tok")}
    if len(tokenizers) != 1 or len(files) != 2:
        return None
    (file,), (words,), layout = files - tokenizers, tokenizers, LLAMA.layout
    assert layout is not None
    model = read_model(file)
    tokens = model.trunk.embedding.tokens.num_embeddings
    marks = {"bos_token_id": BEGIN, "eos_token_id": END}
    config = layout.config(model.config, Shapes(tokens=tokens, max_tokens=model.config.max_length)) | marks
    return Contents(config, layout.tensors(model, model.config), read_tokenizer(words, tokens).to_str())


def read_model(file: Path) -> CausalLM:
    """The model of a .bin file; DanluError where the file is shorter or longer than its header says."""
    content = bytearray(file.read_bytes())
    if len(content) < HEADER or len(content) % 4:
        raise DanluError("hub.not_llama2c", path=str(file))
    width, hidden, depth, heads, kv_heads, tokens, length = struct.unpack_from("7i", content)
    tied = tokens > 0  # a negative number says that the output matrix is one of its own
    config = LlamaConfig(
        width=width, hidden=hidden, depth=depth, heads=heads, kv_heads=kv_heads, max_length=length, tied=tied
    )
    numbers = torch.frombuffer(content, dtype=torch.float32, offset=HEADER)
    shapes = _shapes(config, abs(tokens))
    sizes = [math.prod(shape) for _, shape in shapes]
    if len(numbers) != sum(sizes):
        raise DanluError("hub.not_llama2c", path=str(file))
    module = CausalLM(config, abs(tokens))
    parts = zip(shapes, numbers.split(sizes), strict=True)
    tensors = dict(_by_layer((name, part.view(shape)) for (name, shape), part in parts))
    assert LLAMA.layout is not None
    LLAMA.layout.load(module, {name: _half_apart(name, tensor, config) for name, tensor in tensors.items()}, config)
    return module.eval()


def read_tokenizer(file: Path, tokens: int) -> Tokenizer:
    """The tokenizer of so many tokens: byte-pair encoding that joins by score, and bytes for what it does not hold."""
    names = _names(file.read_bytes(), tokens)
    vocabulary = {name: number for number, name in enumerate(names)}
    merges = [
        (name[:cut], name[cut:])
        for name in names[len(MARKS) + BYTES :]  # in the order of their scores
        for cut in range(1, len(name))
        if name[:cut] in vocabulary and name[cut:] in vocabulary
    ]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token=MARKS[0], fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return tokenizer


def _shapes(config: LlamaConfig, tokens: int) -> list[tuple[str, tuple[int, ...]]]:
    """Their names of the tensors in the order of the file; those of all layers are one behind the other."""
    width, inner, depth = config.width, config.inner, config.depth
    queries, keys = config.heads * config.per_head, config.key_heads * config.per_head
    layers = "model.layers.{n}."
    return [
        ("model.embed_tokens.weight", (tokens, width)),
        (layers + "input_layernorm.weight", (depth, width)),
        (layers + "self_attn.q_proj.weight", (depth, queries, width)),
        (layers + "self_attn.k_proj.weight", (depth, keys, width)),
        (layers + "self_attn.v_proj.weight", (depth, keys, width)),
        (layers + "self_attn.o_proj.weight", (depth, width, queries)),
        (layers + "post_attention_layernorm.weight", (depth, width)),
        (layers + "mlp.gate_proj.weight", (depth, inner, width)),
        (layers + "mlp.down_proj.weight", (depth, width, inner)),
        (layers + "mlp.up_proj.weight", (depth, inner, width)),
        ("model.norm.weight", (width,)),
        ("model.rotary_emb.inv_freq", (config.max_length, config.per_head)),  # cosines and sines, which we compute
        *([] if config.tied else [("lm_head.weight", (tokens, width))]),
    ]


def _by_layer(tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors:
        if "{n}" in name:
            yield from ((name.replace("{n}", str(layer)), part) for layer, part in enumerate(tensor))
        else:
            yield name, tensor


def _half_apart(name: str, tensor: Tensor, config: LlamaConfig) -> Tensor:
    """Queries and keys with the coordinates of a rotary pair half a head apart."""
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return tensor
    return tensor.view(-1, config.per_head // 2, 2, config.width).transpose(1, 2).reshape(tensor.shape)


def _names(content: bytes, tokens: int) -> list[str]:
    names, place = list(MARKS), 4  # before them: the length of the longest
    for number in range(tokens):
        length = struct.unpack_from("fi", content, place)[1]
        if number >= len(MARKS):
            names.append(content[place + 8 : place + 8 + length].decode().replace(" ", SPACE))
        place += 8 + length
    return names
