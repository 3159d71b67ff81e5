"""Small files under the names that the documentation and the recipes use, and a quick way to train on them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from danlu import api, models
from danlu.data.store import Shapes
from danlu.models.hub import files
from danlu.run import Run

QUICK: dict[str, Any] = {
    "train__epochs": None,
    "train__steps": 2,
    "evaluate__baseline": False,
    "evaluate__bootstrap": 10,
}
GOOD = ("a joy from start to end", "warm and funny", "a fine cast", "i would see it again", "clever")
BAD = ("a dull mess", "far too long", "i left early", "flat and lifeless", "a waste of time")


@pytest.fixture(scope="session")
def made_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds every file that documentation and recipes name."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    _texts(folder, rng)
    _tables(folder, rng)
    _images(folder, rng)
    _sequences(folder, rng)
    _checkpoint(folder / "minilm")
    return folder


@pytest.fixture(scope="module")
def workplace(made_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The made files, and three small runs on them, in a folder that is the current one for a module's tests."""
    folder = tmp_path_factory.mktemp("work")
    for path in made_data.iterdir():
        (folder / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DANLU_LANG", "en")
        api.train("reviews.csv", target="label", out="runs/reviews", quiet=True, **QUICK)
        api.train("houses.csv", target="price", out="runs/houses", quiet=True, **QUICK)
        api.train("sample:digits", model="cnn", out="runs/digits", quiet=True, model__width=4, **QUICK)
        yield folder


@pytest.fixture(scope="session")
def quick_settings() -> list[str]:
    """`key=value` settings that let a training end after two steps."""
    return [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in QUICK.items()]


@pytest.fixture
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """danlu.train makes two steps and leaves out what takes long after them."""
    monkeypatch.setattr(api, "train", _quick(api.train))


def _quick(train: Callable[..., Run]) -> Callable[..., Run]:
    def quick(*given: Any, **settings: Any) -> Run:
        return train(*given, **settings if "resume" in settings else {**settings, **QUICK, "quiet": True})

    return quick


def _texts(folder: Path, rng: np.random.Generator) -> None:
    good = rng.integers(0, 2, 80).astype(bool)
    text = [", ".join(rng.choice(GOOD if g else BAD, 2)) + f", seen {i} times" for i, g in enumerate(good)]
    reviews = pl.DataFrame({"text": text, "label": ["good" if g else "bad" for g in good]})
    for name, part in {
        "reviews": reviews,
        "train": reviews[:60],
        "validation": reviews[60:70],
        "test": reviews[70:],
        "new": reviews[:5].select("text"),
    }.items():
        part.write_csv(folder / f"{name}.csv")
    tale = ("once upon a time", "there was a fox", "the fox went home", "and slept")
    stories = [", ".join(rng.choice(tale, rng.integers(2, 5))) + "." for _ in range(60)]
    (folder / "stories.txt").write_text("\n\n".join(stories))
    for name, count in (("places", 60), ("places-dev", 12), ("places-test", 12)):
        (folder / f"{name}.conll").write_text("\n\n".join(_places(rng) for _ in range(count)) + "\n")
    _pairs(folder, rng)
    _questions(folder, rng)
    stars = np.where(good, 4, 1) + rng.integers(0, 2, 80)
    pl.DataFrame({"text": text, "stars": stars}).write_csv(folder / "ratings.csv")
    tags = [list(rng.choice(["funny", "long", "sad"], n, replace=False)) for n in rng.integers(1, 3, 80)]
    pl.DataFrame({"text": text, "tags": ["|".join(t) for t in tags]}).write_csv(folder / "films.csv")


def _pairs(folder: Path, rng: np.random.Generator) -> None:
    """Sentences in two languages without a header, and papers with several summaries each."""
    names, towns = {"Ann": "安", "Bob": "鲍勃", "Kim": "金"}, {"Oslo": "奥斯陆", "Rome": "罗马", "Lima": "利马"}
    chosen = [(rng.choice(list(names)), rng.choice(list(towns)), i) for i in range(60)]
    lines = [
        f"We met {who} in {where} {i} times.\t我们在{towns[where]}见过{names[who]}{i}次。" for who, where, i in chosen
    ]
    (folder / "sentences.tsv").write_text("\n".join(lines), encoding="utf-8")
    for name, count in (("papers", 40), ("papers-dev", 8), ("papers-test", 8)):
        said = [f"Fox number {i} went home" for i in range(count)]
        papers = [
            {"source": [f"{each}.", "It was late.", "It slept."], "target": [each, f"{each}, late"]} for each in said
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, papers)))


