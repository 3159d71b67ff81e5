"""The recipe: what the user asked for, frozen and strict. Knows nothing of data, models or files but its own.

A field that is `None` is derived later from the task, the data and the machine; the run's `resolved.json` holds
what it became and why.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from danlu.errors import DanluError
from danlu.words import Note

ColumnKind = Literal[
    "number", "category", "boolean", "date", "text", "image", "sequence", "labels", "entities", "answers", "ignore"
]

ComputedIn = Literal["float32", "bfloat16", "int8"]  # a trained model
Optimizer = Literal["adamw", "adam", "sgd", "rmsprop", "lbfgs", "adafactor", "adamw8bit", "muon"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


def seconds(value: Any) -> Any:
    """Seconds of `"10m"`, `"1h30m"`, `"45s"` or a plain number; what is no text is returned for pydantic to judge."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|m|s)", value)
    if not parts or "".join(n + unit for n, unit in parts) != value.replace(" ", ""):
        raise PydanticCustomError("time", "no time")
    return sum(float(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts)


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Seconds = Annotated[float, BeforeValidator(seconds, json_schema_input_type=float | str), Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Side = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    """Base of every configuration: keyword-only, frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, data: Any) -> Any:
        """A section whose keys are all commented out is null in YAML: it means its defaults."""
        if not isinstance(data, Mapping):
            return data
        return {k: v for k, v in data.items() if v is not None or not _is_section(cls, k)}


class SplitConfig(Frozen):
    """How rows are divided into train, validation and test."""

    validation: Share = Field(0.1, description="share of the rows for validation")
    test: Share = Field(0.1, description="share of the rows for the test, used once at the end")
    by: str | None = Field(None, description="column whose equal values stay on one side")
    time: str | None = Field(None, description="column by which to cut: the newest rows are the test")
    stratify: bool = Field(True, description="keep the share of each class equal on all sides")


class LongSequences(Frozen):
    """A table in long format: one row per step, gathered into one sequence per id."""

    id: str = Field(description="column that names the sequence")
    time: str = Field(description="column that orders the steps")


class TextConfig(Frozen):
    """How texts become tokens or n-grams; everything is fitted on the training rows."""

    tokenizer: Literal["word", "char", "bpe", "wordpiece", "unigram"] | None = Field(
        None, description="chosen by the language and the amount of the texts"
    )
    vocab_size: int | None = Field(None, ge=16, description="largest number of tokens or n-grams")
    max_length: int | None = Field(
        None, ge=1, description="tokens per text, chosen so that nearly all fit; of text-generation: tokens in view"
    )
    over_long: Literal["cut", "refuse"] = Field("cut", description="what to do with a longer text; cut is counted")
    stride: int | None = Field(
        None, ge=0, description="of question-answering: tokens that neighbouring windows of a long context share"
    )
    max_answer: int | None = Field(
        None,
        ge=1,
        description="of question-answering: tokens of the longest answer; 30, more where training has longer",
    )
    lowercase: bool | None = Field(
        None, description="whether capitals count as small letters; yes, but for text-generation and entities"
    )
    whole_word: bool = Field(False, description="of fill-mask: all tokens of a word are hidden together")
    next_sentence: bool = Field(
        False, description="of fill-mask: also learn whether one part of a text follows another"
    )


class ImageConfig(Frozen):
    """How images become pixels."""

    size: Side | tuple[Side, Side] | None = Field(None, description="height and width; chosen from the training images")
    channels: Literal[1, 3] | None = Field(None, description="1 grey, 3 colour; as the training images are")


class DataConfig(Frozen):
    """Where the rows come from and what their columns mean."""

    files: Names = Field((), description="files, folders, globs, sample:NAME or hf://datasets/...")
    validation_files: Names = Field((), description="rows for validation, instead of a split")
    test_files: Names = Field((), description="rows for the test, instead of a split")
    target: Names = Field((), description="column or columns to predict; inferred where the name leaves no doubt")
    columns: dict[str, ColumnKind] = Field({}, description="kind of a column, where the inferred one is wrong")
    missing: Names = Field((), description="further words that mean a missing value")
    delimiter: str | None = Field(None, description="of CSV files; detected")
    encoding: str | None = Field(None, description="of text files; detected")
    sheet: str | None = Field(None, description="of Excel workbooks; the first that holds rows")
    sequences: LongSequences | None = Field(None, description="id and time columns of a table in long format")
    documents: Literal["file", "paragraph", "line"] | None = Field(
        None, description="what a row is in plain text files: a line, but for text-generation a file"
    )
    text: TextConfig = TextConfig()
    image: ImageConfig = ImageConfig()
    split: SplitConfig = SplitConfig()
    duplicates: Literal["keep", "drop"] = Field("keep", description="what to do with exact duplicates of a row")
    max_bad_rows: Share = Field(0.01, description="share of unreadable rows beyond which the run stops")


class ModelConfig(BaseModel):
    """The family and its own fields, which the family's Config validates."""

    model_config = ConfigDict(frozen=True, extra="allow")

    family: str = Field("auto", description="auto, or a name that `danlu models` lists")
    pretrained: str | None = Field(
        None,
        description="weights to begin with: a run, a folder in the Hugging Face layout, or a name on its hub; "
        "after transformers:, by that library's own model",
    )

    @property
    def fields(self) -> dict[str, Any]:
        """The family's own fields, as given."""
        return dict(self.model_extra or {})


def _as_model(value: Any) -> Any:
    """A name with a slash is a folder or a hub's model; a name without one is a family."""
    if not isinstance(value, str):
        return value
    return {"pretrained": value} if "/" in value else {"family": value}


Model = Annotated[ModelConfig, BeforeValidator(_as_model, json_schema_input_type=str | ModelConfig)]


class EarlyStopping(Frozen):
    """When to stop because the validation metric no longer improves."""

    patience: int = Field(10, ge=1, description="evaluations without improvement before the run stops")
    min_delta: float = Field(0.0, ge=0, description="an improvement smaller than this does not count")


class TrainConfig(Frozen):
    """How the weights are found; `None` is chosen to suit task, family and data."""

    epochs: int | None = Field(None, ge=1, description="passes over the training rows")
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    time_limit: Seconds | None = Field(None, description='seconds, or "10m"; the schedule is planned into it')
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] | None = Field(
        None, description='rows per step; "full" is every row'
    )
    batch_tokens: int | None = Field(None, ge=1, description="tokens per step, instead of batch_size")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    optimizer: Optimizer | None = Field(None, description="of the weights")
    learning_rate: float | None = Field(None, gt=0, description="the highest of the schedule")
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd and rmsprop")
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="of adam, adamw, adamw8bit and muon")
    weight_decay: float | None = Field(None, ge=0, description="decoupled decay per step, of matrices only")
    l1: float = Field(0.0, ge=0, description="penalty on the sum of absolute weights")
    l2: float = Field(0.0, ge=0, description="penalty on half the sum of squared weights")
    schedule: Literal["constant", "linear", "cosine", "step"] | None = Field(None, description="of the learning rate")
    warmup: float | None = Field(None, ge=0, description="share of the steps if below 1, else a number of steps")
    step_size: float = Field(0.33, gt=0, description="schedule step: decay after each such share of the run")
    step_gamma: float = Field(0.1, gt=0, le=1, description="schedule step: factor of each decay")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient; null clips nothing")
    loss: Literal["cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"] | None = Field(
        None, description="chosen by the target"
    )
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None, description="weight of each class; balanced gives all classes the same say"
    )
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="share given to the other classes")
    augment: bool | None = Field(None, description="random changes of training images that suit them")
    early_stopping: EarlyStopping | Literal[False] | None = Field(
        None, description="{patience: 10, min_delta: 0.0}; false never stops"
    )
    metric: str | None = Field(None, description="validation metric that picks the best weights")
    keep: Literal["best", "last"] | None = Field(None, description="which weights the run serves")
    evaluate_every: int | None = Field(None, ge=1, description="steps between validations")
    checkpoint_every: int | None = Field(None, ge=1, description="steps between checkpoints; else every half minute")
    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = Field(
        "auto", description="of the numbers in a step"
    )
    checkpointing: bool = Field(
        False, description="of Transformers: keep less of each layer and compute it again on the way back"
    )
    compile: bool | None = Field(None, description="of Transformers: have torch compile the layers; else where it pays")
    threads: int | None = Field(None, ge=1, description="processor threads; chosen by the size of a step")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="of a pretrained model: learning rate of each layer as a share of the next one's"
    )
    freeze: int | None = Field(
        None, ge=0, description="of a pretrained model: its first layers that stay as they are, embeddings included"
    )


