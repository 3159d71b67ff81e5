"""The command line: each verb is one call. Imports nothing heavy before a verb runs."""

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from danlu import __version__
from danlu.errors import DanluError
from danlu.helptext import Verb, Verbs, usage_error
from danlu.layout import definitions
from danlu.words import Note, say

if TYPE_CHECKING:
    import polars as pl

    from danlu.events import Progress
    from danlu.recipe import Recipe

Action = TypeVar("Action", bound=Callable[..., None])

app = typer.Typer(
    cls=Verbs,
    help=say("cli.help"),
    epilog="danlu train sample:digits --model cnn\ndanlu train reviews.csv --target label",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def main() -> None:
    """Run the command line; a user's mistake is told on stderr and ends with exit code 2."""
    try:
        code = app(standalone_mode=False)
    except DanluError as error:
        code = _refused(str(error))
    except typer.TyperException as error:
        code = _refused(usage_error(error))
    except OSError as error:
        if error.filename is None:
            raise
        code = _refused(say("cli.file_trouble", file=error.filename, why=error.strerror))
    except (MemoryError, RuntimeError) as error:
        if not _is_want_of_memory(error):
            raise
        code = _refused(say("cli.no_memory"))
    sys.exit(code)


def _is_want_of_memory(error: Exception) -> bool:
    """Whether numpy or torch, of which each has its own way to say so, found no memory."""
    return isinstance(error, MemoryError) or bool(re.search("allocate memory|out of memory|OutOfMemory", repr(error)))


def _refused(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


def _speak(language: str | None) -> str | None:
    """From here on every sentence is in this language, also those of child processes."""
    if language:
        os.environ["DANLU_LANG"] = language
    return language


def _version(asked: bool) -> None:
    if asked:
        print(f"danlu {__version__}")
        raise typer.Exit


def _command(name: str, examples: str) -> Callable[[Action], Action]:
    """Register a verb under `name`, with its help in the user's language."""
    return app.command(name, cls=Verb, help=say(f"cli.{name}"), epilog=examples)


Language = Annotated[
    Literal["en", "zh"] | None,
    typer.Option("--language", metavar="en|zh", help=say("cli.language"), callback=_speak, is_eager=True),
]
ComputedIn = Literal["float32", "bfloat16", "int8"]  # as in danlu.recipe, which takes time to import
PRECISIONS = "float32|bfloat16|int8"
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help=say("cli.run"), show_default=False)]


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help=say("cli.version"), callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of danlu itself."""


@_command(
    "train",
    """\
danlu train reviews.csv --target label
danlu train photos/ --model cnn --time-limit 10m --out runs/photos
danlu train part1.csv part2.csv --target price --cv 5 train.epochs=50
danlu train recipe.yaml train.learning_rate=1e-3
danlu train --resume runs/reviews""",
)
def train(
    data: Annotated[
        list[str] | None, typer.Argument(metavar="DATA... [KEY=VALUE]...", help=say("cli.train.data"))
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", metavar="COLUMN", help=say("cli.train.target"))
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help=say("cli.train.task"))] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="FAMILY", help=say("cli.train.model"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="RUN", help=say("cli.train.out"))] = None,
    time_limit: Annotated[str | None, typer.Option(metavar="TIME", help=say("cli.train.time_limit"))] = None,
    cv: Annotated[int | None, typer.Option(metavar="FOLDS", help=say("cli.train.cv"))] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help=say("cli.train.seed"))] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help=say("cli.train.resume"))] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=say("cli.train.quiet"))] = False,
    language: Language = None,
) -> None:
    """Train a model and evaluate it, into a run folder."""
    options = {
        "target": [name.strip() for given in target or () for name in given.split(",")] or None,
        "task": task,
        "model": model,
        "time_limit": time_limit,
        "cv": cv,
        "seed": seed,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    if resume and (data or asked or out):
        raise DanluError("cli.resume_alone", run=resume)
    if not resume and not data:
        raise DanluError("cli.no_data")

    from danlu import api
    from danlu.display import shown

    events = api.resuming(resume) if resume else api.training(_recipe(data or [], asked), out)
    run = shown(events, quiet=quiet)
    if quiet:
        print(run)


@_command(
    "evaluate",
    """\
