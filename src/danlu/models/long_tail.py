"""The long tail: an architecture of the transformers library as a family, by the name `transformers:TYPE`.

transformers is imported where one is asked for, as that takes seconds. Nothing but its own code is run, whatever a
checkpoint's config.json says.
"""

import difflib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.data.store import Modality, Shapes, Store
from danlu.errors import DanluError
from danlu.models import bert, gpt2, vit
from danlu.models.family import Family
from danlu.models.heads import split_heads
from danlu.models.hub import files
from danlu.models.inputs import Pixels, steps_inside
from danlu.models.transformer import places
from danlu.recipe import Frozen

PREFIX = "transformers:"
MAPPINGS: Mapping[Modality, tuple[str, str]] = {  # what is read → transformers' table of the models that answer it
    "text": ("tokens", "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING"),
    "words": ("tokens", "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING"),
    "stream": ("tokens", "MODEL_FOR_CAUSAL_LM_MAPPING"),
    "image": ("image", "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING"),
}
INNER = ("intermediate_size", "d_inner", "ffn_dim", "d_ff", "n_inner")  # names for the width inside a layer
LONGEST = ("max_position_embeddings", "n_positions")  # names for the number of positions
LEFT_OUT = (  # of a config.json: what names code or kernels, and what is said anew
    "auto_map", "attn_implementation", "experts_implementation", "quantization_config",
    "architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "num_labels", "danlu",
)  # fmt: skip
ROOM = 2  # positions beyond the longest text: some architectures count from behind the padding token's number


class Config(Frozen):
    """The sizes that most architectures have under some name, and whatever else theirs has."""

    width: int | None = Field(None, ge=1, description="hidden_size, by whatever name; else the architecture's own")
    depth: int | None = Field(None, ge=1, description="num_hidden_layers, by whatever name; else its own")
    heads: int | None = Field(None, ge=1, description="num_attention_heads, by whatever name; else its own")
    max_length: int | None = Field(None, ge=1, description="max_position_embeddings, by whatever name; else its own")
    settings: dict[str, Any] = Field({}, description="further keys of the architecture's config.json")


class TextModel(nn.Module):
    """Inputs → {head: (B, size)}, or (B, T, size) where `per_token`, by one of transformers' models."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.model, self.sizes = model, dict(shapes.heads)
        self.with_segments = "token_type_ids" in _arguments(model)
        # what looks at a row's last position wants the padding before the text
        self.padded_before = getattr(model.config, "summary_type", "") == "last" and not shapes.per_token

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        tokens, length = inputs["tokens"], inputs["tokens_length"].clamp_min(1)  # of an empty row: its padding
        inside = steps_inside(length, tokens.shape[1])
        given = {"input_ids": tokens.masked_fill(~inside, self.model.config.pad_token_id), "attention_mask": inside}
        if self.with_segments and "segments" in inputs:
            given["token_type_ids"] = inputs["segments"]
        if self.padded_before:
            given = {name: at_the_end(values, length) for name, values in given.items()}
        given["attention_mask"] = given["attention_mask"].long()
        return split_heads(self.model(**given).logits, self.sizes)


class ImageModel(nn.Module):
    """Inputs → {head: (B, size)}, by one of transformers' models."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        super().__init__()
        assert shapes.heads
        self.pixels, self.model, self.sizes = Pixels(shapes), model, dict(shapes.heads)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return split_heads(self.model(pixel_values=self.pixels(inputs["image"])).logits, self.sizes)


class LanguageModel(nn.Module):
    """Inputs → {"logits": (B, T, tokens)}: scores of the token that follows each position."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.arguments = {"use_cache", "attention_mask"} & {*_arguments(model)}

    @property
    def positions(self) -> int | None:
        """The largest number of positions; None where there is none."""
        return positions_of(self.model.config)

    def _apply(self, fn: Any, recurse: bool = True) -> "LanguageModel":
        """What changes the model's type leaves rotary frequencies as they are: far places hang on each digit."""
        exact = {name: buffer for name, buffer in self.named_buffers() if name.endswith("inv_freq")}
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            owner, _, own = name.rpartition(".")
            setattr(self.get_submodule(owner), own, buffer.to(self.get_buffer(name).device))
        return self

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        tokens, documents = inputs["tokens"], inputs.get("documents")
        if documents is None:  # what pads a row's end needs no mask: no real position sees it
            return {"logits": self._scores(tokens)}
        # one row for each document: not every architecture can be told what a position may see
        place = places(tokens, 0, documents, None).flatten()
        row = (place == 0).cumsum(0) - 1
        alone = tokens.new_zeros(int(row[-1]) + 1, int(place.max()) + 1)
        alone[row, place] = tokens.flatten()
        return {"logits": self._scores(alone)[row, place].unflatten(0, tokens.shape)}

    def _scores(self, tokens: Tensor) -> Tensor:
        given = {"use_cache": False, "attention_mask": torch.ones_like(tokens)}  # else it warns of padding
        return self.model(input_ids=tokens, **{name: given[name] for name in self.arguments}).logits