class EvaluateConfig(Frozen):
    """What is measured at the end."""

    calibrate: bool = Field(True, description="fit a temperature on the validation rows")
    baseline: bool = Field(True, description="train a classical model on the same rows, to compare")
    bootstrap: int = Field(1000, ge=0, description="samples for the 95 % intervals; 0 for none")
    cv: int | None = Field(None, ge=2, description="folds of a cross-validation beside the run")
    megabytes: float | None = Field(
        1.0,
        gt=0,
        description="of text-generation and fill-mask: text, at most, that the model is measured on, in validation and "
        "in the test; null measures all",
    )
    keep_rows: int = Field(
        16, ge=0, le=256, description="test rows whose inputs the run keeps, to try what is exported; 0 keeps none"
    )


class Recipe(Frozen):
    """All that a user can ask of a training run.

    Raises DanluError where a key is unknown (with the nearest valid ones) or a value does not fit.
    """

    task: str | None = Field(None, description="inferred from the target and the columns")
    data: DataConfig = DataConfig()
    model: Model = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    seed: int = Field(0, ge=0, lt=2**32, description="the same seed gives the same result")

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """The recipe in a YAML file, with `key=value` overrides applied; relative files are the recipe's neighbours."""
        path = Path(path)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            raise DanluError("recipe.not_found", path=path) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DanluError("recipe.not_yaml", path=path, why=" ".join(str(error).split())) from None
        if not isinstance(data, dict):
            raise DanluError("recipe.not_mapping", path=path)
        return cls.of(with_overrides(data, overrides), where=str(path)).located(path.parent)

    def located(self, folder: Path) -> Self:
        """The same recipe with the paths that exist below `folder` made absolute; other paths and names stay."""
        data = self.model_dump(exclude_unset=True)
        for name in ("files", "validation_files", "test_files"):
            files = getattr(self.data, name)
            if files:
                data["data"][name] = [_located(file, folder) for file in files]
        if self.model.pretrained:
            library, prefix, name = self.model.pretrained.rpartition("transformers:")
            data["model"]["pretrained"] = library + prefix + _located(name, folder)
        return type(self).model_validate(data)

    @classmethod
    def of(cls, data: Mapping[str, Any], where: str = "recipe") -> Self:
        """The recipe of nested dicts; `where` names their source in errors."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _refusal(error, cls, where) from None

    def replace(self, **changes: Any) -> Self:
        """A copy; `changes` are dotted paths with `__` for the dot, such as `train__epochs=3`."""
        data = self.model_dump(exclude_unset=True)
        for path, value in changes.items():
            _set(data, path.split("__"), value)
        try:
            return type(self).model_validate(data)
        except ValidationError as error:
            raise _refusal(error, type(self), "recipe", dot="__") from None

    def to_yaml(self) -> str:
        """YAML of what was set, without defaults."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)