danlu evaluate runs/reviews test.csv
danlu evaluate runs/reviews test.csv --json > measured.json""",
)
def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help=say("cli.evaluate.data"), show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help=say("cli.evaluate.json"))] = False,
    precision: Annotated[ComputedIn, typer.Option(metavar=PRECISIONS, help=say("cli.predict.precision"))] = "float32",
    language: Language = None,
) -> None:
    """Measure a run's model on labelled data."""
    from danlu import api
    from danlu.display import display_here, shown
    from danlu.events import during
    from danlu.overview import report_lines

    predictor = api.load(run).computed_in(precision)
    measuring = during(lambda progress: predictor.evaluate(data, progress=progress))
    report = shown(measuring, display_here(sys.stderr))
    for note in report["notes"]:
        print(Note.from_json(note), file=sys.stderr)
    _print(json.dumps(report, ensure_ascii=False, indent=1) if as_json else report_lines(report))


@_command(
    "predict",
    """\
danlu predict runs/reviews new.csv --out answers.csv
cat new.csv | danlu predict runs/reviews - > answers.csv
danlu predict runs/reviews --text "a joy from start to end"
danlu predict runs/houses --row '{"rooms": 3, "area": 82.5}'
danlu predict runs/digits photo.png
danlu predict runs/masked "The capital of France is [MASK]."
""",
)
def predict(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(metavar="[DATA|-]", help=say("cli.predict.data"))] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="TEXT", help=say("cli.predict.text"))] = None,
    row: Annotated[list[str] | None, typer.Option(metavar="JSON", help=say("cli.predict.row"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help=say("cli.predict.out"))] = None,
    row_numbers: Annotated[bool, typer.Option("--row-numbers", help=say("cli.predict.row_numbers"))] = False,
    precision: Annotated[ComputedIn, typer.Option(metavar=PRECISIONS, help=say("cli.predict.precision"))] = "float32",
    language: Language = None,
) -> None:
    """Apply a run's model to new data."""
    if sum(map(bool, (data, text, row))) != 1:
        raise DanluError("cli.one_input")

    from danlu import api, output
    from danlu.data.tally import Tally
    from danlu.predictor import numbered

    file = output.writable(out) if out else None
    predictor, tally = api.load(run).computed_in(precision), Tally()
    rows = [_json_row(given) for given in row] if row else text
    rows = [data] if data and predictor.is_to_be_filled(data) else rows
    if data and not rows and predictor.is_bare_text(data):
        raise DanluError("cli.text_as_file", text=data, run=str(run))
    if rows:
        answered = predictor.predict(rows, tally)
        _write(lambda _: iter([numbered(answered) if row_numbers else answered]), file)
    else:
        _write(lambda progress: predictor.predict_stream(str(data), None, tally, progress, row_numbers), file)
    for note in tally.notes():
        print(note, file=sys.stderr)


@_command(
    "generate",
    """\
danlu generate runs/poems "The moon"
danlu generate runs/poems "The moon" --temperature 0.5 --seed 7 --max-new-tokens 80
danlu generate runs/code "def main(" --temperature 0 --stop "\\n\\n"
danlu generate runs/poems "The moon" --num-beams 4""",
)
def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Argument(metavar="[PROMPT]", help=say("cli.generate.prompt"))] = "",
    max_new_tokens: Annotated[int | None, typer.Option(metavar="N", help=say("cli.generate.max_new_tokens"))] = None,
    temperature: Annotated[float | None, typer.Option(metavar="X", help=say("cli.generate.temperature"))] = None,
    top_k: Annotated[int | None, typer.Option(metavar="N", help=say("cli.generate.top_k"))] = None,
    top_p: Annotated[float | None, typer.Option(metavar="X", help=say("cli.generate.top_p"))] = None,
    min_p: Annotated[float | None, typer.Option(metavar="X", help=say("cli.generate.min_p"))] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(metavar="X", help=say("cli.generate.repetition_penalty"))
    ] = None,
    num_beams: Annotated[int | None, typer.Option(metavar="N", help=say("cli.generate.num_beams"))] = None,
    length_penalty: Annotated[float | None, typer.Option(metavar="X", help=say("cli.generate.length_penalty"))] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help=say("cli.generate.seed"))] = None,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help=say("cli.generate.stop"))] = None,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help=say("cli.generate.stream"))] = None,
    precision: Annotated[ComputedIn, typer.Option(metavar=PRECISIONS, help=say("cli.generate.precision"))] = "float32",
    language: Language = None,
) -> None:
    """Let a run's language model go on with a text."""
    options = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "num_beams": num_beams,
        "length_penalty": length_penalty,
        "seed": seed,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    stops = [text.replace("\\n", "\n") for text in stop or ()]

    from danlu import api

    predictor = api.load(run)
    predictor = predictor.computed_in(precision)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        if stream if stream is not None else sys.stdout.isatty() and not num_beams:
            pieces = predictor.generate_stream(prompt, stops, **asked)
        else:
            pieces = iter(predictor.generate(prompt, stops, **asked))
    for warning in said:
        print(warning.message, file=sys.stderr)
    first = next(pieces, "")  # what is refused is refused before anything is printed
    for piece in chain([prompt + first], pieces):
        print(piece, end="", flush=True)
    print()


