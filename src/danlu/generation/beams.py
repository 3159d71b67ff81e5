"""Beam search, with the bookkeeping of transformers, so that its texts are the same. Knows nothing of models."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from danlu.generation.choice import penalised
from danlu.generation.config import GenerationConfig
from danlu.generation.reading import Reader

NEVER = -1e9  # score of the copies that a beam begins with


@dataclass
class Ended:
    """The best texts of one prompt that have ended; `open` while a better one may come."""

    config: GenerationConfig
    texts: list[tuple[float, list[int]]] = field(default_factory=list)  # the best first
    open: bool = True

    def add(self, score: float, tokens: list[int]) -> None:
        """A text that has ended, with the sum of its tokens' log-probabilities."""
        self.texts.append((score / len(tokens) ** self.config.length_penalty, tokens))
        self.texts = sorted(self.texts, key=lambda text: -text[0])[: self.config.num_beams]

    def judge(self, best: float, length: int) -> None:
        """Close once no text that goes on, the best of them scored `best`, could be among the best."""
        if len(self.texts) == self.config.num_beams:
            hopeless = best / length**self.config.length_penalty <= self.texts[-1][0]
            self.open = self.open and not (hopeless or self.config.early_stopping)


@torch.inference_mode()
def beam_search(
    reader: Reader, tokens: Tensor, config: GenerationConfig, most: int, ends: Sequence[int]
) -> list[list[int]]:
    """The likeliest text behind each prompt, as far as `num_beams` texts at a time find it; without its end.

    reader: before it has read the prompts, tokens (B, T).
    """
    rows, beams, begin = len(tokens), config.num_beams, tokens.shape[1]
    ended = [Ended(config) for _ in range(rows)]
    scores = reader.next_scores(tokens).repeat_interleave(beams, dim=0)
    texts = tokens.repeat_interleave(beams, dim=0)  # (B · beams, T)
    row_of = torch.arange(rows, device=tokens.device)
    reader.select(row_of.repeat_interleave(beams))
    first = row_of[:, None] * beams
    sums = scores.new_full((rows, beams), NEVER, dtype=torch.float32)  # (B, beams)
    sums[:, 0] = 0.0
    for length in range(1, most + 1):
        logs = _logarithms(scores, texts, config).unflatten(0, (rows, beams)) + sums[..., None]
        best, places = logs.flatten(1).topk(beams * max(2, 1 + len(ends)))
        beam, token = places // scores.shape[-1], places % scores.shape[-1]
        over = torch.isin(token, token.new_tensor(ends)) | (length == most)
        longer = torch.cat([texts[first + beam], token[..., None]], dim=2)  # (B, candidates, T + 1)
        for row, known in enumerate(ended):
            for place in over[row, :beams].nonzero()[:, 0].tolist() if known.open else ():
                known.add(float(best[row, place]), longer[row, place, begin:].tolist())
        sums, kept = best.masked_fill(over, -torch.inf).topk(beams)
        for row, known in enumerate(ended):
            known.judge(float(sums[row, 0]), length)
        if length == most or not any(known.open for known in ended):
            break
        texts = longer.gather(1, kept[..., None].expand(-1, -1, longer.shape[2])).flatten(0, 1)
        reader.select((first + beam.gather(1, kept)).flatten())
        scores = reader.next_scores(texts[:, -1:])
    return [_without_end(known.texts[0][1], ends) for known in ended]


def _logarithms(scores: Tensor, texts: Tensor, config: GenerationConfig) -> Tensor:
    logs = scores.float().log_softmax(-1)
    return logs if config.repetition_penalty == 1.0 else penalised(logs, texts, config.repetition_penalty)


def _without_end(tokens: list[int], ends: Sequence[int]) -> list[int]:
    return tokens[:-1] if tokens[-1] in ends else tokens
