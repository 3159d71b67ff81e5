"""BERT (Devlin et al. 2019), RoBERTa (Liu et al. 2019) and DistilBERT (Sanh et al. 2019): encoders of texts.

All three put the norms after the sums and learn their positions; BERT tells segments apart, RoBERTa counts positions
from behind the padding token, DistilBERT has no segments and another head.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import transformer
from danlu.models.dropout import Dropout
from danlu.models.family import TABLE, Family, epochs_for, power_of_two
from danlu.models.heads import Heads
from danlu.models.hub.layout import Layout, Rule, query_key_value
from danlu.models.inputs import Concat, table_parts
from danlu.models.scoring import scored
from danlu.models.transformer import MLP_ACTIVATIONS, Trunk, norm_of


class Config(transformer.Config):
    """BERT's choices."""

    norm_place: Literal["before", "after"] = Field("after", description="before each part, or after its sum")
    norm_eps: float = Field(1e-12, gt=0, description="added to the variance")
    final_norm: bool = Field(False, description="a normalisation after the last layer")
    embedding_norm: bool = Field(True, description="a normalisation of the embedded inputs")
    segments: int = Field(2, ge=0, description="kinds of segments that have a vector")
    causal: Literal[False] = Field(False, description="every position sees all others")
    cross: Literal[False] = Field(False, description="no encoder's outputs are looked at")
    pool: Literal["tanh", "relu"] = Field("tanh", description="activation of the layer before the heads")
    head_dropout: float = Field(0.1, ge=0, lt=1, description="before the heads")
    category_width: int = Field(8, ge=1, description="width of an embedded category")


class RobertaConfig(Config):
    """RoBERTa's choices; its published checkpoints have `position_offset` 2, as their padding token is 1."""

    norm_eps: float = Field(1e-5, gt=0, description="added to the variance")
    segments: int = Field(1, ge=0, description="kinds of segments that have a vector")
    position_offset: int = Field(1, ge=0, description="places of the position matrix before the first")


class DistilBertConfig(Config):
    """DistilBERT's choices."""

    segments: int = Field(0, ge=0, description="kinds of segments that have a vector")
    pool: Literal["tanh", "relu"] = Field("relu", description="activation of the layer before the heads")
    head_dropout: float = Field(0.2, ge=0, lt=1, description="before the heads")