@_command(
    "embed",
    """\
danlu embed runs/reviews new.csv --out vectors.parquet
danlu embed sentence-transformers/all-MiniLM-L6-v2 new.csv --out vectors.csv
danlu embed ./minilm --text "a joy from start to end" --pooling mean --normalize""",
)
def embed(
    source: Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", help=say("cli.embed.source"), show_default=False)],
    data: Annotated[str | None, typer.Argument(metavar="[DATA|-]", help=say("cli.embed.data"))] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="TEXT", help=say("cli.embed.text"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help=say("cli.embed.out"))] = None,
    column: Annotated[str | None, typer.Option(metavar="COLUMN", help=say("cli.embed.column"))] = None,
    pooling: Annotated[
        Literal["mean", "cls", "last"] | None, typer.Option(metavar="mean|cls|last", help=say("cli.embed.pooling"))
    ] = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help=say("cli.embed.normalize"))
    ] = None,
    precision: Annotated[
        ComputedIn | None,
        typer.Option(metavar=PRECISIONS, help=say("cli.embed.precision")),
    ] = None,
    language: Language = None,
) -> None:
    """Give a vector for each text."""
    if bool(data) == bool(text):
        raise DanluError("cli.embed.one_input")

    from danlu import api, output
    from danlu.data.tally import Tally

    file = output.writable(out) if out else None
    embedder, tally = api.embedder(source).asked(pooling, normalize, precision), Tally()
    print(embedder.note, file=sys.stderr)
    if data:
        _write(lambda progress: embedder.rows(data, tally, column, progress), file)
    else:
        _write(lambda progress: iter([embedder.frame(text or [], tally, progress)]), file)
    for note in tally.notes():
        print(note, file=sys.stderr)