def _questions(folder: Path, rng: np.random.Generator) -> None:
    """Where people live, as SQuAD writes questions, contexts and answers."""
    for name, count in (("questions", 60), ("questions-test", 12)):
        paragraphs = []
        for i in range(count):
            who, where = rng.choice(["Ann", "Bob", "Kim"]), rng.choice(["Oslo", "Rome", "Lima"])
            context = f"Number {i}: {who} lives in {where}, and likes it."
            answer = {"text": where, "answer_start": context.index(where)}
            asked = {"id": f"{name} {i}", "question": f"Where does {who} live?", "answers": [answer]}
            paragraphs.append({"context": context, "qas": [asked]})
        content = {"version": "1.1", "data": [{"title": "People", "paragraphs": paragraphs}]}
        (folder / f"{name}.json").write_text(json.dumps(content))


def _places(rng: np.random.Generator) -> str:
    """A sentence about a person in a place, a word and its tag per line."""
    who, where = rng.choice(["Ann", "Bob", "Kim"]), rng.choice(["Oslo", "Rome", "Lima"])
    words = [("We", "O"), ("met", "O"), (who, "B-person"), ("Lee", "I-person"), ("in", "O"), (where, "B-place")]
    return "\n".join(f"{word}\t{tag}" for word, tag in [*words[: 3 + rng.integers(0, 2)], *words[4:], (".", "O")])


def _checkpoint(folder: Path) -> None:
    """A tiny BERT with random weights, as a checkpoint on the hub has them."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({word for text in GOOD + BAD for word in text.split()})
    shapes = Shapes(tokens=len(marks + words), max_tokens=64, heads={"label": 2})
    fields = {"width": 8, "depth": 3, "heads": 2, "max_length": 64}
    module, config = models.build("bert", fields, shapes)
    layout = models.family_named("bert").layout
    assert layout
    files.write(folder, layout.config(config, shapes), layout.tensors(module, config))
    (folder / "vocab.txt").write_text("\n".join(marks + words))


def _tables(folder: Path, rng: np.random.Generator) -> None:
    rooms = rng.integers(1, 6, 120)
    area = (rooms * 20 + rng.normal(10, 8, 120)).round(1)
    houses = pl.DataFrame(
        {
            "rooms": rooms,
            "area": area,
            "city": rng.choice(["Rome", "Oslo", "Lima"], 120),
            "built": rng.integers(1900, 2020, 120),
            "price": (area * 1000 + rooms * 20_000 + rng.normal(0, 8000, 120)).round(),
        }
    )
    houses.write_csv(folder / "houses.csv")
    houses[:7].drop("price").write_csv(folder / "new-houses.csv")
    visits = pl.DataFrame(
        {
            "patient": np.repeat(np.arange(30), 4),
            "day": pl.Series(rng.integers(19_000, 20_000, 120)).cast(pl.Date),
            "pressure": np.where(rng.random(120) < 0.1, 999, rng.integers(90, 180, 120)),
            "age": rng.integers(20, 90, 120),
            "outcome": rng.choice(["well", "ill"], 120),
        }
    )
    visits.write_csv(folder / "patients.csv")


def _images(folder: Path, rng: np.random.Generator) -> None:
    def picture(path: Path, brightness: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((16, 16, 3)) * brightness).astype(np.uint8)).save(path)

    for i in range(20):
        picture(folder / "photos" / "cat" / f"{i}.png", 120)
        picture(folder / "photos" / "dog" / f"{i}.png", 255)
    picture(folder / "photo.png", 255)
    ages = rng.integers(1, 90, 40)
    for i, age in enumerate(ages):
        picture(folder / "faces" / f"{i:03}.png", 100 + age)
    paths = [f"faces/{i:03}.png" for i in range(40)]
    pl.DataFrame({"image": paths, "age": ages}).write_csv(folder / "faces.csv")


def _sequences(folder: Path, rng: np.random.Generator) -> None:
    steps = []
    for recording in range(40):
        activity = ["walking", "resting"][recording % 2]
        for step in range(int(rng.integers(8, 14))):
            x, y, z = rng.normal(0, 1 + recording % 2, 3).round(3)
            row = {"recording": recording, "step": step, "x": x, "y": y, "z": z, "activity": activity}
            steps.append(row)
    pl.DataFrame(steps).write_csv(folder / "sensors.csv")
    with (folder / "battery.jsonl").open("w", encoding="utf-8") as file:
        for hours in rng.uniform(1, 9, 40).round(2):
            voltage = (3 + hours / 9 + rng.normal(0, 0.05, 12)).round(3)
            file.write(json.dumps({"voltage": voltage.tolist(), "hours": hours}) + "\n")
