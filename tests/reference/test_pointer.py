"""An encoder-decoder that copies, beside the formula of See et al. (2017), and what copying is for."""

import pytest
import torch

from danlu.data.store import Shapes
from danlu.generation import answer
from danlu.generation.config import GenerationConfig
from danlu.models import build
from danlu.models.pointer import PointerGenerator, _followed
from danlu.models.scoring import token_nats

TOKENS, START = 60, 1
FIELDS = {"width": 32, "depth": 1, "heads": 2, "dropout": 0.0}


def pointer(longest: int = 8) -> PointerGenerator:
    torch.manual_seed(0)
    module, _ = build("pointer", FIELDS, Shapes(tokens=TOKENS, max_tokens=longest, answers=longest))
    assert isinstance(module, PointerGenerator)
    return module.eval()


def inputs(tokens: torch.Tensor, answers: torch.Tensor, length: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    length = torch.full((len(tokens),), tokens.shape[1]) if length is None else length
    return {"tokens": tokens, "tokens_length": length, "answer": answers}


def test_chances_sum_to_one_and_the_gate_shares_them() -> None:
    module = pointer()
    tokens, answers = torch.randint(10, TOKENS, (3, 7)), torch.randint(10, TOKENS, (3, 5))
    length = torch.tensor([7, 4, 1])
    with torch.no_grad():
        chances = module(inputs(tokens, answers, length))["logits"].exp()
        torch.testing.assert_close(chances.sum(-1), torch.ones(3, 5), atol=1e-4, rtol=0)
        module.gate.bias.fill_(-50.0)  # nothing but copies
        copied = module(inputs(tokens, answers, length))["logits"].exp()
    for row, real in enumerate(length.tolist()):
        own = torch.zeros(TOKENS, dtype=torch.bool)
        own[tokens[row, :real]] = True
        assert copied[row][:, own].sum(-1).min() > 0.999
        assert copied[row][:, ~own].max() <= 1.1e-9, "what pads a source is never copied"


def test_attention_is_drawn_to_what_follows_the_last_tokens() -> None:
    source = torch.tensor([[5, 6, 7, 5, 8, 0]])
    last, both = _followed(torch.tensor([[-1, 9, 5], [-1, 6, 5], [-1, 7, 5]])[:, -2:].unsqueeze(1)[:, 0], source)
    assert last[0].tolist() == [[False, True, False, False, True, False]]
    assert both[2].tolist() == [[False, False, False, False, True, False]]
    assert not both[:2].any()


def test_a_text_alone_gets_the_scores_it_gets_among_longer_ones() -> None:
    module = pointer()
    tokens, answers = torch.randint(10, TOKENS, (2, 8)), torch.randint(10, TOKENS, (2, 5))
    with torch.no_grad():
        together = module(inputs(tokens, answers, torch.tensor([8, 3])))["logits"][1]
        alone = module(inputs(tokens[1:, :3], answers[1:]))["logits"][0]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("beams", [1, 3])
def test_writing_step_by_step_tells_what_reading_the_whole_answer_tells(beams: int) -> None:
    module = pointer(12)
    sources = torch.randint(10, TOKENS, (4, 9)).tolist()
    config = GenerationConfig(temperature=0.0, num_beams=beams, max_new_tokens=6)
    written = answer(module, sources, config, START)
    if beams > 1:
        assert all(len(tokens) == 6 for tokens in written)
        return
    given = torch.tensor([[START, *tokens[:-1]] for tokens in written])
    with torch.no_grad():
        again = module(inputs(torch.tensor(sources), given))["logits"].argmax(-1)
    assert again.tolist() == written


def test_what_is_quoted_is_learned_in_fewer_steps_than_without_copying() -> None:
    """What stands behind a mark in the source is the answer."""
    losses = {}
    for family in ("pointer", "pegasus"):
        torch.manual_seed(0)
        module, _ = build(family, FIELDS, Shapes(tokens=TOKENS, max_tokens=8, answers=8))
        optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
        for _ in range(150):
            tokens = torch.stack([torch.randperm(TOKENS - 10)[:8] + 10 for _ in range(32)])
            place = torch.randint(0, 4, (32,))
            tokens[torch.arange(32), place] = 2
            wanted = tokens.gather(1, place[:, None] + torch.arange(1, 4))
            given = torch.cat([torch.full((32, 1), START), wanted[:, :-1]], dim=1)
            loss = token_nats(module(inputs(tokens, given)), wanted, 0.0, -1) / wanted.numel()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[family] = loss.item()
    assert losses["pointer"] < losses["pegasus"] / 2, losses