class Library:
    """How models of an architecture are named in the Hugging Face layout: as transformers itself reads and writes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fields(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of our Config: all of theirs but what would have other code run, or is a file's own affair."""
        if "quantization_config" in theirs:
            raise DanluError("models.quantized")
        settings = {k: v for k, v in theirs.items() if k not in LEFT_OUT and not k.startswith("_")}
        longest = next((theirs[name] for name in LONGEST if theirs.get(name)), None)
        return {"settings": settings, "max_length": longest}

    def config(self, ours: Config, shapes: Shapes, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Their config.json of our Config; DanluError where there are several targets."""
        if shapes.heads and len(shapes.heads) > 1:
            raise DanluError("hub.several_targets", targets=", ".join(shapes.heads))
        theirs = _their_config(self.kind, ours, shapes)
        if labels:
            theirs.id2label = dict(enumerate(labels))
            theirs.label2id = {name: number for number, name in enumerate(labels)}
        theirs.architectures = [_model_class(theirs, shapes).__name__]
        return json.loads(theirs.to_json_string())

    def load(
        self, module: nn.Module, theirs: Mapping[str, Tensor], config: Config, *, new_task: bool = False
    ) -> list[str]:
        """Set the weights of our module from their tensors; the names of those that keep the values they began with.

        For a `new_task` no head of a classifier is taken, and heads of other tasks are left aside. Raises one
        DanluError that names all missing, extra and misshapen tensors.
        """
        assert isinstance(module, TextModel | ImageModel | LanguageModel)
        model = module.model
        body = f"{model.base_model_prefix}."
        new = {name for name in model.state_dict() if not name.startswith(body)}
        if new_task and not isinstance(module, LanguageModel):
            theirs = {name: tensor for name, tensor in theirs.items() if name not in new}
        with _quiet():
            module.model, told = type(model).from_pretrained(
                None, config=model.config, state_dict=dict(theirs), output_loading_info=True,
                ignore_mismatched_sizes=True, dtype=torch.float32,
            )  # fmt: skip
        missing, extra = ({*told[f"{name}_keys"]} for name in ("missing", "unexpected"))
        misshapen = [f"{name} {tuple(found)} ≠ {tuple(wanted)}" for name, found, wanted in told["mismatched_keys"]]
        kept = {name for name in missing if name in new or ".pooler." in name} if new_task else set()
        aside = {name for name in extra if not name.startswith(body) or ".pooler." in name} if new_task else set()
        if missing - kept or extra - aside or misshapen:
            each = (", ".join(sorted(names)) or "-" for names in (missing - kept, extra - aside, misshapen))
            raise DanluError("hub.wrong_tensors", **dict(zip(("missing", "extra", "misshapen"), each, strict=True)))
        return sorted(kept)

    def tensors(self, module: nn.Module, config: Config) -> dict[str, Tensor]:
        """Their tensors of our module's weights."""
        assert isinstance(module, TextModel | ImageModel | LanguageModel)
        with TemporaryDirectory() as folder, _quiet():
            module.model.save_pretrained(folder)
            return files.read_tensors(Path(folder))


@cache
def family(kind: str) -> Family:
    """The family of a model_type; DanluError where transformers is not there or has no such architecture."""
    library = _transformers()
    if kind not in library.CONFIG_MAPPING:
        near = difflib.get_close_matches(kind, list(library.CONFIG_MAPPING), n=5, cutoff=0.5)
        raise DanluError("models.unknown_type", kind=kind, nearest=", ".join(near) or "–")
    known = library.CONFIG_MAPPING[kind]
    reads = {what: (name,) for what, (name, table) in MAPPINGS.items() if known in getattr(library, table)}
    return Family(
        name=PREFIX + kind,
        summary="models.long_tail",
        config=Config,
        reads=reads,
        build=partial(_build, kind),
        fields=_fields,
        training=lambda shapes, rows: _like(shapes).training(shapes, rows),
        prepare=_refuse_foresight,
        layout=Library(kind),
    )


def at_the_end(values: Tensor, length: Tensor) -> Tensor:
    """Rows (B, T) with what pads their end at their beginning instead."""
    steps = values.shape[1]
    place = torch.arange(steps, device=values.device) - (steps - length)[:, None]
    return values.gather(1, place % steps)


def positions_of(theirs: Any) -> int | None:
    """The largest number of positions of a model with this config of theirs; None where it names none."""
    named = theirs.to_dict().get(theirs.attribute_map.get("max_position_embeddings", "max_position_embeddings"))
    return named if named and named > 0 else None


def _build(kind: str, config: Config, shapes: Shapes) -> TextModel | ImageModel | LanguageModel:
    theirs = _their_config(kind, config, shapes)
    with _quiet():
        model = _model_class(theirs, shapes)._from_config(theirs, dtype=torch.float32)
    if shapes.image:
        return ImageModel(model, shapes)
    longest = positions_of(theirs)
    if longest and shapes.max_tokens > longest:
        raise DanluError("models.too_long", longest=shapes.max_tokens, max_length=longest)
    if not shapes.heads:
        return LanguageModel(model)
    if "attention_mask" not in _arguments(model):
        raise DanluError("models.no_mask", kind=kind)
    return TextModel(model, shapes)


def _model_class(theirs: Any, shapes: Shapes) -> Any:
    """Their class with the heads that these shapes ask for."""
    what: Modality = "image" if shapes.image else "words" if shapes.per_token else "text" if shapes.heads else "stream"
    found = getattr(_transformers(), MAPPINGS[what][1])[type(theirs)]
    return found[0] if isinstance(found, tuple) else found


def _their_config(kind: str, config: Config, shapes: Shapes) -> Any:
    """Their config of our Config, for inputs and heads of these shapes.

    What the recipe sets wins over derived sizes in a new model, and over what a checkpoint says; inputs and heads over
    all.
    """
    from huggingface_hub.errors import StrictDataclassError

    known = _transformers().CONFIG_MAPPING[kind]
    new = "model_type" not in config.settings
    with _quiet():
        names = known().to_dict()
        named = partial(_by_their_names, known.attribute_map)
        sizes = named(_sizes(config, names) | _sight(shapes) | (_start(shapes, names) if new else {}))
        asked = named(config.settings)
        values = (sizes | asked if new else asked | sizes) | named(_inputs_and_heads(shapes))
        try:
            return known.from_dict({k: v for k, v in values.items() if k in names or k in asked or k == "num_labels"})
        except (TypeError, ValueError, StrictDataclassError) as error:
            raise DanluError("models.bad_settings", kind=kind, why=" ".join(str(error).split())[:300]) from None


def _by_their_names(their_names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {their_names.get(name, name): value for name, value in values.items()}


def _sizes(config: Config, names: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes under their common names; those of an architecture with `names` in stages grow from stage to stage."""
    sizes: dict[str, Any] = {"max_position_embeddings": config.max_length} if config.max_length else {}
    if config.width:
        sizes |= {"hidden_size": config.width, **dict.fromkeys(INNER, 4 * config.width)}
        if isinstance(names.get("hidden_sizes"), list):
            sizes["hidden_sizes"] = [config.width * 2**stage for stage in range(len(names["hidden_sizes"]))]
    if config.depth:
        staged = isinstance(names.get("depths"), list)
        sizes |= {"depths": [config.depth] * len(names["depths"])} if staged else {"num_hidden_layers": config.depth}
    if config.heads:
        sizes |= {"num_attention_heads": config.heads, "num_key_value_heads": config.heads}
    return sizes


def _start(shapes: Shapes, names: Mapping[str, Any]) -> dict[str, Any]:
    """What a model that begins from nothing has of danlu: the marks of its tokenizer, patches that suit the images."""
    if shapes.image is None:
        return {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    whole = isinstance(names.get("patch_size"), int) and "num_attention_heads" in names
    return {"patch_size": vit.FAMILY.fields(shapes, 0)["patch"]} if whole else {}


def _sight(shapes: Shapes) -> dict[str, Any]:
    """Settings by which an architecture that can see both directions sees what came before alone, as a writer must."""
    return {} if shapes.heads else {"is_decoder": True, "attn_type": "uni"}


def _inputs_and_heads(shapes: Shapes) -> dict[str, Any]:
    if shapes.image is None:
        inputs: dict[str, Any] = {"vocab_size": shapes.tokens}
    else:
        channels, height, width = shapes.image
        inputs = {"num_channels": channels, "image_size": height if height == width else (height, width)}
    return inputs | ({"num_labels": sum(shapes.heads.values())} if shapes.heads else {})


def _fields(shapes: Shapes, rows: int) -> dict[str, Any]:
    """The size of our own model that reads the same rows."""
    suited = _like(shapes).fields(shapes, rows)
    sizes = {name: suited[name] for name in ("width", "depth", "heads")}
    return sizes | ({} if shapes.image else {"max_length": max(shapes.max_tokens, 1) + ROOM})


def _like(shapes: Shapes) -> Family:
    """Our own family that reads the same rows."""
    if shapes.image:
        return vit.FAMILY
    return bert.BERT if shapes.heads else gpt2.FAMILY


@torch.no_grad()
def _refuse_foresight(module: nn.Module, store: Store) -> None:
    """DanluError for a language model whose scores change with later tokens: it would learn to copy them."""
    if not isinstance(module, LanguageModel):
        return
    module.eval()
    one, other = (module({"tokens": torch.tensor([[1, 1, 1, last]])})["logits"][:, :-1] for last in (0, 1))
    if not torch.allclose(one, other, atol=1e-6):
        raise DanluError("models.sees_ahead", kind=module.model.config.model_type)


def _arguments(model: Any) -> Mapping[str, Any]:
    return inspect.signature(model.forward).parameters


def _transformers() -> Any:
    """The library; DanluError where it is not installed."""
    try:
        import transformers
    except ModuleNotFoundError:
        raise DanluError("models.no_transformers") from None
    return transformers


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own progress bars and reports: what must be told, danlu tells."""
    logging = _transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
