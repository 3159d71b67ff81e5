"""A decoder's step in C is the modules' own step, number for number, and texts go on without a compiler."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from danlu import native
from danlu.data.store import Shapes
from danlu.models import build
from danlu.models.causal import CausalLM
from danlu.models.decoding import MOST_TEXTS, next_scores_of
from danlu.models.encoder_decoder import EncoderDecoder
from danlu.models.int8 import Int8Linear
from danlu.models.precision import computed_in
from danlu.models.transformer import Cache
from danlu.recipe import ComputedIn

TOKENS, ROWS, PROMPT, MORE = 53, 3, 6, 7
SIZE = {"width": 48, "depth": 2, "heads": 4, "max_length": 32}
LANGUAGE_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2 with relu": ("gpt2", {"activation": "relu"}),
    "gpt2 with the exact gelu": ("gpt2", {"activation": "gelu"}),
    "llama": ("llama", {}),
    "llama, untied": ("llama", {"tied": False}),
    "groups of heads": ("llama", {"kv_heads": 2}),
    "biases": ("qwen2", {}),
    "normalised heads": ("qwen3", {"head_width": 20}),
    "a window": ("mistral", {"window": 5}),
    "wide": ("llama", {"width": 260, "hidden": 1100, "heads": 2}),
}
TRANSLATORS = ("marian", "bart", "pegasus")

compiled = pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")


def random_weights(model: torch.nn.Module, deviation: float = 0.3) -> None:
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=deviation / parameter.shape[-1] ** 0.25)


def language_model(name: str, precision: ComputedIn = "float32") -> CausalLM:
    family, fields = LANGUAGE_MODELS[name]
    model, _ = build(family, SIZE | fields, Shapes(tokens=TOKENS, max_tokens=32))
    random_weights(model)
    made = computed_in(model.eval(), precision)
    assert isinstance(made, CausalLM)
    return made


def exact(model: torch.nn.Module) -> torch.nn.Module:
    """The same weights, as rounded as they are, in modules that compute in float32."""
    for name, child in model.named_children():
        if isinstance(child, Int8Linear):
            plain = torch.nn.Linear(child.weight.shape[1], len(child.weight), bias=child.bias is not None)
            plain.weight.data = child.weight.float() * child.scale.float()[:, None]
            if child.bias is not None:
                plain.bias.data = child.bias.data
            setattr(model, name, plain)
        else:
            exact(child)
    return model.float()


def written(model: CausalLM, next_scores: Any, start: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Cache]:
    """Scores of MORE steps (B, MORE, tokens) behind a prompt, and the cache afterwards."""
    tokens = torch.randint(TOKENS, (ROWS, PROMPT + MORE), generator=torch.Generator().manual_seed(2))
    cache = Cache.empty(model.config, ROWS, PROMPT + MORE, torch.zeros((), dtype=dtype))
    model.next_scores(tokens[:, :PROMPT], start, cache)
    steps = range(PROMPT, PROMPT + MORE)
    return torch.stack([next_scores(tokens[:, n : n + 1], start, cache).float() for n in steps], dim=1), cache


@compiled
@pytest.mark.parametrize("start", [None, torch.tensor([0, 3, 5])], ids=["full", "padded"])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
@torch.inference_mode()
def test_scores_and_cache_are_those_of_the_modules(name: str, start: Tensor | None) -> None:
    model = language_model(name)
    step = next_scores_of(model)
    assert step != model.next_scores
    theirs, their_cache = written(model, model.next_scores, start, torch.float32)
    ours, our_cache = written(model, step, start, torch.float32)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    torch.testing.assert_close(
        our_cache.keys + our_cache.values, their_cache.keys + their_cache.values, rtol=1e-4, atol=1e-4
    )
    assert our_cache.length == their_cache.length


@compiled
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
@torch.inference_mode()
def test_rounded_weights_give_what_the_same_weights_give_in_float32(name: str, precision: ComputedIn) -> None:
    small, witness = language_model(name, precision), exact(language_model(name, precision))
    assert isinstance(witness, CausalLM)
    ours, _ = written(small, next_scores_of(small), None, torch.bfloat16)
    theirs, _ = written(witness, witness.next_scores, None, torch.float32)
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.999  # the prompt was read in bfloat16


@compiled
@torch.inference_mode()
def test_attention_that_is_sure_stays_finite() -> None:
    model = language_model("llama")
    random_weights(model, deviation=20.0)
    theirs, _ = written(model, model.next_scores, None, torch.float32)
    ours, _ = written(model, next_scores_of(model), None, torch.float32)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


@compiled
@pytest.mark.parametrize("family", TRANSLATORS)
@torch.inference_mode()
def test_answers_are_scored_as_by_the_modules_while_rows_come_and_go(family: str) -> None:
    model, _ = build(family, SIZE | {"depth": 2}, Shapes(tokens=TOKENS, max_tokens=32, answers=32))
    assert isinstance(model, EncoderDecoder)
    random_weights(model)
    model.eval()
    tokens = torch.randint(TOKENS, (ROWS, 12), generator=torch.Generator().manual_seed(3))
    outcomes = []
    for next_scores in (model.next_scores, next_scores_of(model)):
        encoded = model.encode(tokens, torch.tensor([12, 5, 1]))
        cache = Cache.empty(model.decoder.config, ROWS, 12, model.encoder.embedding.tokens.weight)
        found = []
        for n in range(8):
            if n == 4:
                kept = torch.tensor([2, 0, 0, 1])
                cache.select(kept)
                encoded = encoded.select(kept)
            given = tokens[:, n : n + 1] if n < 4 else tokens[kept, n : n + 1]
            found.append(next_scores(given, encoded, cache))
        outcomes.append(torch.cat(found))
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=1e-4, atol=1e-4 * float(outcomes[0].abs().max()))


@compiled
@torch.inference_mode()
def test_scores_are_float32_whatever_torch_s_default_is() -> None:
    model = language_model("gpt2")
    expected, _ = written(model, next_scores_of(model), None, torch.float32)
    torch.set_default_dtype(torch.float64)
    try:
        found, _ = written(model, next_scores_of(model), None, torch.float32)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)


@compiled
@torch.inference_mode()
def test_nothing_is_written_beyond_a_cache() -> None:
    model = language_model("gpt2")
    cache = Cache.empty(model.config, 2, 3, torch.zeros(()))
    model.next_scores(torch.zeros(2, 3, dtype=torch.long), None, cache)
    with pytest.raises(AssertionError):
        next_scores_of(model)(torch.zeros(2, 1, dtype=torch.long), None, cache)
    cache.length = 2
    with pytest.raises(AssertionError):
        next_scores_of(model)(torch.zeros(1, 1, dtype=torch.long), None, cache)


@compiled
@torch.inference_mode()
def test_many_texts_are_read_by_the_modules() -> None:
    model = language_model("llama")
    rows = MOST_TEXTS + 1
    tokens = torch.randint(TOKENS, (rows, 3), generator=torch.Generator().manual_seed(4))
    both = []
    for next_scores in (model.next_scores, next_scores_of(model)):
        cache = Cache.empty(model.config, rows, 3, model.trunk.embedding.tokens.weight)
        model.next_scores(tokens[:, :2], None, cache)
        both.append(next_scores(tokens[:, 2:], None, cache))
    assert torch.equal(*both)


@compiled
def test_where_there_is_a_compiler_there_is_a_library() -> None:
    assert native.library("decoder") is not None


def library_in(here: dict[str, str]) -> str:
    """What another process has of the loops."""
    words = "from danlu import native; print(native.library('decoder') is not None)"
    done = subprocess.run([sys.executable, "-c", words], env=os.environ | here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("setting", [{"DANLU_NATIVE": "0"}, {"CC": "false", "PATH": "/nowhere"}, {"CC": "/bin/false"}])
def test_without_a_compiler_the_modules_go_on(setting: dict[str, str]) -> None:
    assert library_in(setting) == "False"


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o700)
    return str(path)


def test_a_compiler_that_is_no_program_is_as_none(tmp_path: Path) -> None:
    assert library_in({"CC": script(tmp_path / "cc", "\x7fnothing"), "XDG_CACHE_HOME": str(tmp_path)}) == "False"


@compiled
def test_options_whose_result_cannot_be_loaded_are_not_the_last(tmp_path: Path) -> None:
    (tmp_path / "absent.c").write_text("void absent(void); void here(void) { absent(); }")
    cc = f'case "$*" in *"-fopenmp "*) exec {native.compiler()} "$@" {tmp_path}/absent.c;; esac'
    cc = script(tmp_path / "cc", f'#!/bin/sh\n{cc}\nexec {native.compiler()} "$@"\n')
    assert library_in({"CC": cc, "XDG_CACHE_HOME": str(tmp_path / "cache")}) == "True"


@compiled
@pytest.mark.parametrize("mode", [None, 0o777], ids=["no folder", "everybody's folder"])
def test_without_a_folder_of_its_own_nothing_is_left_behind(tmp_path: Path, mode: int | None) -> None:
    home = tmp_path / "home" if mode else Path("/proc/nowhere")
    kept, made = home / "danlu", tmp_path / "made"
    made.mkdir()
    if mode:
        kept.mkdir(parents=True)
        kept.chmod(mode)
    assert library_in({"XDG_CACHE_HOME": str(home), "TMPDIR": str(made)}) == "True"
    assert not [*made.iterdir()]
    assert not kept.is_dir() or not [*kept.iterdir()]
