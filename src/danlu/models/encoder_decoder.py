"""Encoder-decoders (Vaswani et al. 2017): a source's tokens → scores of its answer's next token. Knows no family.

One vocabulary serves both sides, and one matrix of token vectors: for the source, the answer and the scores.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import transformer
from danlu.models.family import Family, epochs_for, power_of_two
from danlu.models.hub.layout import Layout, Rule, key_value, query_key_value
from danlu.models.scoring import scored
from danlu.models.transformer import Cache, Encoded, Trunk

SIZES: tuple[tuple[int, dict[str, Any]], ...] = (  # training pairs → size of the model
    (100_000, {"width": 512, "depth": 4, "heads": 8, "dropout": 0.1}),
    (5_000, {"width": 128, "depth": 3, "heads": 4, "dropout": 0.1}),  # wider ones see too little in ten minutes
    (0, {"width": 96, "depth": 2, "heads": 4, "dropout": 0.2}),
)


class Config(transformer.Config):
    """Two Transformers: one sees all of a source, the other writes and looks at what the first has made of it."""

    depth: int = Field(3, ge=1, description="layers of the encoder")
    decoder_depth: int | None = Field(None, ge=1, description="layers of the decoder; else as many as the encoder's")
    norm_place: Literal["before", "after"] = Field("after", description="before each part, or after its sum")
    final_norm: bool = Field(False, description="a normalisation after the last layer")
    segments: Literal[0] = Field(0, description="no segments are told apart")
    causal: Literal[False] = Field(False, description="every position of a source sees all others")
    cross: Literal[False] = Field(False, description="only the decoder looks at an encoder's outputs")

    @property
    def decoder(self) -> transformer.Config:
        """The settings of the Transformer that writes; those of the other are these."""
        return self.model_copy(update={"depth": self.decoder_depth or self.depth, "causal": True, "cross": True})


class EncoderDecoder(nn.Module):
    """Inputs → {"logits": (B, U, tokens)}, as of `scored`: scores of what follows each position of the answer."""

    def __init__(self, config: Config, tokens: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = Trunk(tokens, config)
        self.decoder = Trunk(None, config.decoder)
        self.bias = nn.Parameter(torch.zeros(tokens))
        _begin(self)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        # what pads an answer's end needs no mask: no real position sees it, and it has no target
        encoded = self.encode(inputs["tokens"], inputs["tokens_length"])
        return scored(self, self._decoded(inputs["answer"], encoded), self.encoder.embedding.tokens.weight, self.bias)

    def encode(self, tokens: Tensor, length: Tensor) -> Encoded:
        """tokens (B, S), of which the first `length` (B,) are real → what the decoder sees of them; never padding."""
        length = length.clamp_min(1)  # of an empty row: its padding
        inside = torch.arange(tokens.shape[1], device=tokens.device) < length[:, None]
        return self.looked_at(tokens, self.encoder(tokens, length), inside)

    def looked_at(self, tokens: Tensor, states: Tensor, inside: Tensor) -> Encoded:
        """What the decoder sees of tokens (B, S), their states (B, S, W), and which are real (B, S)."""
        return self.decoder.layers.looked_at(states, inside)

    def next_scores(self, tokens: Tensor, encoded: Encoded, cache: Cache) -> Tensor:
        """tokens (B, t) behind those of `cache` → (B, tokens), scores of what follows in the answers."""
        return self.scores(self._decoded(tokens, encoded, cache)[:, -1])

    def scores(self, x: Tensor) -> Tensor:
        """(..., W) → (..., tokens)."""
        return F.linear(x, self.encoder.embedding.tokens.weight, self.bias)

    def _decoded(self, answer: Tensor, encoded: Encoded, cache: Cache | None = None) -> Tensor:
        return self.decoder(answer, encoded=encoded, cache=cache, vectors=self.encoder.embedding.tokens.weight)


def _begin(model: EncoderDecoder) -> None:
    """Matrices that keep variances (Glorot & Bengio 2010), as norms after the sums want; token vectors of length 1."""
    for name, parameter in model.named_parameters():
        if "embedding." not in name and parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter)
    nn.init.normal_(model.encoder.embedding.tokens.weight, std=model.config.width**-0.5)


def built(model: type[EncoderDecoder], config: Config, shapes: Shapes) -> EncoderDecoder:
    """The model; DanluError where sources or answers outgrow learned positions."""
    longest = max(shapes.max_tokens, shapes.answers)
    if config.positions == "learned" and longest > config.max_length:
        raise DanluError("models.too_long", longest=longest, max_length=config.max_length)
    return model(config, shapes.tokens)


def fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """A size that suits so many pairs."""
    size = next(size for least, size in SIZES if rows >= least)
    return size | {"max_length": max(shapes.max_tokens, shapes.answers, 1)}


def training(shapes: Shapes, rows: int) -> dict[str, Any]:
    """As small translators are trained from scratch (Vaswani et al. 2017), with the rate that these sizes bear."""
    return {
        "optimizer": "adamw",
        "betas": (0.9, 0.98),
        "epochs": epochs_for(rows, passes=300_000, least=3),
        "batch_size": power_of_two(rows / 300, 32, 64),
        "learning_rate": 3e-3 if rows < 100_000 else 1e-3,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 0.1,  # norms after the sums need it (Xiong et al. 2020)
        "clip": 1.0,
        "label_smoothing": 0.1,
        "early_stopping": {"patience": 3},
        "keep": "best",
        "precision": "bfloat16",
    }


def family(
    name: str, config: type[Config], layout: Layout | None, model: type[EncoderDecoder] = EncoderDecoder
) -> Family:
    """The family of that name; its settings, its layout and what its model does otherwise are all that is its own."""
    return Family(
        name=name,
        summary=f"models.{name}",
        config=config,
        reads={"pairs": ("tokens", "answer")},
        build=partial(built, model),
        fields=fields,
        training=training,
        layout=layout,
    )


# Of the layouts of these families:
NEEDS: dict[str, Any] = {
    "is_encoder_decoder": True,
    "tie_word_embeddings": True,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
}
ALWAYS: dict[str, Any] = {
    "kv_heads": None,
    "head_width": None,
    "gated": False,
    "norm": "layer",
    "norm_place": "after",
    "norm_eps": 1e-5,
    "final_norm": False,
    "segments": 0,
    "causal": False,
    "cross": False,
    "window": None,
    "bias": True,
    "qkv_bias": True,
    "out_bias": None,
    "qk_norm": False,
}
SETTINGS = {
    "width": "d_model",
    "depth": "encoder_layers",
    "decoder_depth": "decoder_layers",
    "heads": "encoder_attention_heads",
    "hidden": "encoder_ffn_dim",
    "activation": "activation_function",
    "embedding_scale": "scale_embedding",
    "max_length": "max_position_embeddings",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "inner_dropout": "activation_dropout",
}
DEFAULTS: dict[str, Any] = {
    "activation_function": "gelu",
    "scale_embedding": False,
    "max_position_embeddings": 1024,
    "dropout": 0.1,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
}
MARKS: dict[str, Any] = {
    **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),  # None, until a tokenizer tells them
    "decoder_start_token_id": 0,
    "forced_bos_token_id": None,  # where nothing is said, transformers forces a token of its own choice
    "forced_eos_token_id": None,
}
SAME = {
    "model.shared.weight": (
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    )
}


def rules(embedding: dict[str, str]) -> tuple[Rule, ...]:
    """Rules of the weights; `embedding` maps ours within an embedding to theirs."""
    return (
        Rule("encoder.embedding.tokens", "model.shared"),
        Rule("bias", "final_logits_bias", row=True),
        *(
            Rule(f"{side}.embedding.{ours}", f"model.{side}.{theirs}")
            for side in ("encoder", "decoder")
            for ours, theirs in embedding.items()
        ),
        *_block_rules("encoder"),
        *_block_rules("decoder"),
        *_cross_rules(),
    )


def read(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing beyond the tables; DanluError where the decoder has other heads or layers than the encoder."""
    for part in ("attention_heads", "ffn_dim"):
        encoder, decoder = theirs[f"encoder_{part}"], theirs.get(f"decoder_{part}")
        if decoder not in (None, encoder):
            raise DanluError("hub.cannot_represent", key=f"decoder_{part}", value=decoder, fits=encoder)
    return {}


