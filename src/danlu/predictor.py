"""Predictor: the only way in for all that comes after training. Same codec, same model, whoever asks."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from danlu import models
from danlu.data.codec import Codec
from danlu.data.corpus import UNKNOWN, Documents
from danlu.data.examples import ROW, Column, Examples, free_name
from danlu.data.loader import evaluation_batches
from danlu.data.masking import Masking
from danlu.data.pairs import Pairs
from danlu.data.passages import Passages
from danlu.data.read import examples_of, read, stream_as_written
from danlu.data.split import labelled
from danlu.data.store import Store
from danlu.data.tally import Tally
from danlu.embedding import Embedder, Precision
from danlu.errors import DanluError
from danlu.evaluation.answers import ANSWERS, Answers, Asking
from danlu.evaluation.calibrate import calibrated as at_temperature
from danlu.evaluation.judge import About, Evidence, evaluation
from danlu.evaluation.language import writer
from danlu.evaluation.outcome import Outcome
from danlu.events import Progress, beyond
from danlu.generation.config import GenerationConfig
from danlu.generation.text import Writer
from danlu.models import family_named
from danlu.models.hub import files
from danlu.models.hub.files import GENERATION
from danlu.models.hub.sentences import Pooling
from danlu.models.hub.tokenizer import ANSWER_TOKENIZER, generation_settings, mark_numbers, tokenizer_settings
from danlu.models.precision import computed_in, in_int8
from danlu.recipe import ComputedIn, DataConfig, Frozen, validated
from danlu.run import Run, as_written, room_for
from danlu.tasks import Task, task_named
from danlu.tasks.heads import numbers
from danlu.training.measure import half_pays
from danlu.words import Note

ROWS_AT_ONCE = 1024
PIECE, PIECE_WRITTEN = 8192, 256  # rows of a file that are answered before the next; where each is searched for, fewer


class SavedModel(Frozen):
    """What model/config.json holds under "danlu", beside the model's config in the Hugging Face layout, if it has one.

    `hub`: whether the weights have that layout's names; `int8`: whether they are those of `danlu.models.int8`.
    `threshold`: that of `danlu.data.passages`, where it is chosen.
    """

    family: str
    fields: dict[str, Any]
    task: str
    temperatures: dict[str, Annotated[float, Field(gt=0)]]
    threshold: float | None = None
    hub: bool = False
    int8: bool = False

    @classmethod
    def of(cls, run: Run) -> "SavedModel":
        """What the run's model/config.json says; DanluError where it is absent or altered."""
        with as_written(run.model / "config.json"):
            content = run.read("model/config")["danlu"]
        saved: SavedModel = validated(cls, content, str(run.model / "config.json"))
        return saved


