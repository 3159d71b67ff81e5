"""GGUF: a language model as one file with its tokenizer, which llama.cpp and all that is built on it read."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.data.corpus import Documents
from danlu.errors import DanluError
from danlu.exporting.job import Bits, Job, Proof, require, size_of
from danlu.exporting.parity import rounding_proof
from danlu.models import family_named
from danlu.models.causal import CausalLM
from danlu.models.transformer import Config, stretched
from danlu.predictor import Predictor

ARCHITECTURES = {"gpt2": "gpt2", "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
TURNED = ("llama",)  # architectures whose rotary halves lie pair by pair
QUANTIZED = {"f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
FILE_TYPES = {"f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0"}
BLOCK = 32  # weights of a row that share a scale

# How published tokenizers divide a text before they merge: their pattern → what llama.cpp calls it.
_CASELESS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_MARKS_AND_SPACES = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DIVISIONS = {
    _CASELESS + r"\p{N}{1,3}" + _MARKS_AND_SPACES: "llama-bpe",
    _CASELESS + r"\p{N}" + _MARKS_AND_SPACES: "qwen2",
}


@dataclass(frozen=True)
class Placed:
    """A tensor of the Hugging Face layout in the file: its name there and how it lies."""

    theirs: str
    name: str
    transposed: bool = False
    heads: int = 0  # whose halves are put pair by pair; 0 for none

    def written(self, tensor: Tensor) -> np.ndarray:
        """As it lies in the file, float32."""
        values = (tensor.t() if self.transposed else tensor).float().contiguous().numpy()
        return _paired(values, self.heads) if self.heads else values

    def read(self, values: np.ndarray) -> Tensor:
        """`written`, the other way round."""
        values = _halved(values, self.heads) if self.heads else values
        tensor = torch.from_numpy(np.array(values))
        return tensor.t().contiguous() if self.transposed else tensor


def write(job: Job) -> Proof:
    """NAME.gguf in the job's folder, and what its rounding costs the model as danlu reads it back from there."""
    require("gguf")
    predictor = job.predictor
    if predictor.family not in ARCHITECTURES or not isinstance(predictor.module, CausalLM):
        raise DanluError("export.no_gguf", family=predictor.family, families=", ".join(ARCHITECTURES))
    config = predictor.module.config
    if config.window is not None and config.window < config.max_length:
        raise DanluError("export.gguf_window", window=config.window, length=config.max_length)
    path = job.folder / f"{job.name}-{job.bits}.gguf"
    _save(job, path)
    return rounding_proof(job, read_back(job, path), size_of(job.run.model), size_of(job.folder))


def read_back(job: Job, path: Path) -> Predictor:
    """The run's predictor with the weights that the file holds."""
    import gguf

    found = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    tensors = {
        each.theirs: each.read(gguf.quants.dequantize(found[each.name].data, found[each.name].tensor_type))
        for each in _placed(job)
    }
    module = copy.deepcopy(job.predictor.module)
    layout = family_named(job.predictor.family).layout
    assert layout
    layout.load(module, tensors, module.config)
    return replace(job.predictor, module=module.eval())