def with_overrides(data: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`data` with `train.learning_rate=1e-3` style settings laid over it; values are read as YAML."""
    result = _deep_copy(data)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise DanluError("recipe.not_override", item=item)
        try:
            _set(result, _keys(key), _yaml_value(value))
        except yaml.YAMLError as error:
            raise DanluError("recipe.not_yaml", path=item, why=" ".join(str(error).split())) from None
    return result


def _keys(key: str) -> list[str]:
    """The parts of a dotted key; a column's name may hold dots itself."""
    before, columns, name = key.partition("data.columns.")
    return ["data", "columns", name] if columns and name and not before else key.split(".")


def validated(config: type[Frozen], fields: Mapping[str, Any], where: str) -> Any:
    """`config(**fields)`, with DanluError for a key or value that does not fit; `where` names the place."""
    try:
        return config.model_validate(dict(fields))
    except ValidationError as error:
        raise _refusal(error, config, where) from None


def multiple(config: BaseModel, key: str, of: str) -> None:
    """For validators: refuses a config whose number `key` is no multiple of its number `of`."""
    number, divisor = getattr(config, key), getattr(config, of)
    if number % divisor:
        raise PydanticCustomError(
            "no_multiple", "no multiple", {"key": key, "got": number, "of": of, "divisor": divisor}
        )


def json_schema() -> dict[str, Any]:
    """JSON Schema of a recipe, for editors; a section may be empty."""
    schema = Recipe.model_json_schema()
    for config in (schema, *schema["$defs"].values()):
        for field in config.get("properties", {}).values():
            if "$ref" in field:
                field["anyOf"] = [{"$ref": field.pop("$ref")}, {"type": "null"}]
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "danlu recipe"}