def write(ours: Config, _: Shapes) -> dict[str, Any]:
    """Keys of theirs that the tables do not give."""
    return {
        "decoder_layers": ours.decoder.depth,
        "decoder_attention_heads": ours.heads,
        "encoder_ffn_dim": ours.inner,
        "decoder_ffn_dim": ours.inner,
        **MARKS,
    }


def _block_rules(side: str) -> Iterator[Rule]:
    ours, theirs = f"{side}.layers.blocks.{{n}}", f"model.{side}.layers.{{n}}"
    three = tuple(f"{theirs}.self_attn.{each}_proj" for each in "qkv")
    yield Rule(f"{ours}.attention.qkv", three, rows=query_key_value)
    yield Rule(f"{ours}.attention.out", f"{theirs}.self_attn.out_proj")
    yield Rule(f"{ours}.attention_norm", f"{theirs}.self_attn_layer_norm")
    yield Rule(f"{ours}.mlp.up", f"{theirs}.fc1")
    yield Rule(f"{ours}.mlp.down", f"{theirs}.fc2")
    yield Rule(f"{ours}.mlp_norm", f"{theirs}.final_layer_norm")


def _cross_rules() -> Iterator[Rule]:
    ours, theirs = "decoder.layers.blocks.{n}.cross", "model.decoder.layers.{n}.encoder_attn"
    yield Rule(f"{ours}.q", f"{theirs}.q_proj")
    yield Rule(f"{ours}.kv", (f"{theirs}.k_proj", f"{theirs}.v_proj"), rows=key_value)
    yield Rule(f"{ours}.out", f"{theirs}.out_proj")
    yield Rule(f"{ours}_norm", f"{theirs}_layer_norm")
