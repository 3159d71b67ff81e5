"""Layout: what a family's settings and weights are called in a Hugging Face checkpoint. Knows no files and no family.

"Theirs" are the names of transformers' config.json and state_dict, "ours" those of danlu's Config and modules.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.models import transformer

ACTIVATIONS: dict[str, transformer.MlpActivation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}  # of norms, in checkpoints that came from TensorFlow


def query_key_value(config: transformer.Config) -> tuple[int, int, int]:
    """Outputs of the queries, the keys and the values, which ours holds in one matrix."""
    keys = config.key_heads * config.per_head
    return config.heads * config.per_head, keys, keys


def key_value(config: transformer.Config) -> tuple[int, int]:
    """Outputs of the keys and the values that look at an encoder, which ours holds in one matrix."""
    return (config.heads * config.per_head,) * 2


def gate_and_up(config: transformer.Config) -> tuple[int, int]:
    """Outputs of the gate and of what it gates, which ours holds in one matrix."""
    return config.inner, config.inner


@dataclass(frozen=True)
class Rule:
    """Where the numbers of one of ours are among theirs; `{n}` is the layer in both.

    Names stand for themselves, or for what they hold: "head" for "head.weight" and "head.bias". Several of theirs,
    one below another, are one of ours: `rows` says how many outputs each of them has.
    """

    ours: str
    theirs: str | tuple[str, ...]
    rows: Callable[[Any], Sequence[int]] | None = None
    transposed: bool = False  # theirs is (inputs, outputs): the Conv1D of GPT-2
    row: bool = False  # theirs is a matrix of one row: (1, outputs)
    output: bool = False  # the last matrix of a classifier, which means nothing to another task

    def parts(self, name: str) -> tuple[str, ...] | None:
        """Their names of our tensor `name`; None where the rule is of another."""
        found = re.fullmatch(
            re.escape(self.ours).replace(r"\{n\}", r"(?P<n>\d+)") + r"(?P<leaf>\.(weight|bias))?", name
        )
        if found is None:
            return None
        theirs = (self.theirs,) if isinstance(self.theirs, str) else self.theirs
        layer = found.groupdict().get("n") or ""
        return tuple(each.replace("{n}", layer) + (found["leaf"] or "") for each in theirs)


@dataclass
class Flaws:
    """What keeps a checkpoint's tensors from being a model's weights, by their names."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, Tensor]) -> "Flaws":
        """What `given` lacks of tensors with these shapes."""
        missing = [name for name in shapes if name not in given]
        sizes = {name: (tuple(given[name].shape), shape) for name, shape in shapes.items() if name in given}
        misshapen = [f"{name} {found} ≠ {shape}" for name, (found, shape) in sizes.items() if found != shape]
        return cls(missing, [], misshapen)

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.misshapen)

    def add(self, other: "Flaws") -> None:
        """These and the other's."""
        self.missing += other.missing
        self.misshapen += other.misshapen


def nothing_more(_: Mapping[str, Any]) -> dict[str, Any]:
    """For layouts whose tables say all."""
    return {}


def nothing_computed(_: Any) -> dict[str, Tensor]:
    """For layouts whose tensors are all weights."""
    return {}