def _save(job: Job, path: Path) -> None:
    import gguf

    module, reading = job.predictor.module, job.predictor.codec.reading
    assert isinstance(module, CausalLM)
    assert isinstance(reading, Documents)
    writer = gguf.GGUFWriter(path, ARCHITECTURES[job.predictor.family])
    _write_settings(writer, job, module.config)
    _write_tokenizer(writer, reading)
    tensors = _tensors(job)
    for each in _placed(job):
        values = each.written(tensors[each.theirs])
        kind = _kind(each.name, values, job.bits)
        writer.add_tensor(each.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    if module.config.rope_scaling:
        writer.add_tensor("rope_freqs.weight", _rope_factors(module.config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(job: Job) -> dict[str, Tensor]:
    """The weights by their names in the Hugging Face layout."""
    layout = family_named(job.predictor.family).layout
    assert layout
    tensors = layout.tensors(job.predictor.module, job.predictor.module.config)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _placed(job: Job) -> Iterator[Placed]:
    """Where each weight lies in the file."""
    import gguf

    module = job.predictor.module
    assert isinstance(module, CausalLM)
    config, name = module.config, ARCHITECTURES[job.predictor.family]
    architecture = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == name)
    names = gguf.get_tensor_name_map(architecture, config.depth)
    for theirs, tensor in _tensors(job).items():
        place = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        assert place, f"no place for {theirs}"
        transposed = name == "gpt2" and ".c_" in theirs and tensor.ndim == 2
        heads = 0
        if name in TURNED and ".q_proj." in theirs:
            heads = config.heads
        elif name in TURNED and ".k_proj." in theirs:
            heads = config.key_heads
        yield Placed(theirs, place, transposed, heads)


def _kind(name: str, values: np.ndarray, bits: Bits) -> Any:
    """How a tensor is written: vectors, and places, which are added, as they are."""
    import gguf

    if values.ndim < 2 or name.startswith("position_embd"):
        return gguf.GGMLQuantizationType.F32
    fits = values.shape[-1] % BLOCK == 0
    return gguf.GGMLQuantizationType[QUANTIZED[bits] if fits else "F16"]


def _paired(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head, first half and second half, pair by pair."""
    shape = values.shape
    return values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _halved(values: np.ndarray, heads: int) -> np.ndarray:
    """`_paired`, the other way round."""
    shape = values.shape
    return values.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _rope_factors(config: Config) -> np.ndarray:
    """By how much each rotary frequency is divided."""
    assert config.rope_scaling
    powers = torch.arange(0, config.per_head, 2, dtype=torch.float32) / config.per_head
    frequencies = 1.0 / config.rope_theta**powers
    return (frequencies / stretched(frequencies, config.rope_scaling)).numpy()


def _write_settings(writer: Any, job: Job, config: Config) -> None:
    import gguf

    writer.add_name(job.name)
    writer.add_file_type(gguf.LlamaFileType[FILE_TYPES[job.bits]])
    writer.add_context_length(config.max_length)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.depth)
    writer.add_feed_forward_length(config.inner)
    writer.add_head_count(config.heads)
    if config.norm == "layer":
        writer.add_layer_norm_eps(config.norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.norm_eps)
    if config.positions == "rotary":
        writer.add_head_count_kv(config.key_heads)
        writer.add_rope_freq_base(config.rope_theta)
        writer.add_rope_dimension_count(config.per_head)
        writer.add_key_length(config.per_head)
        writer.add_value_length(config.per_head)


def _write_tokenizer(writer: Any, reading: Documents) -> None:
    """A byte-level BPE tokenizer; DanluError for any other, which llama.cpp does not have."""
    import gguf

    content = json.loads(reading.tokenizer_json)
    division = _division(content)
    if content["model"]["type"] != "BPE" or division is None or reading.lowercase:
        raise DanluError("export.gguf_tokenizer", kind=reading.kind)
    marks = {token["id"]: token for token in content["added_tokens"]}
    by_number = {number: token for token, number in content["model"]["vocab"].items()}
    by_number |= {number: token["content"] for number, token in marks.items()}
    kinds = {
        number: gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        for number, token in marks.items()
    }
    numbers = range(reading.size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(division)
    writer.add_token_list([by_number.get(number, f"[UNUSED{number}]") for number in numbers])
    unknown = gguf.TokenType.UNUSED
    normal = gguf.TokenType.NORMAL
    writer.add_token_types([kinds.get(number, normal if number in by_number else unknown) for number in numbers])
    merges = content["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(reading.begin)
    writer.add_eos_token_id(reading.end)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)


def _division(content: dict[str, Any]) -> str | None:
    """What llama.cpp calls the way in which the tokenizer divides a text; None where it has no such way."""
    division = content["pre_tokenizer"] or {}
    parts = division.get("pretokenizers", [division])
    patterns = [part["pattern"].get("Regex") for part in parts if part.get("type") == "Split"]
    last = parts[-1]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        return None
    if len(parts) == 1 and last.get("use_regex", True) and not content["normalizer"]:
        return "gpt-2"
    return DIVISIONS.get(patterns[0]) if len(patterns) == 1 and len(parts) == 2 else None
