"""preprocessing.json and predict.py: what raw rows need before and behind a graph. Knows no format of graphs."""

import inspect
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import CodeType
from typing import Any

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from danlu.data.examples import ROW, Examples
from danlu.data.text import opened
from danlu.exporting import reference
from danlu.exporting.graph import Past
from danlu.exporting.job import Job
from danlu.predictor import Predictor

ANSWERS: dict[str | None, Callable[..., Any]] = {  # how a task reads texts → what answers rows
    None: reference.target_answers,
    "documents": reference.continuations,
    "pairs": reference.written_answers,
    "masked": reference.filled_masks,
    "words": reference.entities,
    "passages": reference.found_answers,
}
INPUTS: dict[str, Callable[..., Any]] = {  # part of a codec → what reads it
    "numbers": reference.numbers,
    "categories": reference.categories,
    "tokens": reference.tokens,
    "terms": reference.terms,
    "images": reference.image,
    "sequences": reference.sequence,
}
IMPORTS = {  # name in a source → what imports it
    "io": "import io",
    "json": "import json",
    "math": "import math",
    "re": "import re",
    "sys": "import sys",
    "Callable": "from collections.abc import Callable, Mapping, Sequence",
    "datetime": "from datetime import datetime",
    "Path": "from pathlib import Path",
    "Any": "from typing import Any",
}
_HEAD = '''"""Answers raw rows as the run {run} does, without danlu: python predict.py rows.json

rows.json holds a list of rows, [{{"column": value, ...}}, ...]; each answer is one line of JSON.
Needs {needs}.
"""

{imports}

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]
HERE = Path(__file__).parent
'''
_MAIN = '''
def main() -> None:
    """Answer the rows of the file that is named, or of standard input."""
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else sys.stdin.read())
    setup = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
    if absent := [name for name in setup["columns"] if rows and not any(name in row for row in rows)]:
        sys.exit(f"no row has a value for: {{', '.join(absent)}}. The model reads: {{', '.join(setup['columns'])}}.")
    for answer in {answers}(setup, rows, graph(), {tokenizer}, ({inputs})):
        print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    main()
'''
_TOKENIZER = '''
def tokenizer() -> Any:
    """The run's tokenizer, to which the names of marks in a text are text."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    found.encode_special_tokens = True
    found.no_truncation()
    found.no_padding()
    return found
'''


def write_beside(job: Job, graph: str, *needs: str) -> None:
    """preprocessing.json, tokenizer.json and predict.py, whose function `graph` is given."""
    setup = json.dumps(setup_of(job.predictor), ensure_ascii=False, allow_nan=False)
    (job.folder / "preprocessing.json").write_text(setup, encoding="utf-8")
    (job.folder / "predict.py").write_text(script(job.predictor, job.name, graph, needs), encoding="utf-8")
    if job.predictor.codec.tokenizer_json:
        (job.folder / "tokenizer.json").write_text(job.predictor.codec.tokenizer_json, encoding="utf-8")


def setup_of(predictor: Predictor) -> dict[str, Any]:
    """What preprocessing.json holds: all that was fitted, and how the columns are written."""
    said = predictor.codec.to_json()
    columns = {name: predictor.columns[name] for name in predictor.codec.inputs if name in predictor.columns}
    past = Past.of(predictor.module)
    return {
        "task": predictor.task.name,
        "columns": {name: {"kind": column.kind, "format": column.format} for name, column in columns.items()},
        **{name: value for name, value in said.items() if name not in ("notes", "unused", "inputs") and value},
        "targets": said["targets"],
        **({"past": asdict(past)} if past else {}),
    }


def script(predictor: Predictor, run: str, graph: str, needs: Sequence[str]) -> str:
    """The program that answers raw rows; `graph` is the source of its function `graph()`, of these packages."""
    parts, answers = _parts(predictor), ANSWERS[_reads(predictor)]
    reads_tokens = bool(predictor.codec.tokenizer_json)
    inputs = "".join(f"{part.__name__}, " for part in parts).rstrip(" ")
    main = _MAIN.format(answers=answers.__name__, inputs=inputs, tokenizer="tokenizer()" if reads_tokens else "None")
    sources = [inspect.getsource(function) for function in _with_helpers([*parts, answers])]
    sources += [graph.strip() + "\n", *([_TOKENIZER.strip() + "\n"] if reads_tokens else []), main.strip() + "\n"]
    packages = ["numpy", *needs, *(["tokenizers"] if reads_tokens else [])]
    packages += ["Pillow"] if predictor.codec.images else []
    imports = [line for name, line in IMPORTS.items() if re.search(rf"\b{name}\b", _HEAD + "".join(sources))]
    head = _HEAD.format(run=run, needs=", ".join(packages), imports="\n".join(imports))
    return "\n\n".join([head.rstrip() + "\n", *sources])


def _with_helpers(functions: Sequence[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """The functions and all that they call in their own file, in its order."""
    found, unseen = set[str](), [*functions]
    while unseen:
        function = unseen.pop()
        found.add(function.__name__)
        names = _names(function.__code__) - found
        unseen += [value for name in names if inspect.isfunction(value := vars(reference).get(name))]
    return [value for name, value in vars(reference).items() if name in found]


def _names(code: CodeType) -> set[str]:
    """The global names that code uses, and code within it."""
    inner = [_names(const) for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*inner)


def answers_by_script(predictor: Predictor, rows: Examples, run: reference.Run, **beside: Any) -> list[dict[str, Any]]:
    """What the program answers to these rows, each with what is said `beside` it, worked out by its own functions."""
    answers = ANSWERS[_reads(predictor)]
    setup = json.loads(json.dumps(setup_of(predictor)))
    plain = [row | beside for row in plain_rows(rows)]
    return answers(setup, plain, run, _tokenizer(predictor), _parts(predictor))


def plain_rows(rows: Examples) -> list[dict[str, Any]]:
    """The rows as a program without polars has them."""
    return [_plain(row) for row in rows.frame.drop(ROW).iter_rows(named=True)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value.to_list()) if isinstance(value, pl.Series) else value for name, value in row.items()}


def _reads(predictor: Predictor) -> str | None:
    return predictor.codec.reading.reads if predictor.codec.reading else None


def _parts(predictor: Predictor) -> list[Callable[..., Any]]:
    return [function for name, function in INPUTS.items() if getattr(predictor.codec, name)]


def _tokenizer(predictor: Predictor) -> Tokenizer | None:
    return opened(predictor.codec.tokenizer_json) if predictor.codec.tokenizer_json else None
