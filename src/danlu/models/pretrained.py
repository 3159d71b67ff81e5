"""Pretrained: a checkpoint in the Hugging Face layout as what a model for the user's task begins with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from danlu.data.codec import Codec
from danlu.data.store import Shapes
from danlu.data.text import Checkpoint
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.models import family_named
from danlu.models.family import HubNames, epochs_for
from danlu.models.hub import files, llama2c
from danlu.models.hub.tokenizer import answer_tokenizer_json_of, forced_of, longest_text, tokenizer_json_of
from danlu.models.long_tail import PREFIX
from danlu.models.transformer import level_of
from danlu.recipe import DataConfig, Frozen
from danlu.words import Note

# Of an encoder-decoder, which keeps its head: every layer goes on alike.
ANSWERING: Mapping[str, Any] = {"learning_rate": 5e-5, "layer_decay": None, "label_smoothing": 0.1}
UNBOUNDED = 2048  # tokens of a text for a model whose config names no largest number of positions


@dataclass(frozen=True)
class Pretrained:
    """A checkpoint: the folder it lies in, its family, and its config.json; or what a folder of llama2.c holds."""

    name: str
    folder: Path
    family: str
    config: Mapping[str, Any]
    held: llama2c.Contents | None = None

    @classmethod
    def open(cls, name: str, family: str = "auto", progress: Progress | None = None) -> "Pretrained":
        """The checkpoint of a run, a folder or a name on the hub; after `transformers:`, for that library's model.

        Raises DanluError where there is none, danlu has no such family, or the recipe names another `family`.
        """
        place = name.removeprefix(PREFIX)
        folder = _served(files.checkpoint(place, progress))
        held = llama2c.contents(folder)
        config = held.config if held else files.read_config(folder)
        found = files.family_name(config) if place == name else f"{PREFIX}{config.get('model_type')}"
        if family not in ("auto", found):
            raise DanluError("models.other_family", name=place, found=found, asked=family)
        return cls(place, folder, found, config, held)

    @cached_property
    def layout(self) -> HubNames:
        """How the family maps to the checkpoint."""
        layout = family_named(self.family).layout
        assert layout, f"{self.family} is in FAMILY_OF and has no layout"
        return layout

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The fields of our config."""
        return self.layout.fields(self.config)

    @property
    def tokenizer(self) -> Checkpoint | None:
        """What reads texts for it; None where it takes no tokens."""
        if "vocab_size" not in self.config:
            return None
        said = (self.fields.get("max_length"), longest_text(self.folder))
        longest = min([length for length in said if length] or [UNBOUNDED])
        start = self.config.get("decoder_start_token_id", self.config.get("bos_token_id"))
        words = self.held.tokenizer_json if self.held else tokenizer_json_of(self.folder)
        forced = forced_of(files.read_generation(self.folder) or self.config)
        answers = answer_tokenizer_json_of(self.folder)
        return Checkpoint(words, longest, self.config["vocab_size"], start, answers, forced)

    def asked(self, data: DataConfig) -> DataConfig:
        """The recipe's data, images of the size and channels that the checkpoint knows where none are asked for."""
        if "image_size" not in self.config:
            return data
        said, image = self.config["image_size"], data.image
        size = tuple(said) if isinstance(said, list) else said
        placed = "patch_size" in self.config and "num_attention_heads" in self.config  # each patch has a learned place
        if placed and image.size not in (None, size):
            raise DanluError("models.image_size", name=self.name, size=str(size), asked=str(image.size))
        known = {
            "size": image.size or size,
            "channels": image.channels or self.config.get("num_channels", 3),
        }
        return data.model_copy(update={"image": image.model_copy(update=known)})

    def adapted(self, codec: Codec) -> Codec:
        """The codec, with the mean and deviation of pixels that the checkpoint was trained with."""
        if codec.images is None:
            return codec
        said = files.read_preprocessor(self.folder)
        mean, std = (
            tuple(255 * value for value in said.get(key) or [0.5] * codec.images.channels)
            for key in ("image_mean", "image_std")
        )
        return replace(codec, images=replace(codec.images, mean=mean, std=std))

    def load(self, module: nn.Module, config: Frozen, freeze: int | None) -> Note:
        """Set the module's weights, all but the new heads; the first `freeze` layers stay as they are.

        Says what is trained. Raises DanluError where tensors are missing, left over or of another shape.
        """
        tensors = self.held.tensors if self.held else files.read_tensors(self.folder)
        new = self.layout.load(module, tensors, config, new_task=True)
        if freeze is not None:
            _freeze(module, freeze)
        trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return Note(
            "models.pretrained",
            name=self.name,
            family=self.family,
            new=", ".join(new) or "–",
            trained=f"{trained:,}",
            total=f"{sum(p.numel() for p in module.parameters()):,}",
        )


def fine_tuning(shapes: Shapes, rows: int) -> dict[str, Any]:
    """Training settings for a pretrained model: small steps, smaller ones in lower layers (Howard & Ruder 2018)."""
    tagging = shapes.per_token and not shapes.spans  # of whose words few are entities: more steps, and larger ones
    return {
        "optimizer": "adamw",
        "learning_rate": 2e-4 if tagging else 1e-4,
        "layer_decay": 0.9 if shapes.heads else None,  # where no head is new, all layers know as much
        "batch_size": 16 if rows < 2_000 or shapes.per_token else 32,
        "epochs": epochs_for(
            rows, passes=17_000 if shapes.per_token else 30_000, least=2 if shapes.spans else 3, most=10
        ),
        "weight_decay": 0.01,
        "schedule": "linear",
        "warmup": 0.1,
        "clip": 1.0,
        "early_stopping": False,
        "keep": "best",
        "precision": "bfloat16",
        "augment": shapes.image is not None,
        **(ANSWERING if shapes.answers else {}),
    }


def _served(folder: Path) -> Path:
    """The model of a run's folder; any other folder itself."""
    return folder / "model" if (folder / "recipe.yaml").is_file() else folder


def _freeze(module: nn.Module, layers: int) -> None:
    """Embeddings and the first `layers` layers are not trained."""
    for name, parameter in module.named_parameters():
        level = level_of(name)
        if level is not None and level <= layers:
            parameter.requires_grad_(False)