@_command(
    "serve",
    """\
danlu serve runs/reviews
danlu serve runs/reviews runs/stories --port 9000 max_rows=100
danlu serve runs/reviews --host 0.0.0.0 --api-key-file keys.txt --tls-cert a.pem --tls-key b.pem
danlu serve --report http://localhost:9000 reviews""",
)
def serve(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN... [KEY=VALUE]...", help=say("cli.serve.runs"))
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help=say("cli.serve.host"))] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help=say("cli.serve.port"))] = None,
    api_key_file: Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.serve.api_key_file"))] = None,
    no_api_key: Annotated[bool, typer.Option("--no-api-key", help=say("cli.serve.no_api_key"))] = False,
    tls_cert: Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.serve.tls_cert"))] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.serve.tls_key"))] = None,
    precision: Annotated[ComputedIn, typer.Option(metavar=PRECISIONS, help=say("cli.predict.precision"))] = "float32",
    max_batch: Annotated[int | None, typer.Option(metavar="N", help=say("cli.serve.max_batch"))] = None,
    max_queue: Annotated[int | None, typer.Option(metavar="N", help=say("cli.serve.max_queue"))] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help=say("cli.serve.timeout"))] = None,
    report: Annotated[bool, typer.Option("--report", help=say("cli.serve.report"))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=say("cli.serve.json"))] = False,
    language: Language = None,
) -> None:
    """Serve runs over HTTP."""
    limits = {
        "--no-api-key": no_api_key,
        "--tls-key": tls_key,
        "--precision": precision != "float32",
        "--max-batch": max_batch,
        "--max-queue": max_queue,
        "--timeout": timeout,
    }
    if report or as_json:
        others = [name for name, value in limits.items() if value]
        if others or not report:
            raise DanluError("drift.only_report", others=", ".join(others or limits))
        scheme = "https" if tls_cert else "http"
        address = f"{scheme}://{host or '127.0.0.1'}:{port or 8000}"
        _print_drift(runs or [], address, api_key_file, tls_cert, as_json)
        return

    from danlu.serving import require_packages

    require_packages()
    from danlu.recipe import validated, with_overrides
    from danlu.serving.config import ServeConfig, api_keys

    settings = [given for given in runs or () if _is_setting(given, set(ServeConfig.model_fields))]
    options = {
        "host": host,
        "port": port,
        "no_api_key": no_api_key or None,
        "api_keys": api_keys(api_key_file) or None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "precision": None if precision == "float32" else precision,
        "max_batch": max_batch,
        "max_queue": max_queue,
        "timeout_s": timeout,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    config = validated(ServeConfig, with_overrides(asked, settings), "danlu serve")
    folders = [given for given in runs or () if given not in settings]
    if not folders:
        raise DanluError("serve.no_runs")

    from danlu.memory import uncollected

    with uncollected():
        from danlu.serving import server

    server.serve(folders, config)


@_command(
    "export",
    """\
danlu export runs/reviews --to onnx
danlu export runs/reviews --to onnx --int8 --out served/reviews
danlu export runs/poems --to gguf --bits q8_0""",
)
def export(
    run: RunFolder,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=say("cli.export.to"), show_default=False)],
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.export.out"))] = None,
    rows: Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.export.rows"))] = None,
    int8: Annotated[bool, typer.Option("--int8", help=say("cli.export.int8"))] = False,
    bits: Annotated[
        Literal["f16", "q8_0", "q4_0"], typer.Option(metavar="f16|q8_0|q4_0", help=say("cli.export.bits"))
    ] = "f16",
    compiled: Annotated[bool, typer.Option("--compiled", help=say("cli.export.compiled"))] = False,
    max_drop: Annotated[float, typer.Option(metavar="X", help=say("cli.export.max_drop"))] = 1.0,
    language: Language = None,
) -> None:
    """Write a run's model in another format."""
    from danlu import api
    from danlu.display import shown

    shown(api.exporting(run, to, out, rows=rows, int8=int8, bits=bits, compiled=compiled, max_drop=max_drop))


@_command("report", "danlu report runs/reviews\ndanlu report runs/reviews --open")
def report(
    run: RunFolder,
    browser: Annotated[bool, typer.Option("--open", help=say("cli.report.open"))] = False,
    language: Language = None,
) -> None:
    """Tell what a run measured, and where its page is."""
    from danlu.overview import report_lines
    from danlu.run import Run

    found = Run.open(run)
    _print([*report_lines(found.report), say("overview.page", page=str(found.report_html))])
    if browser:
        import webbrowser

        webbrowser.open(found.report_html.resolve().as_uri())


@_command("runs", "danlu runs\ndanlu runs experiments")
def runs(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help=say("cli.runs.folder"))] = "runs",
    language: Language = None,
) -> None:
    """List the runs below a folder."""
    from danlu.overview import runs_table

    _print(runs_table(folder))


@_command(
    "new",
    """\
danlu new text-classification > recipe.yaml
danlu new image-classification --model resnet > recipe.yaml""",
)
def new(
    task: Annotated[str, typer.Argument(metavar="TASK", help=say("cli.new.task"), show_default=False)],
    model: Annotated[str, typer.Option("--model", "-m", metavar="FAMILY", help=say("cli.new.model"))] = "auto",
    language: Language = None,
) -> None:
    """Write a commented recipe."""
    from danlu.models import family_named
    from danlu.newrecipe import recipe_text
    from danlu.tasks import task_named

    settings = None if model == "auto" else family_named(model).config
    _print(recipe_text(task_named(task).name, model, settings))


@_command("schema", "danlu schema > recipe.schema.json")
def schema() -> None:
    """Write the JSON Schema of a recipe."""
    from danlu.newrecipe import schema_text

    _print(schema_text())


