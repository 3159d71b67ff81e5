"""Texts that are written together: what goes wrong with one ends that one."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import danlu
from danlu.evaluation.language import writer
from danlu.generation.config import GenerationConfig
from danlu.generation.text import Writer
from danlu.serving.writing import Engine, Wish

GREEDY = GenerationConfig(temperature=0.0, max_new_tokens=12)
PROMPTS = ("the cat", "a dog likes", "my bird")


class Silent:
    """A watch that keeps nothing."""

    def tokens(self, kind: str, count: int) -> None:
        """Nothing."""

    def streams(self, texts: int) -> None:
        """Nothing."""


class Breaking:
    """A constraint that allows everything, and breaks at the third token in the way that is asked for."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.taken = error, 0

    def masked(self, scores: Tensor) -> Tensor:
        """All of them; not-a-number at the third token where there is no error to raise."""
        return scores * torch.nan if self.error is None and self.taken == 2 else scores

    def take(self, token: int) -> bool:
        """Never complete."""
        self.taken += 1
        if self.error and self.taken == 3:
            raise self.error
        return False


@pytest.fixture(scope="module")
def writes(runs: Path) -> Writer:
    """What writes the texts of a run."""
    predictor = danlu.load(runs / "sayings")
    return writer(predictor.module, predictor.codec.reading)  # type: ignore[arg-type]


async def written(engine: Engine, wish: Wish) -> str:
    """The whole text."""
    return "".join([piece.text async for piece in engine.write(wish)])


def together(writes: Writer, wishes: Sequence[Wish]) -> list[Any]:
    """The text of each wish, or the error with which it ended."""

    async def all_of_them() -> list[Any]:
        engine = Engine(writes, max_streams=8, max_queue=8, watch=Silent())
        found = await asyncio.gather(*(written(engine, wish) for wish in wishes), return_exceptions=True)
        engine.close()
        return found

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("broken"), KeyError("broken"), None])
def test_what_goes_wrong_with_one_text_ends_no_other(error: Exception | None, writes: Writer) -> None:
    wishes = [Wish(writes.tokens(prompt), GREEDY) for prompt in PROMPTS]
    alone = writes.texts(PROMPTS, GREEDY, ())
    heat = GenerationConfig(temperature=0.7, max_new_tokens=12)
    broken = Wish(writes.tokens("春眠"), heat, constraint=Breaking(error))
    one, fails, two, three = together(writes, [wishes[0], broken, *wishes[1:]])
    assert [one, two, three] == alone
    assert isinstance(fails, type(error) if error else ArithmeticError)


def test_a_prompt_that_cannot_be_read_ends_no_other_that_joins_with_it(writes: Writer) -> None:
    wishes = [Wish(writes.tokens(prompt), GREEDY) for prompt in PROMPTS]
    unreadable = Wish([*writes.tokens("the"), 10**6], GREEDY)
    one, fails, two, three = together(writes, [wishes[0], unreadable, *wishes[1:]])
    assert [one, two, three] == writes.texts(PROMPTS, GREEDY, ())
    assert isinstance(fails, IndexError)


def test_what_goes_wrong_with_all_is_told_to_all_and_those_who_come_later_are_served(
    writes: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(writes, max_streams=8, max_queue=8, watch=Silent())
    reading = engine.rows.next_scores

    def breaks(tokens: Tensor) -> Tensor:
        monkeypatch.setattr(engine.rows, "next_scores", reading)
        raise RuntimeError("no memory")

    monkeypatch.setattr(engine.rows, "next_scores", breaks)

    async def both() -> list[Any]:
        wishes = [Wish(writes.tokens(prompt), GREEDY) for prompt in PROMPTS]
        first = await asyncio.gather(*(written(engine, wish) for wish in wishes), return_exceptions=True)
        return [*first, await written(engine, wishes[0])]

    *first, later = asyncio.run(asyncio.wait_for(both(), 60))
    engine.close()
    assert [type(each) for each in first] == [RuntimeError] * 3
    assert later == writes.texts(PROMPTS[:1], GREEDY, ())[0]