class Classifier(nn.Module):
    """Inputs → {head: (B, size)}, from the vector of each row's first token, and the columns beside the text."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.trunk = Trunk(shapes.tokens, config)
        self.pool = nn.Linear(config.width, config.width)
        nn.init.normal_(self.pool.weight, std=0.02)
        nn.init.zeros_(self.pool.bias)
        self.activation = torch.tanh if config.pool == "tanh" else F.relu
        parts = table_parts(shapes, config.category_width)
        self.columns = Concat(parts) if parts else None
        self.dropout = Dropout(config.head_dropout)
        self.heads = Heads(config.width + (self.columns.width if self.columns else 0), shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = self.activation(self.pool(hidden_states(self.trunk, inputs)[:, 0]))
        if self.columns is not None:
            x = torch.cat([x, self.columns(inputs)], dim=1)
        return self.heads(self.dropout(x))


class Tagger(nn.Module):
    """Inputs → {head: (B, T, size)}, from the vector of each token."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.trunk = Trunk(shapes.tokens, config)
        self.dropout = Dropout(config.head_dropout)
        self.tags = Heads(config.width, shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.tags(self.dropout(hidden_states(self.trunk, inputs)))


class Reader(nn.Module):
    """Inputs → {head: (B, T, 2)}: scores of each token as the first and as the last of an answer."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.trunk = Trunk(shapes.tokens, config)
        self.ends = Heads(config.width, shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.ends(hidden_states(self.trunk, inputs))


class MaskedLM(nn.Module):
    """Inputs → {"logits": (B, T, tokens)}, as of `scored`: of the token at each position, by the token vectors.

    Of inputs that say which positions are `told`, (n, tokens): theirs alone, which costs a fraction. With
    `next_sentence` also {"next": (B, 2)}: whether the second text follows the first, from the first token's vector.
    """

    def __init__(self, config: Config, tokens: int, next_sentence: bool = False) -> None:
        super().__init__()
        self.trunk = Trunk(tokens, config)
        self.dense = nn.Linear(config.width, config.width)
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)
        self.activation = MLP_ACTIVATIONS[config.activation]
        self.norm = norm_of(config)
        self.bias = nn.Parameter(torch.zeros(tokens))
        self.next_sentence = next_sentence
        if next_sentence:
            self.pool, self.next = nn.Linear(config.width, config.width), nn.Linear(config.width, 2)
            for linear in (self.pool, self.next):
                nn.init.normal_(linear.weight, std=0.02)
                nn.init.zeros_(linear.bias)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = hidden_states(self.trunk, inputs)
        outputs = {"next": self.next(torch.tanh(self.pool(x[:, 0])))} if self.next_sentence else {}
        x = x[inputs["told"]] if "told" in inputs else x
        x = self.norm(self.activation(self.dense(x)))
        return outputs | scored(self, x, self.trunk.embedding.tokens.weight, self.bias)

    def scores(self, x: Tensor) -> Tensor:
        """(..., W) → (..., tokens)."""
        return F.linear(x, self.trunk.embedding.tokens.weight, self.bias)


def hidden_states(trunk: Trunk, inputs: dict[str, Tensor]) -> Tensor:
    """The vectors of the last layer, (B, T, W); those of padding mean nothing."""
    length = inputs.get("tokens_length")
    return trunk(
        inputs["tokens"],
        None if length is None else length.clamp_min(1),  # of an empty row: its padding
        segments=inputs.get("segments") if trunk.config.segments > 1 else None,
        documents=inputs.get("documents"),
    )


def _build(config: Config, shapes: Shapes) -> Classifier | Tagger | Reader | MaskedLM:
    if config.positions == "learned" and shapes.max_tokens > config.max_length:
        raise DanluError("models.too_long", longest=shapes.max_tokens, max_length=config.max_length)
    if 1 < config.segments < shapes.segments:
        raise DanluError("models.few_segments", segments=config.segments, needed=shapes.segments)
    if shapes.spans:
        return Reader(config, shapes)
    if shapes.per_token:
        return Tagger(config, shapes)
    if shapes.next_sentence and config.segments < 2:
        raise DanluError("masking.no_segments")
    return Classifier(config, shapes) if shapes.heads else MaskedLM(config, shapes.tokens, shapes.next_sentence)


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """A size that learns from thousands of texts without knowing them by heart; twice as deep for hidden tokens."""
    size = {"width": 256, "depth": 4} if rows >= 100_000 else {"width": 128, "depth": 2}
    if not shapes.heads:
        size |= {"depth": 2 * size["depth"]}
    return size | {"heads": 4, "max_length": max(shapes.max_tokens, 1)}


def _fields_with_segments(shapes: Shapes, rows: int) -> dict[str, Any]:
    """Questions and contexts have more kinds of segments than the texts of a pair, and long windows: half the width."""
    fields = _fields(shapes, rows)
    return fields | {"segments": shapes.segments, "width": fields["width"] // 2} if shapes.spans else fields


def _training(shapes: Shapes, rows: int) -> dict[str, Any]:
    if not shapes.heads:
        return _pretraining(rows)
    # answers are found late and all at once: larger steps, and no stop before the end
    reading = {"batch_size": 32, "epochs": epochs_for(rows, passes=40_000, least=4), "learning_rate": 1e-3}
    return _supervised(rows) | (reading | {"early_stopping": False} if shapes.spans else {})


def _supervised(rows: int) -> dict[str, Any]:
    return {
        "optimizer": "adamw",
        "batch_size": power_of_two(rows / 100, 32, 64),
        "epochs": epochs_for(rows, passes=60_000, least=4),
        "learning_rate": 5e-4,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 0.1,  # norms after the sums need it (Xiong et al. 2020)
        "clip": 1.0,
        "early_stopping": {"patience": 3},
        "keep": "best",
    }


def _pretraining(rows: int) -> dict[str, Any]:
    """Of hidden tokens, which are never the same twice: more passes than labels bear."""
    return {
        "optimizer": "adamw",
        "batch_size": power_of_two(rows / 100, 32, 128),
        "epochs": epochs_for(rows, passes=200_000, least=2, most=40),
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "schedule": "linear",
        "warmup": 0.1,
        "clip": 1.0,
        "early_stopping": False,
        "keep": "best",
        "precision": "bfloat16",
    }


def _rules(body: str, layer: str, parts: dict[str, str | tuple[str, ...]]) -> tuple[Rule, ...]:
    """Rules of the embeddings and the layers; `parts` maps ours within a layer to theirs."""
    inside = {ours: (theirs,) if isinstance(theirs, str) else theirs for ours, theirs in parts.items()}
    return (
        Rule("trunk.embedding.tokens", f"{body}.embeddings.word_embeddings"),
        Rule("trunk.embedding.positions", f"{body}.embeddings.position_embeddings"),
        Rule("trunk.embedding.segments", f"{body}.embeddings.token_type_embeddings"),
        Rule("trunk.embedding.norm", f"{body}.embeddings.LayerNorm"),
        *(
            Rule(
                f"trunk.layers.blocks.{{n}}.{ours}",
                tuple(f"{body}.{layer}.{{n}}.{each}" for each in theirs),
                rows=query_key_value if len(theirs) == 3 else None,
            )
            for ours, theirs in inside.items()
        ),
    )


_BERT_LAYER: dict[str, str | tuple[str, ...]] = {
    "attention.qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp.up": "intermediate.dense",
    "mlp.down": "output.dense",
    "mlp_norm": "output.LayerNorm",
}
_DISTILBERT_LAYER: dict[str, str | tuple[str, ...]] = {
    "attention.qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    "attention.out": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "mlp.up": "ffn.lin1",
    "mlp.down": "ffn.lin2",
    "mlp_norm": "output_layer_norm",
}
_ALWAYS: dict[str, Any] = {  # what is not among a config.json's settings
    "kv_heads": None,
    "head_width": None,
    "gated": False,
    "norm": "layer",
    "norm_place": "after",
    "final_norm": False,
    "embedding_norm": True,
    "embedding_scale": False,
    "positions": "learned",
    "window": None,
    "inner_dropout": 0.0,
    "bias": True,
    "qkv_bias": True,
    "out_bias": None,
    "qk_norm": False,
    "pool": "tanh",
}
_SETTINGS = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "activation": "hidden_act",
    "norm_eps": "layer_norm_eps",
    "max_length": "max_position_embeddings",
    "segments": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}
_NEEDS: dict[str, Any] = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def _head_dropout(theirs: Mapping[str, Any]) -> float:
    """Where it is not said, that of the layers."""
    said = theirs.get("classifier_dropout")
    return theirs["hidden_dropout_prob"] if said is None else said


def _bert_read(theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {"head_dropout": _head_dropout(theirs)}


def _bert_write(ours: Config, _: Shapes) -> dict[str, Any]:
    return {"classifier_dropout": ours.head_dropout, "intermediate_size": ours.inner, "pad_token_id": 0}


def _roberta_read(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Positions begin behind the padding token's number."""
    offset = theirs.get("pad_token_id", 1) + 1
    return {
        "head_dropout": _head_dropout(theirs),
        "position_offset": offset,
        "max_length": theirs["max_position_embeddings"] - offset,
    }


def _roberta_write(ours: Config, _: Shapes) -> dict[str, Any]:
    return {
        "classifier_dropout": ours.head_dropout,
        "intermediate_size": ours.inner,
        "pad_token_id": ours.position_offset - 1,
        "max_position_embeddings": ours.max_length + ours.position_offset,
    }


def _distilbert_write(ours: Config, _: Shapes) -> dict[str, Any]:
    return {"hidden_dim": ours.inner, "pad_token_id": 0}


BERT_LAYOUT = Layout(
    model_type="bert",
    tagger="BertForTokenClassification",
    reader="BertForQuestionAnswering",
    classifier="BertForSequenceClassification",
    language="BertForMaskedLM",
    pretraining="BertForPreTraining",
    rules=(
        *_rules("bert", "encoder.layer", _BERT_LAYER),
        Rule("pool", "bert.pooler.dense"),
        Rule("heads.linear", "classifier", output=True),
        Rule("tags.linear", "classifier", output=True),
        Rule("ends.linear", "qa_outputs"),
        Rule("dense", "cls.predictions.transform.dense"),
        Rule("norm", "cls.predictions.transform.LayerNorm"),
        Rule("bias", "cls.predictions.bias"),
        Rule("next", "cls.seq_relationship"),
    ),
    settings=_SETTINGS,
    needs=_NEEDS,
    always=_ALWAYS | {"position_offset": 0},
    prefix="bert.",
    heads=("bert.pooler.*", "classifier.*", "cls.*", "qa_outputs.*"),
    ignored=("*.position_ids", "cls.predictions.decoder.*"),
    read=_bert_read,
    write=_bert_write,
)
ROBERTA_LAYOUT = Layout(
    model_type="roberta",
    tagger="RobertaForTokenClassification",
    reader="RobertaForQuestionAnswering",
    classifier="RobertaForSequenceClassification",
    language="RobertaForMaskedLM",
    rules=(
        *_rules("roberta", "encoder.layer", _BERT_LAYER),
        Rule("pool", "classifier.dense"),
        Rule("heads.linear", "classifier.out_proj", output=True),
        Rule("tags.linear", "classifier", output=True),
        Rule("ends.linear", "qa_outputs"),
        Rule("dense", "lm_head.dense"),
        Rule("norm", "lm_head.layer_norm"),
        Rule("bias", "lm_head.bias"),
    ),
    settings=_SETTINGS,
    needs=_NEEDS | {"hidden_act": "gelu"},  # which its language head always has
    always=_ALWAYS | {"activation": "gelu"},
    prefix="roberta.",
    heads=("roberta.pooler.*", "classifier.*", "lm_head.*", "qa_outputs.*"),
    ignored=("*.position_ids", "lm_head.decoder.*"),
    read=_roberta_read,
    write=_roberta_write,
)
DISTILBERT_LAYOUT = Layout(
    model_type="distilbert",
    tagger="DistilBertForTokenClassification",
    reader="DistilBertForQuestionAnswering",
    classifier="DistilBertForSequenceClassification",
    language="DistilBertForMaskedLM",
    rules=(
        *_rules("distilbert", "transformer.layer", _DISTILBERT_LAYER),
        Rule("pool", "pre_classifier"),
        Rule("heads.linear", "classifier", output=True),
        Rule("tags.linear", "classifier", output=True),
        Rule("ends.linear", "qa_outputs"),
        Rule("dense", "vocab_transform"),
        Rule("norm", "vocab_layer_norm"),
        Rule("bias", "vocab_projector.bias"),
    ),
    settings={
        "width": "dim",
        "depth": "n_layers",
        "heads": "n_heads",
        "hidden": "hidden_dim",
        "activation": "activation",
        "max_length": "max_position_embeddings",
        "dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "head_dropout": "seq_classif_dropout",
    },
    needs={"tie_word_embeddings": True},
    always=_ALWAYS | {"position_offset": 0, "segments": 0, "norm_eps": 1e-12, "pool": "relu"},
    defaults={"seq_classif_dropout": 0.2},
    prefix="distilbert.",
    heads=("pre_classifier.*", "classifier.*", "vocab_*", "qa_outputs.*"),
    ignored=("*.position_ids", "vocab_projector.weight"),
    write=_distilbert_write,
)


def _family(
    name: str, config: type[Config], layout: Layout, fields: Callable[[Shapes, int], dict[str, Any]] = _fields
) -> Family:
    return Family(
        name=name,
        summary=f"models.{name}",
        config=config,
        reads={
            "text": ("tokens", *TABLE),
            "words": ("tokens",),
            "masked": ("tokens",),
            "passages": ("tokens", "segments"),
        },
        build=_build,
        fields=fields,
        training=_training,
        layout=layout,
        marked=True,
    )


BERT = _family("bert", Config, BERT_LAYOUT, _fields_with_segments)
ROBERTA = _family("roberta", RobertaConfig, ROBERTA_LAYOUT, _fields_with_segments)
DISTILBERT = _family("distilbert", DistilBertConfig, DISTILBERT_LAYOUT)