@_command("models", "danlu models\ndanlu models gru\ndanlu models transformers:xlnet\ndanlu models --json")
def models(
    family: Annotated[str | None, typer.Argument(metavar="[FAMILY]", help=say("cli.models.family"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("cli.models.json"))] = False,
    language: Language = None,
) -> None:
    """List the families of models with what each is for, can do and weighs, or the settings of one."""
    from danlu import catalogue

    if as_json:
        found = catalogue.family_json(family) if family else [entry.to_json() for entry in catalogue.listed()]
        _print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(catalogue.family_lines(family) if family else catalogue.catalogue_lines())


@_command("doctor", "danlu doctor\ndanlu doctor --measure")
def doctor(
    measure: Annotated[bool, typer.Option("--measure", help=say("cli.doctor.measure"))] = False,
    language: Language = None,
) -> None:
    """Tell what this machine has, and what is missing."""
    from danlu.doctor import advice, facts

    _print(definitions((str(fact.name), str(fact.value)) for fact in facts(measure)))
    found = [str(note) for note in advice()]
    _print(["", *(found or [say("doctor.well")])])


def _print_drift(
    arguments: list[str], address: str, api_key_file: str | None, tls_cert: str | None, as_json: bool
) -> None:
    """What a running server says of drift; arguments: its address, and names of models or their run folders."""
    from danlu.serving.config import api_keys
    from danlu.serving.reporting import asked, report_lines

    addresses = [given for given in arguments if given.startswith(("http://", "https://"))]
    names = [Path(given).resolve().name for given in arguments if given not in addresses]
    key = next(iter(api_keys(api_key_file)), None)
    found = [
        model
        for each in addresses or [address]
        for model in asked(each.rstrip("/"), names, key, Path(tls_cert) if tls_cert else None)
    ]
    _print(json.dumps(found, ensure_ascii=False, indent=1) if as_json else report_lines(found))


def _recipe(arguments: list[str], asked: dict[str, Any]) -> "Recipe":
    """The recipe of data files or a recipe file, with options and then `key=value` settings laid over it."""
    from danlu.api import recipe_of
    from danlu.recipe import Recipe, with_overrides

    settings = [a for a in arguments if _is_setting(a, set(Recipe.model_fields))]
    files = [a for a in arguments if a not in settings]
    recipes = [file for file in files if file.endswith((".yaml", ".yml"))]
    if recipes and len(files) > 1:
        raise DanluError("cli.recipe_alone", recipe=recipes[0], others=" ".join(f for f in files if f != recipes[0]))
    base = recipe_of(recipe=recipes[0], **asked) if recipes else recipe_of(files, **asked)
    return Recipe.of(with_overrides(base.model_dump(exclude_unset=True), settings), where="key=value")


def _is_setting(argument: str, sections: set[str]) -> bool:
    """Whether an argument is `key=value` rather than a file whose name holds a "="."""
    key, equals, _ = argument.partition("=")
    if not equals or not re.fullmatch(r"[a-z]\w*(\.\w+)*", key):
        return False
    return key.partition(".")[0] in sections or not (re.search(r"[/*?]", argument) or Path(argument).exists())


def _write(answers: "Callable[[Progress], Iterator[pl.DataFrame]]", file: Path | None) -> None:
    """Into a file, onto a terminal, or as CSV into a pipe, with progress on standard error."""
    from danlu import output
    from danlu.display import display_here
    from danlu.events import Doing

    display = display_here(sys.stderr)
    lines: list[str] = []
    try:
        frames = answers(lambda note, done, total: display.show(Doing(note, done, total)))
        if file:
            output.write_file(frames, file)
        elif sys.stdout.isatty():
            lines = output.preview(frames, shutil.get_terminal_size().columns)
        else:
            output.write_standard_output(frames)
    finally:
        display.close()
    if lines:
        _print(lines)


def _json_row(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise DanluError("cli.not_json", got=text[:80], why=str(error)) from None
    if not isinstance(row, dict):
        raise DanluError("cli.not_a_row", got=text[:80])
    return row


def _print(text: str | Iterable[str]) -> None:
    print(text if isinstance(text, str) else "\n".join(text))
