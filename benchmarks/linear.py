"""Linear and logistic regression on a table of 100,000 rows and 50 columns, beside scikit-learn: rows per second.

    python benchmarks/linear.py [--rounds 3] [--rows 100000] [--part number-csv number-fit class-csv class-fit]

The rows are drawn and written to a CSV file; 10,000 more tell the quality: R² of numbers, accuracy of classes. `csv` is
all there is from the file to a model: for scikit-learn reading with pandas or polars, scaling and fitting; for danlu a
whole run, which also looks for what is wrong with the rows and writes its folder and report, without baseline, behind a
small run that warms up. `fit` is fitting alone, of rows that are read and scaled.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import contest

COLUMNS, HELD_OUT = 50, 10_000
INPUTS = [f"x{n}" for n in range(COLUMNS)]
PARTS = ("number-csv", "number-fit", "class-csv", "class-fit")
FOLDER = "DANLU_BENCH_TABLES"  # the environment's variable that says where the rows lie
QUALITY = {"number": "R²", "class": "accuracy"}


def write_tables(folder, rows):
    """KIND-train.csv and KIND-test.csv of both kinds: columns of unequal scale, some of them much alike."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(rows + HELD_OUT, COLUMNS))
    drawn[:, 1::5] += drawn[:, ::5]
    told = drawn @ rng.normal(size=COLUMNS) / COLUMNS**0.5 + rng.normal(size=len(drawn))
    scaled = drawn * 10.0 ** (np.arange(COLUMNS) % 4) + np.arange(COLUMNS)
    table = pl.DataFrame(scaled, schema=INPUTS)
    for kind, target in (("number", told), ("class", np.where(told > 0, "yes", "no"))):
        whole = table.with_columns(y=pl.Series(target))
        whole[:rows].write_csv(folder / f"{kind}-train.csv", float_precision=4)
        whole[rows:].write_csv(folder / f"{kind}-test.csv", float_precision=4)


def files(kind):
    """Of the rows to train and to test."""
    return (Path(os.environ[FOLDER]) / f"{kind}-{part}.csv" for part in ("train", "test"))


def danlu(asked):
    import json

    import polars as pl

    from danlu import load

    kind, what = asked.part[0].split("-")
    train, test = files(kind)
    with tempfile.TemporaryDirectory() as folder:
        trained(pl.read_csv(train, n_rows=200), folder, "warm")
        began = time.perf_counter()
        run = trained(str(train), folder, "run")
        whole = time.perf_counter() - began
        records = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
        told = load(run.folder).predict(str(test))["prediction"].to_numpy()
    taken = whole if what == "csv" else records[-1]["elapsed_s"]
    return {"speed": asked.rows / taken, "quality": quality(kind, told, test)}


def trained(data, folder, name):
    """A run of all rows."""
    import danlu

    nothing = {"validation": 0, "test": 0}
    out = Path(folder) / name
    return danlu.train(
        data, target="y", model="linear", out=out, quiet=True, data__split=nothing, evaluate__baseline=False
    )


def _scikit_learn(asked, read, model):
    from sklearn.preprocessing import StandardScaler

    kind, what = asked.part[0].split("-")
    train, test = files(kind)
    began = time.perf_counter()
    rows = read(train)
    scaler = StandardScaler()
    scaled, labels = scaler.fit_transform(rows[INPUTS]), rows["y"]
    ready = time.perf_counter()
    model.fit(scaled, labels)
    done = time.perf_counter()
    told = model.predict(scaler.transform(read(test)[INPUTS]))
    taken = done - (began if what == "csv" else ready)
    return {"speed": asked.rows / taken, "quality": quality(kind, told, test)}


def quality(kind, told, test):
    import polars as pl
    from sklearn.metrics import accuracy_score, r2_score

    true = pl.read_csv(test, columns=["y"])["y"].to_numpy()
    return float(r2_score(true, told) if kind == "number" else accuracy_score(true, told))


def usual(asked):
    """LinearRegression or LogisticRegression."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    return LinearRegression() if asked.part[0].startswith("number") else LogisticRegression(max_iter=1000)


def with_pandas(asked):
    import pandas as pd

    return _scikit_learn(asked, pd.read_csv, usual(asked))


def with_polars(asked):
    import polars as pl

    return _scikit_learn(asked, pl.read_csv, usual(asked))


def with_ridge(asked):
    import polars as pl
    from sklearn.linear_model import Ridge

    return _scikit_learn(asked, pl.read_csv, Ridge())


CONTESTANTS = {"danlu": danlu, "scikit-learn and pandas": with_pandas, "scikit-learn and polars": with_polars}
OF_NUMBERS = {"scikit-learn's Ridge and polars": with_ridge}


def options(parser):
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)


def main():
    """Each part by itself, on the same files."""
    parser = argparse.ArgumentParser(add_help=False)
    options(parser)
    asked, others = parser.parse_known_args()
    if FOLDER in os.environ or {"-h", "--help"} & {*others}:
        (part, *_) = asked.part
        kind = part.partition("-")[0]
        contest.main(
            __doc__, CONTESTANTS | (OF_NUMBERS if kind == "number" else {}), unit="rows/s", quality=QUALITY[kind],
            tolerance=0.002, part=part, options=options,
        )  # fmt: skip
        return
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), asked.rows)
        environment = os.environ | {FOLDER: folder}
        rows = ["--rows", str(asked.rows)] if asked.rows != parser.get_default("rows") else []
        commands = [[sys.executable, sys.argv[0], *others, *rows, "--part", part] for part in asked.part]
        ends = [subprocess.run(command, env=environment, check=False).returncode for command in commands]
    sys.exit(max(ends))


if __name__ == "__main__":
    main()