def _located(file: str, folder: Path) -> str:
    path = folder / file
    return str(path.resolve()) if path.exists() else file


def _is_section(config: type[BaseModel], name: str) -> bool:
    field = config.model_fields.get(name)
    kind = field.annotation if field else None
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _yaml_value(text: str) -> Any:
    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text):  # YAML 1.1 takes 1e-3 for a string
        return float(text)
    return yaml.safe_load(text) if text else None


def _deep_copy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _deep_copy(v) if isinstance(v, Mapping) else v for k, v in data.items()}


def _set(data: dict[str, Any], keys: list[str], value: Any) -> None:
    *parents, last = keys
    for key in parents:
        inner = data.get(key)
        if isinstance(inner, str) and key == "model":  # `model: cnn` is short for `model: {family: cnn}`
            inner = _as_model(inner)
        data[key] = inner = dict(inner) if isinstance(inner, Mapping) else {}
        data = inner
    if isinstance(data.get(last), Mapping) and last == "model" and isinstance(value, str):
        value = _as_model(value)
    data[last] = value


def _refusal(error: ValidationError, config: type[BaseModel], where: str, dot: str = ".") -> DanluError:
    """The first finding of pydantic as an error that names the key and what would fit.

    `dot`: what stands between the parts of a key that one could have meant; "__" in Python's arguments.
    """
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        paths = _all_paths(config)
        same = [p for p in paths if p.split(".")[-1] == path[-1]]
        near = difflib.get_close_matches(key, paths, n=3, cutoff=0.6)
        nearest = ", ".join(dict.fromkeys([*same, *near])) or ", ".join(_keys_at(config, path[:-1])) or "–"
        spelt = {"key": key.replace(".", dot), "nearest": nearest.replace(".", dot)}
        return DanluError("recipe.unknown_key", where=where, **spelt)
    if first["type"] == "no_multiple":
        return DanluError("recipe.no_multiple", where=where, **first["ctx"])
    path = _field_path(config, path)
    same_field = [e for e in error.errors() if _field_path(config, [str(part) for part in e["loc"]]) == path]
    different = {str(note): note for note in map(_expected, same_field)}.values()
    why = reduce(lambda one, other: Note("recipe.or", one=one, other=other), different)
    got = repr(first.get("input"))[:80]
    return DanluError("recipe.bad_value", where=where, key=".".join(path), got=got, why=why)


def _field_path(config: type[BaseModel], path: list[str]) -> list[str]:
    """`path` up to the last name of a field, or of a key within one: the rest names branches of its type."""
    for depth, part in enumerate(path):
        field = config.model_fields.get(part)
        if field is None:
            return path[:depth]
        if not _is_section(config, part):
            return path[: depth + 1 + (part == "columns")]
        config = cast("type[BaseModel]", field.annotation)
    return path


def _expected(finding: Any) -> Note:
    """What a finding of pydantic says, in the user's language where it is one of the usual."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return Note(f"recipe.expected.{kind}", limit=next(iter(context.values())))
    if kind == "literal_error":
        return Note("recipe.expected.one_of", values=context["expected"].replace(" or ", ", "))
    if kind == "time":
        return Note("recipe.expected.time")
    name = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    name = "mapping" if name in ("dict", "model") else name
    if name in ("int", "float", "bool", "string", "mapping"):
        return Note(f"recipe.expected.{name}")
    return Note("recipe.expected.other", why=finding["msg"])


def _keys_at(config: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = config.model_fields.get(part)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return sorted(config.model_fields)
        config = inner
    return sorted(config.model_fields)


def _all_paths(config: type[BaseModel], prefix: str = "") -> list[str]:
    paths = []
    for name, field in config.model_fields.items():
        paths.append(prefix + name)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            paths += _all_paths(inner, f"{prefix}{name}.")
    return paths
