"""hf: the run's model in the layout of transformers, which transformers, PEFT and vLLM read."""

import shlex
import shutil
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from danlu.data.corpus import Documents
from danlu.data.text import opened
from danlu.errors import DanluError
from danlu.exporting.job import Job, Proof, require
from danlu.exporting.parity import BOUND, batches
from danlu.predictor import Predictor, SavedModel
from danlu.words import Note

# What writes texts there; docs.vllm.ai, "Supported models"
IN_VLLM = ("GPT2LMHeadModel", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")


def write(job: Job) -> Proof:
    """The run's `model` folder as it is, once transformers has given the same scores and tokens from it."""
    require("transformers")
    saved = SavedModel.of(job.run)
    if not saved.hub:
        raise DanluError("export.no_layout", family=saved.family)
    shutil.copytree(job.run.model, job.folder, dirs_exist_ok=True)
    model = _theirs(job)
    rows = list(batches(job.predictor, job.rows, sizes=(1,)))
    largest = max((_difference(job.predictor, model, inputs) for inputs in rows), default=0.0)
    if job.predictor.codec.tokenizer_json:
        _refuse_other_tokens(job)
    writes = isinstance(job.predictor.codec.reading, Documents) and _architecture(job) in IN_VLLM
    serves = [Note("export.vllm", command=shlex.join(vllm_command(job)))] if writes else []
    return Proof(largest, BOUND, Note("export.of_scores", rows=len(rows)), serves).judged()


def vllm_command(job: Job) -> list[str]:
    """What serves the folder with vLLM, under the run's name."""
    return ["vllm", "serve", str(job.place), "--served-model-name", job.name]


def _architecture(job: Job) -> str:
    """The class of transformers that the folder's config.json names."""
    (name,) = job.run.read("model/config")["architectures"]
    return name


def _theirs(job: Job) -> Any:
    """transformers' model of the folder."""
    import transformers

    transformers.logging.set_verbosity_error()
    model = getattr(transformers, _architecture(job)).from_pretrained(job.folder, local_files_only=True)
    return model.eval()


@torch.inference_mode()
def _difference(predictor: Predictor, model: Any, inputs: dict[str, Tensor]) -> float:
    """The largest difference of a score of one row, as a share of the largest one where that is above 1."""
    ours = predictor.module(inputs)
    theirs = _scores(predictor, model(**_given(predictor, inputs, model.config)))
    worst = 0.0
    for (_, score), other in zip(sorted(ours.items()), theirs, strict=True):
        apart = (score - other).abs().max() / score.abs().max().clamp_min(1.0)
        worst = max(worst, float(apart))
    return worst


def _given(predictor: Predictor, inputs: dict[str, Tensor], config: Any) -> dict[str, Tensor]:
    """One row as their model takes it; a row without padding needs no mask."""
    if "image" in inputs:
        images = predictor.codec.images
        assert images
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (images.mean, images.std))
        pixels = (inputs["image"] - mean) / std
        height, width = config.image_size if isinstance(config.image_size, list | tuple) else [config.image_size] * 2
        return {"pixel_values": F.pad(pixels, (0, width - pixels.shape[3], 0, height - pixels.shape[2]))}
    given = {"input_ids": inputs["tokens"]}
    if "segments" in inputs:
        given["token_type_ids"] = inputs["segments"]
    if "answer" in inputs:
        given["decoder_input_ids"] = inputs["answer"]
    return given


def _scores(predictor: Predictor, outputs: Any) -> list[Tensor]:
    """Their scores by the names that ours have, in rising order."""
    if predictor.codec.shapes.spans:
        return [torch.stack([outputs.start_logits, outputs.end_logits], dim=-1)]
    if predictor.codec.shapes.next_sentence:
        return [outputs.prediction_logits, outputs.seq_relationship_logits]
    return [outputs.logits]


def _refuse_other_tokens(job: Job) -> None:
    """DanluError where transformers divides a text of the rows otherwise than the run does."""
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(job.folder, local_files_only=True)
    assert job.predictor.codec.tokenizer_json
    ours = opened(job.predictor.codec.tokenizer_json, reads_marks=True)
    for text in _texts(job):
        if theirs(text)["input_ids"] != ours.encode(text).ids:
            raise DanluError("export.other_tokens", text=text[:80])


def _texts(job: Job) -> Iterator[str]:
    for name, kind in job.predictor.codec.inputs.items():
        if kind == "text" and name in job.rows.frame.columns:
            yield from (text for text in job.rows.frame[name] if text)