@dataclass(frozen=True)
class Predictor:
    """A trained model with all that turns raw rows into its tensors and its outputs into answers."""

    task: Task
    codec: Codec
    module: nn.Module
    family: str
    temperatures: Mapping[str, float]  # target → what its logits are divided by
    columns: Mapping[str, Column]
    data: DataConfig
    trained_on: frozenset[str] = frozenset()  # sha256 of the files whose rows were divided

    @classmethod
    def load(cls, run: str | Path | Run) -> Self:
        """The predictor of a run folder; raises DanluError where the run has no model yet."""
        run = run if isinstance(run, Run) else Run.open(run)
        saved = SavedModel.of(run)
        tokenizer = run.folder / "tokenizer.json"
        with as_written(run.folder / "codec.json"):
            codec = Codec.from_json(
                run.read("codec"), tokenizer.read_text(encoding="utf-8") if tokenizer.is_file() else None
            )
        if isinstance(codec.reading, Passages):
            codec = replace(codec, reading=replace(codec.reading, threshold=saved.threshold))
        with as_written(run.model / "model.safetensors"):
            module, config = models.build(saved.family, saved.fields, codec.shapes)
            module = in_int8(module) if saved.int8 else module
            weights = load_file(run.model / "model.safetensors")
            layout = family_named(saved.family).layout if saved.hub else None
            if layout:
                layout.load(module, weights, config)
            else:
                module.load_state_dict(weights)
        with as_written(run.folder / "data.json"):
            described = run.read("data")
            columns = {name: Column.from_json(column) for name, column in described["columns"].items()}
            trained_on = frozenset(file["sha256"] for file in described["files"])
        return cls(
            task_named(saved.task),
            codec,
            module.eval(),
            saved.family,
            saved.temperatures,
            columns,
            _as_in_training(run.recipe.data, codec),
            trained_on,
        )

    def save(self, run: Run, config: Frozen) -> None:
        """Write weights, config.json and the tokenizer into the run's `model` folder.

        In the Hugging Face layout where the family has one that has a place for this model; `config` is the module's.
        """
        layout, theirs = family_named(self.family).layout, self._hub_config(config)
        tensors = layout.tensors(self.module, config) if layout and theirs else self.module.state_dict()
        saved = SavedModel(
            family=self.family,
            fields=config.model_dump(mode="json"),
            task=self.task.name,
            temperatures=dict(self.temperatures),
            threshold=reading.threshold if isinstance(reading := self.codec.reading, Passages) else None,
            hub=bool(theirs),
        )
        if theirs and self.codec.tokenizer_json:
            run.write_text("model/tokenizer.json", self.codec.tokenizer_json)
            settings = tokenizer_settings(self.codec.tokenizer_json, self.codec.shapes.max_tokens)
            run.write_text("model/tokenizer_config.json", json.dumps(settings, indent=1))
        if theirs and isinstance(reading := self.codec.reading, Pairs):
            _write_answering(run, reading, theirs["pad_token_id"])
        if theirs and self.codec.images:
            run.write_text("model/preprocessor_config.json", json.dumps(self.codec.images.preprocessor(), indent=1))
        with room_for(run.model):
            files.write(run.model, {**theirs, "danlu": saved.model_dump(mode="json")}, tensors)

    def _hub_config(self, config: Frozen) -> dict[str, Any]:
        """config.json of the Hugging Face layout; {} where it has no place for this model."""
        layout = family_named(self.family).layout
        labels = [name for target in self.codec.targets.values() for name in target.classes]
        try:
            theirs = layout.config(config, self.codec.shapes, labels) if layout else {}
        except DanluError:  # such as several targets, or columns beside the text: the weights keep our names
            return {}
        if not theirs:
            return {}
        marks = mark_numbers(self.codec.tokenizer_json) if self.codec.tokenizer_json else {}
        if isinstance(reading := self.codec.reading, Pairs):
            theirs["decoder_start_token_id"] = reading.start
        return theirs | {key: number for key, number in marks.items() if theirs.get(key, 0) is None}

    def at(self, temperatures: Mapping[str, float]) -> Self:
        """The same predictor with probabilities at these temperatures."""
        return replace(self, temperatures=temperatures)

    def predict(self, rows: Any, tally: Tally | None = None) -> pl.DataFrame:
        """`prediction`, a probability per class, and the input columns, one row per given row.

        `rows`: a file's name, polars or pandas DataFrame, list of dicts, dict of lists, one dict, numpy array, Pillow
        images, a text or a list of texts. What is unusual in them is counted in `tally`, or warned of. Raises
        DanluError where a row or a column does not fit.
        """
        counted = Tally() if tally is None else tally
        if isinstance(rows, str | Path) and self._is_file(str(rows)):
            answered = pl.concat(self.predict_stream(str(rows), tally=counted))
        else:
            every_row = self.data.model_copy(update={"max_bad_rows": 0.0})
            answered = self.answers(examples_of(rows, every_row, self.columns), counted)
        for note in counted.notes() if tally is None else ():
            warnings.warn(str(note), stacklevel=2)
        return answered

    def predict_stream(
        self,
        source: str,
        rows: int | None = None,
        tally: Tally | None = None,
        progress: Progress | None = None,
        row_numbers: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """`predict` of a file (or "-", standard input) in pieces of `rows` rows, in constant memory.

        What is unusual in the rows (values never seen, texts cut, rows left out because a cell cannot be read) is
        counted in `tally`; `progress` is told of rows done, the total being unknown; `row_numbers` puts the number of
        each row in what was read before it, as the column `row`. Raises DanluError where more rows are unreadable than
        `data.max_bad_rows` allows.
        """
        done = 0
        many = PIECE_WRITTEN if isinstance(self.codec.reading, Pairs) else PIECE
        for examples, given in stream_as_written(source, self.data, self.columns, rows or many):
            if tally is not None:
                tally.said += examples.origin.notes
                for bad in examples.origin.bad_rows:
                    tally.add("predict.left_out", "", 1, str(bad.reason))
            answered = self.answers(examples, tally, beyond(progress, done), given=given)
            yield numbered(answered, examples.frame[ROW]) if row_numbers else answered
            done += len(examples)

    def answers(
        self,
        examples: Examples,
        tally: Tally | None = None,
        progress: Progress | None = None,
        store: Store | None = None,
        given: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        """The predictions of typed rows beside their input columns; of documents, what they cost the model; of texts
        with entities, those found: a list of {text, label, start, end, score} per row.

        `store`: the rows as `encoded` gave them, where somebody else reads it too; `given`: the input columns as they
        were written.
        """
        inputs = examples.frame.drop(ROW) if given is None else given
        own = self.answers_to(examples, tally, progress=progress)
        answered = own.columns() if own else self._predictions(store or self._encoded(examples, tally), progress)
        for column in [column for column in inputs.columns if column in answered]:
            inputs = inputs.rename({column: free_name(f"{column}_input", [*answered, *inputs.columns])})
        return pl.DataFrame(answered).hstack(inputs)

    def answers_to(
        self,
        examples: Examples,
        tally: Tally | None = None,
        *,
        with_targets: bool = False,
        progress: Progress | None = None,
    ) -> Answers | None:
        """The answers of a task that reads texts in its own way; None where rows have a prediction per target."""
        if self.codec.reading is None:
            return None
        self.codec.require(examples, with_targets)
        counted = Tally() if tally is None else tally
        asking = Asking(self.codec, self.module, examples, counted, with_targets, progress)
        return ANSWERS[self.codec.reading.reads](asking)

    def encoded(self, examples: Examples, tally: Tally | None = None) -> Store | None:
        """The rows as tensors without targets; None where a task reads texts in its own way."""
        return None if self.codec.reading else self._encoded(examples, tally)

    def _encoded(self, examples: Examples, tally: Tally | None) -> Store:
        return self.codec.encode(examples, with_targets=False, tally=tally)

    def _predictions(self, store: Store, progress: Progress | None) -> dict[str, pl.Series]:
        answered: dict[str, pl.Series] = {}
        outputs = self.outputs(store, progress)
        single = len(self.codec.targets) == 1
        for name in self.codec.targets:
            columns = self._columns(name, outputs[name], "" if single else f"_{name}")
            answered |= {free_name(column, answered): values for column, values in columns.items()}
        return answered

    @property
    def embedder(self) -> Embedder:
        """What makes vectors of texts; DanluError where the model is no Transformer that reads texts."""
        made = Embedder.of_module(self.module, self.codec.tokenizer_json, self.codec.shapes.max_tokens)
        texts = tuple(name for name, kind in self.codec.inputs.items() if kind == "text")
        return replace(made, half_pays=half_pays(), data=self.data, columns=self.columns, texts=texts)

    def embed(
        self,
        texts: str | Sequence[str],
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        precision: Precision | None = None,
    ) -> np.ndarray:
        """A vector for each text, (N, width) float32; `pooling`: "mean" over its tokens (if None), "cls" or "last"."""
        return self.embedder.asked(pooling, normalize, precision).vectors(texts)

    def computed_in(self, precision: ComputedIn) -> Self:
        """The same model computed in "bfloat16", or from matrices of "int8"; this one for "float32".

        Raises DanluError for "int8" of a model that has no matrices to speak of.
        """
        return replace(self, module=computed_in(self.module, precision))

    def generate(self, prompts: str | Sequence[str], stop: Sequence[str] = (), **settings: Any) -> list[str]:
        """What the model writes behind each prompt, without the prompt, up to the first of the `stop` strings.

        What it writes in bfloat16 or int8 can differ from float32 and comes several times as fast: `computed_in`.
        `settings`: fields of GenerationConfig. Raises DanluError where the model writes no texts, a setting does not
        fit, or prompt and new tokens are more than the model has positions for.
        """
        given = [prompts] if isinstance(prompts, str) else prompts
        config = validated(GenerationConfig, settings, "generate")
        for note in self.of_prompts(given):
            warnings.warn(str(note), stacklevel=2)
        return self._writer().texts(given, config, stop)

    def generate_stream(self, prompt: str, stop: Sequence[str] = (), **settings: Any) -> Iterator[str]:
        """`generate` for one prompt, in pieces as they are written."""
        config = validated(GenerationConfig, settings, "generate")
        for note in self.of_prompts([prompt]):
            warnings.warn(str(note), stacklevel=2)
        return (piece for _, piece in self._writer().pieces([prompt], config, stop))

    def of_prompts(self, prompts: Sequence[str]) -> list[Note]:
        """What of the prompts the model does not know, or has not learned to look back on."""
        writer, reading = self._writer(), self.codec.reading
        assert isinstance(reading, Documents)
        notes = []
        for prompt in prompts:
            tokens = writer.tokens(prompt)
            unknown = tokens.count(UNKNOWN) if reading.kind != "pretrained" else 0
            if unknown:
                notes.append(Note("generate.unknown", unknown=unknown, tokens=len(tokens) - 1))
            if len(tokens) > reading.max_length:
                notes.append(Note("generate.beyond_view", tokens=len(tokens), view=reading.max_length))
        return notes

    @torch.inference_mode()
    def outputs(self, store: Store, progress: Progress | None = None) -> dict[str, Tensor]:
        """Raw outputs per target, (N, size) or (N, members, size), in the order of the store's rows."""
        self.module.eval()
        device = next(self.module.parameters()).device
        parts: dict[str, list[Tensor]] = {name: [] for name in self.codec.targets}
        order = []
        for index, batch in evaluation_batches(store, ROWS_AT_ONCE, progress):
            order.append(index)
            for name, value in self.module(batch.to(device).inputs).items():
                parts[name].append(value.float().cpu())
        if not order:
            return {name: torch.zeros(0, t.size) for name, t in self.codec.targets.items()}
        back = torch.cat(order).argsort()
        return {name: torch.cat(values)[back] for name, values in parts.items()}

    def outcomes(self, examples: Examples, tally: Tally | None = None) -> list[Outcome]:
        """What the model says of rows whose truth is known, per target; `tally` as of `evidence`."""
        return [evidence.outcome for evidence in self.evidence(examples, tally)]

    def evidence(
        self, examples: Examples, tally: Tally | None = None, progress: Progress | None = None
    ) -> list[Evidence]:
        """The outcome of each target, and the predictions before calibration where there was one.

        What is unusual in the rows, such as a class that training never saw, is counted in `tally`.
        """
        own = self.answers_to(examples, tally, with_targets=True, progress=progress)
        if own:
            return [own.evidence()]
        store = self.codec.encode(examples, tally=tally)
        outputs = self.outputs(store, progress)
        places = examples.origin.places(store.rows)
        shown = examples.frame.select([c for c in self.codec.inputs if c in examples.frame.columns])
        evidence = []
        for name, target in self.codec.targets.items():
            outcome = Outcome(
                target=name,
                kind=target.kind,
                classes=target.classes,
                truth=target.truth(store.targets[name]),
                prediction=self._prediction(name, outputs[name], self.temperatures.get(name, 1.0)),
                places=places,
                frame=shown,
            )
            before = self._prediction(name, outputs[name], 1.0) if name in self.temperatures else None
            evidence.append(Evidence(outcome, uncalibrated=before, temperature=self.temperatures.get(name, 1.0)))
        return evidence

    def evaluate(self, data: Any, samples: int = 1000, progress: Progress | None = None) -> dict[str, Any]:
        """The metrics of labelled files or rows, with 95 % intervals, in the form of report.json.

        `data`: as for `predict`, or a list of files. Raises DanluError where a target column is missing.
        """
        files = files_of(data)
        examples = read(self.data, files, self.columns) if files else examples_of(data, self.data, self.columns)
        examples, unlabelled = labelled(examples, list(self.codec.targets))
        seen = [file.path for file in examples.origin.files if file.sha256 in self.trained_on]
        known = [Note("predict.trained_on", files=", ".join(seen))] if seen else []
        tally = Tally()
        found = self.evidence(examples, tally, progress)
        about = About(
            name=", ".join(files) or "rows",
            task=self.task.name,
            family=self.family,
            columns=self.columns,
            rows={"test": len(examples)},
            notes=[*examples.origin.notes, *known, *([unlabelled] if unlabelled else []), *tally.notes()],
            files=[vars(file) for file in examples.origin.files],
        )
        return evaluation(
            [Evidence(each.outcome, mistakes=each.mistakes, seen=bool(seen)) for each in found],
            about,
            samples,
            progress=progress,
        )

    def _prediction(self, name: str, outputs: Tensor, temperature: float) -> np.ndarray:
        target = self.codec.targets[name]
        if target.kind == "number":
            return numbers(outputs, target.mean, target.scale).numpy()
        return at_temperature(outputs.numpy(), temperature, target.kind)

    def _columns(self, name: str, outputs: Tensor, suffix: str) -> dict[str, pl.Series]:
        target = self.codec.targets[name]
        values = self._prediction(name, outputs, self.temperatures.get(name, 1.0))
        if target.kind == "number":
            return {f"prediction{suffix}": pl.Series(values)}
        classes = np.array(target.classes, dtype=object)
        if target.kind == "class":
            chosen = pl.Series(classes[values.argmax(1)], dtype=pl.String)
        else:
            chosen = pl.Series([list(classes[row > 0.5]) for row in values], dtype=pl.List(pl.String))
        chances = {f"probability{suffix}_{c}": pl.Series(values[:, i]) for i, c in enumerate(target.classes)}
        return {f"prediction{suffix}": chosen} | chances

    def _writer(self) -> Writer:
        if isinstance(self.codec.reading, Pairs):
            raise DanluError("predict.answers_texts", task=self.task.name)
        if not isinstance(self.codec.reading, Documents):
            raise DanluError("predict.no_writer", task=self.task.name)
        return writer(self.module, self.codec.reading)

    def _is_file(self, text: str) -> bool:
        """Whether a lone string names data rather than being the text to predict."""
        return self.task.modality in ("table", "image", "sequence") or _exists(text)

    def is_bare_text(self, text: str) -> bool:
        """Whether what stands where a file could is a text, to a model that reads one: no file, and with a space."""
        reads_one = [*self.codec.inputs.values()].count("text") == 1
        return reads_one and " " in text.strip() and not Path(text).suffix and not _exists(text)

    def is_to_be_filled(self, text: str) -> bool:
        """Whether what stands where a file could is a text with masks, which this model fills."""
        masking = self.codec.reading
        if not isinstance(masking, Masking) or _exists(text):
            return False
        return " " in text or bool(masking.written_mask.search(text))


def numbered(answered: pl.DataFrame, rows: pl.Series | None = None) -> pl.DataFrame:
    """The answers with the number of each row before them; rows: positions in what was read, else 0, 1, 2, …"""
    place = pl.int_range(answered.height, dtype=pl.UInt32, eager=True) if rows is None else rows
    return answered.insert_column(0, (place + 1).alias(free_name("row", answered.columns)))


def _write_answering(run: Run, pairs: Pairs, pad: int | None) -> None:
    """Into the run's `model` folder: how answers begin and end, and their tokenizer where they have their own."""
    said = generation_settings(pairs.start, pairs.end, pairs.forced) | {"pad_token_id": pad}
    run.write_text(f"model/{GENERATION}", json.dumps(said, indent=1))
    if pairs.answer_tokenizer_json:
        run.write_text(f"model/{ANSWER_TOKENIZER}", pairs.answer_tokenizer_json)


def _as_in_training(data: DataConfig, codec: Codec) -> DataConfig:
    """The settings by which further files are read, with what a document of plain text was in training."""
    if not isinstance(codec.reading, Documents | Masking):
        return data
    return data.model_copy(update={"documents": codec.reading.unit})


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a text, too long for a name
        return False


def files_of(data: Any) -> list[str]:
    """The files that `data` names; empty where it is rows in memory."""
    if isinstance(data, str | Path):
        return [str(data)]
    if isinstance(data, list | tuple) and data and all(isinstance(d, str | Path) for d in data):
        return [str(d) for d in data]
    return []