def nothing_more_to_say(_config: Any, _shapes: Shapes) -> dict[str, Any]:
    """For layouts whose tables say all."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tables of one family.

    `settings` maps fields of our Config to theirs; a key that config.json lacks has its value in `defaults`.
    `needs` are keys of theirs with the only value that we can represent, `always` fields of ours likewise.
    `read(their config)` gives fields of ours, `write(our config, shapes)` keys of theirs, beyond the tables.
    `same` maps a name of theirs to others under which a file may hold that tensor instead.
    `prefix` begins the names of all but the heads, and is left out where the body was saved alone. `heads` are
    patterns of their tensors that only some tasks have, `ignored` of those that hold nothing of their own.
    `local` are patterns of our tensors that they have no place for. `computed(our config)` gives tensors of theirs that
    are no weights, which we work out when they are needed.
    """

    model_type: str
    rules: tuple[Rule, ...]
    settings: Mapping[str, str]
    classifier: str | None = None  # their class with one output per label
    tagger: str | None = None  # their class with one output per label for each token
    reader: str | None = None  # their class that tells where an answer begins and ends
    language: str | None = None  # their class that scores tokens
    pretraining: str | None = None  # their class that also tells whether a text follows another
    prefix: str = ""
    heads: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    same: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    local: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, Any] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    computed: Callable[[Any], dict[str, Tensor]] = nothing_computed
    read: Callable[[Mapping[str, Any]], dict[str, Any]] = nothing_more
    write: Callable[[Any, Shapes], dict[str, Any]] = nothing_more_to_say

    def fields(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of our Config; DanluError where a key is not there, or asks for what we do not have."""
        for key, needed in self.needs.items():
            if theirs.get(key) not in (None, needed):
                raise DanluError("hub.cannot_represent", key=key, value=theirs[key], fits=needed)
        values = {ours: self._value(theirs, key) for ours, key in self.settings.items()}
        if "activation" in values:
            values["activation"] = _activation(self.settings["activation"], values["activation"])
        return values | dict(self.always) | self.read(theirs)

    def config(self, ours: Any, shapes: Shapes, labels: Sequence[str] = ()) -> dict[str, Any]:
        """Their config.json of our Config; `labels` name the outputs of a classifier.

        DanluError where transformers has no place for the model: columns beside the main input, several targets, or
        a field with a value that this architecture does not have.
        """
        _refuse_shapes(shapes)
        for name, needed in self.always.items():
            if getattr(ours, name) != needed:
                raise DanluError("hub.cannot_write_field", name=name, value=getattr(ours, name), fits=needed)
        values = {key: getattr(ours, name) for name, key in self.settings.items()}
        if "activation" in self.settings:
            values[self.settings["activation"]] = _their_activation(ours.activation)
        vocabulary = {"vocab_size": shapes.tokens} if shapes.tokens else {}
        return {
            "model_type": self.model_type,
            "architectures": [self._architecture(shapes)],
            **values,
            **self.needs,
            **vocabulary,
            **(_labelled(shapes.heads, labels) if shapes.heads and not shapes.spans else {}),
            **self.write(ours, shapes),
        }

    def _architecture(self, shapes: Shapes) -> str | None:
        if shapes.spans:
            return self.reader
        if shapes.per_token:
            return self.tagger
        if shapes.next_sentence:
            return self.pretraining
        return self.classifier if shapes.heads else self.language

    def load(
        self, module: nn.Module, theirs: Mapping[str, Tensor], config: Any, *, new_task: bool = False
    ) -> list[str]:
        """Set the weights of our module from their tensors; the names of ours that keep the values they began with.

        For a `new_task` heads are taken where they are there and fit, the last matrix of a classifier never, and
        heads of other tasks are left aside. Raises one DanluError that names all missing, extra and misshapen tensors.
        """
        given = self._named(theirs)
        flaws = Flaws()
        kept: list[str] = []
        used: set[str] = set()
        for name, tensor in self._held(module):
            rule, parts = self._rule(name)
            used.update(parts)
            shapes = [tuple(piece.shape) for piece in _pieces(rule, tensor, config)]
            found = Flaws.of(dict(zip(parts, shapes, strict=True)), given)
            if new_task and (rule.output or (found and all(_matches(part, self.heads) for part in parts))):
                kept.append(name)
            elif found:
                flaws.add(found)
            else:
                with torch.no_grad():
                    tensor.copy_(_joined(rule, [given[part] for part in parts]))
        flaws.extra = [n for n in given if n not in used and not (new_task and _matches(n, self.heads))]
        if flaws:
            missing, extra, misshapen = (", ".join(names) or "-" for names in vars(flaws).values())
            raise DanluError("hub.wrong_tensors", missing=missing, extra=extra, misshapen=misshapen)
        return kept

    def tensors(self, module: nn.Module, config: Any) -> dict[str, Tensor]:
        """Their tensors of our module's weights."""
        return dict(self._split(module, config)) | self.computed(config)

    def labels(self, theirs: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of a classifier's outputs, in their order; none where the checkpoint is no classifier."""
        if self.classifier not in (theirs.get("architectures") or ()):
            return ()
        names = theirs.get("id2label") or {i: f"LABEL_{i}" for i in range(theirs.get("num_labels", 2))}
        return tuple(names[i] for i in sorted(names, key=int))

    def _split(self, module: nn.Module, config: Any) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self._held(module):
            rule, parts = self._rule(name)
            for part, piece in zip(parts, _pieces(rule, tensor, config), strict=True):
                yield part, piece.contiguous()

    def _held(self, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Our tensors that they have a place for."""
        return ((n, tensor) for n, tensor in module.state_dict().items() if not _matches(n, self.local))

    def _rule(self, name: str) -> tuple[Rule, tuple[str, ...]]:
        found = next(((rule, parts) for rule in self.rules if (parts := rule.parts(name))), None)
        assert found, f"no rule for {name}"
        return found

    def _named(self, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Their tensors by their names in the whole model, without those that hold nothing of their own."""
        alone = not any(name.startswith(self.prefix) for name in theirs)
        named = {(self.prefix if alone else "") + _today(name): tensor for name, tensor in theirs.items()}
        for name, others in self.same.items():
            found = [named.pop(each) for each in (name, *others) if each in named]
            if found:
                named[name] = found[0]
        return {name: tensor for name, tensor in named.items() if not _matches(name, self.ignored)}

    def _value(self, theirs: Mapping[str, Any], key: str) -> Any:
        if theirs.get(key) is not None:
            return theirs[key]
        if key not in self.defaults:
            raise DanluError("hub.no_key", key=key, model_type=self.model_type)
        return self.defaults[key]


def _activation(key: str, name: Any) -> transformer.MlpActivation:
    if name not in ACTIVATIONS:
        raise DanluError("hub.cannot_represent", key=key, value=name, fits=", ".join(ACTIVATIONS))
    return ACTIVATIONS[name]


def _their_activation(name: transformer.MlpActivation) -> str:
    return next(theirs for theirs, ours in ACTIVATIONS.items() if ours == name)


def _labelled(heads: Mapping[str, int], labels: Sequence[str]) -> dict[str, Any]:
    (size,) = heads.values()
    names = list(labels) or [f"LABEL_{i}" for i in range(size)]
    return {"id2label": {str(i): n for i, n in enumerate(names)}, "label2id": {n: i for i, n in enumerate(names)}}


def _refuse_shapes(shapes: Shapes) -> None:
    if shapes.numbers or shapes.missing or shapes.categories:
        raise DanluError("hub.columns_beside")
    if shapes.heads and len(shapes.heads) > 1:
        raise DanluError("hub.several_targets", targets=", ".join(shapes.heads))


def _pieces(rule: Rule, ours: Tensor, config: Any) -> list[Tensor]:
    """One of ours as those of theirs that it is made of."""
    pieces = ours.split(list(rule.rows(config))) if rule.rows else [ours]
    return [piece[None] if rule.row else _turned(rule, piece) for piece in pieces]


def _joined(rule: Rule, theirs: Sequence[Tensor]) -> Tensor:
    pieces = [piece[0] if rule.row else _turned(rule, piece) for piece in theirs]
    return torch.cat(pieces) if len(pieces) > 1 else pieces[0]


def _turned(rule: Rule, piece: Tensor) -> Tensor:
    return piece.t() if rule.transposed and piece.ndim == 2 else piece


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _today(name: str) -> str:
    old = next((ending for ending in OLD_NAMES if name.endswith(ending)), None)
    return name.removesuffix(old) + OLD_NAMES[old] if old else name
