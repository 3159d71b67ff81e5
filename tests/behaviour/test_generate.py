"""`danlu generate` and `Predictor.generate`: a run goes on with a text."""

import random
import sys
from pathlib import Path

import pytest
import torch

import danlu
from danlu.cli import main
from danlu.errors import DanluError
from danlu.predictor import Predictor

SAYINGS = ("the cat sees the sun.", "a dog likes a tree.", "my bird hears you.", "春眠不觉晓。")
QUICK = {
    "train__epochs": None,
    "train__steps": 100,
    "evaluate__baseline": False,
    "evaluate__bootstrap": 10,
    "train__keep": "last",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of a language model that knows four sayings, and of a table's model."""
    folder = tmp_path_factory.mktemp("generate")
    rng = random.Random(0)
    sayings = "\n".join(rng.choice(SAYINGS) for _ in range(300))
    (folder / "sayings.txt").write_text(sayings, encoding="utf-8")
    model = {"family": "gpt2", "width": 32, "depth": 1, "heads": 2, "max_length": 32, "dropout": 0.0}
    text = {"data__documents": "line", "data__text__max_length": 32, "train__learning_rate": 0.02}
    held = {}
    for name, saying in (("validation", "a cat hears you."), ("test", "my dog sees the tree.")):
        (folder / f"{name}.txt").write_text(saying, encoding="utf-8")
        held[f"data__{name}_files"] = str(folder / f"{name}.txt")
    danlu.train(folder / "sayings.txt", model=model, out=folder / "sayings", quiet=True, **text, **held, **QUICK)
    rows = {"weight": list(range(40)), "heavy": ["no", "yes"] * 20}
    danlu.train(rows, target="heavy", model="linear", out=folder / "table", quiet=True, **QUICK)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Predictor:
    return danlu.load(folder / "sayings")


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DANLU_LANG", "en")


def ran(arguments: list[str], patch: pytest.MonkeyPatch) -> int | str | None:
    patch.setattr(sys, "argv", ["danlu", "generate", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_a_model_ends_the_sayings_that_it_learned(model: Predictor) -> None:
    prompts = ["the cat", "a d", "my bird hears", "春眠"]
    texts = model.generate(prompts, temperature=0)
    assert [prompt + text for prompt, text in zip(prompts, texts, strict=True)] == list(SAYINGS)


def test_without_a_prompt_a_text_of_its_own_is_begun(model: Predictor) -> None:
    (text,) = model.generate("", temperature=0)
    assert text in SAYINGS


def test_a_stream_tells_the_same_text_in_pieces(model: Predictor) -> None:
    settings = {"seed": 2, "temperature": 1.5, "max_new_tokens": 25}
    pieces = list(model.generate_stream("the", ["z"], **settings))
    assert "".join(pieces) == model.generate("the", ["z"], **settings)[0]
    assert len(pieces) > 1


def test_transformers_loads_a_run_and_writes_the_same_to_the_same_end(folder: Path, model: Predictor) -> None:
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    theirs = AutoModelForCausalLM.from_pretrained(folder / "sayings" / "model").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "sayings" / "model")
    prompt = torch.tensor([[tokenizer.bos_token_id, *tokenizer("the cat", add_special_tokens=False).input_ids]])
    written = theirs.generate(prompt, do_sample=False, max_new_tokens=24)[0]
    assert written[-1] == tokenizer.eos_token_id
    assert (
        tokenizer.decode(written, skip_special_tokens=True) == "the cat" + model.generate("the cat", temperature=0)[0]
    )


def test_no_prompts_have_no_texts(model: Predictor) -> None:
    assert model.generate([]) == model.generate([], num_beams=2) == []


@pytest.mark.parametrize("how", [["--stream"], ["--no-stream"], []])
def test_the_command_prints_the_prompt_and_what_follows(
    how: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(["sayings", "the cat", "--temperature", "0", *how], monkeypatch) in (None, 0)
    assert capsys.readouterr().out == "the cat sees the sun.\n"


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_the_command_writes_in_the_precision_that_is_asked_for(
    precision: str, model: Predictor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = model.computed_in(precision)
    assert next(fast.module.parameters()).dtype == torch.bfloat16
    assert ran(["sayings", "the cat", "--temperature", "0", "--precision", precision], monkeypatch) in (None, 0)
    assert capsys.readouterr().out == "the cat" + fast.generate("the cat", temperature=0.0)[0] + "\n"
    assert model.computed_in("float32").module is model.module


def test_what_of_a_prompt_is_not_known_or_not_in_view_is_said(
    model: Predictor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = {note.key: note.fields for note in model.of_prompts(["the 猫", "the cat"])}
    assert notes == {"generate.unknown": {"unknown": 1, "tokens": len("the 猫")}}
    with pytest.warns(UserWarning, match="occur in no training text"):
        model.generate("the 猫", max_new_tokens=2)
    assert ran(["sayings", "the 猫", "--max-new-tokens", "2"], monkeypatch) in (None, 0)
    printed = capsys.readouterr()
    assert "1 of the prompt's 5 tokens" in printed.err
    assert "Warning" not in printed.err
    long = model.of_prompts(["the cat sees the sun. " * 5])
    assert [note.key for note in long] == ["generate.beyond_view"]


def test_the_command_honours_its_options(
    model: Predictor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {"max_new_tokens": 9, "temperature": 1.2, "top_k": 5, "top_p": 0.9, "min_p": 0.01, "seed": 4}
    searched = {"num_beams": 3, "length_penalty": 0.5, "max_new_tokens": 12, "repetition_penalty": 1.3}
    for settings in (drawn, searched):
        options = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        assert ran(["sayings", "a ", *options], monkeypatch) in (None, 0)
        assert capsys.readouterr().out == "a " + model.generate("a ", **settings)[0] + "\n"
    assert ran(["sayings", "the", "--stop", "sun", "--temperature", "0"], monkeypatch) in (None, 0)
    assert capsys.readouterr().out == "the cat sees the \n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table", "a"], "writes no texts"),
        (["sayings", "the cat", "--max-new-tokens", "40"], "32 positions"),
        (["sayings", "the", "--temperature", "0", "--top-k", "3"], "top_k changes nothing"),
        (["sayings", "the", "--num-beams", "2", "--stream"], "cannot be followed"),
        (["sayings", "the", "--temperature", "-1"], "temperature"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_printed(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ran(arguments, monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def test_an_unknown_setting_is_refused_with_the_nearest(model: Predictor) -> None:
    with pytest.raises(DanluError) as error:
        model.generate("the", temprature=1.0)
    assert "temperature" in str(error.value)


def test_an_empty_stop_string_is_refused_with_and_without_beams(model: Predictor) -> None:
    for beams in (1, 2):
        with pytest.raises(DanluError, match="stop: an empty text") as refused:
            model.generate("the", stop=[""], num_beams=beams)
        assert refused.value.key == "generate.empty_stop"
