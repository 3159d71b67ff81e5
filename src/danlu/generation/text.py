"""Texts written behind texts: prompts to tokens, tokens to pieces of text as they come, and where to stop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from danlu.errors import DanluError
from danlu.generation import generate, stream
from danlu.generation.config import GenerationConfig
from danlu.generation.reading import Decoder

UNFINISHED = "\ufffd"  # what a decoder gives for the first bytes of a character


@dataclass(frozen=True)
class Writer:
    """A language model with its tokenizer; `begin` stands before each prompt, one of `ends` closes a text."""

    model: Decoder
    tokenizer: Tokenizer
    begin: Sequence[int]
    ends: Sequence[int]

    def texts(self, prompts: Sequence[str], config: GenerationConfig, stop: Sequence[str] = ()) -> list[str]:
        """What the model writes behind each prompt, without the prompt, up to the first of the `stop` strings.

        Raises DanluError where a prompt has no token, or prompt and new tokens are more than the model has places for.
        """
        if config.num_beams == 1:
            written = [""] * len(prompts)
            for row, piece in self.pieces(prompts, config, stop):
                written[row] += piece
            return written
        _refuse_empty(stop)
        given = [self.tokens(prompt) for prompt in prompts]
        return [
            "".join(_written(self.tokenizer, prompt, tokens, stop))
            for prompt, tokens in zip(given, generate(self.model, given, config, self.ends), strict=True)
        ]

    def pieces(
        self, prompts: Sequence[str], config: GenerationConfig, stop: Sequence[str] = ()
    ) -> Iterator[tuple[int, str]]:
        """`texts` as they come: (prompt, piece of its text), every piece as soon as nothing can change it."""
        _refuse_empty(stop)
        given = [self.tokens(prompt) for prompt in prompts]
        going = {row: Written(self.tokenizer, prompt, stop) for row, prompt in enumerate(given)}
        for step in stream(self.model, given, config, self.ends):
            for row, token in step.items():
                if row in going and token not in self.ends and (piece := going[row].add(token)):
                    yield row, piece
                if row in going and going[row].stopped:
                    del going[row]
            if not going:
                return
        yield from ((row, piece) for row, written in going.items() if (piece := written.rest()))

    def tokens(self, prompt: str) -> list[int]:
        """The tokens that the model begins with."""
        tokens = [*self.begin, *self.tokenizer.encode(prompt, add_special_tokens=False).ids]
        if not tokens:
            raise DanluError("generate.no_prompt")
        return tokens


def _refuse_empty(stop: Sequence[str]) -> None:
    """DanluError for a stop string without a character: it stands before every text."""
    if "" in stop:
        raise DanluError("generate.empty_stop")


class Written:
    """A text that grows token by token, until a stop string."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.tokens = list(prompt)  # the last ones told and those behind them: how a token is written hangs on both
        self.known = len(prompt)  # of `tokens`, those told
        self.told = self._decoded()
        self.held = ""  # what may be the beginning of a stop string
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that is certain now and was not before."""
        self.tokens.append(token)
        text = self._decoded()
        if text == self.told or text.endswith(UNFINISHED):
            return ""
        self.held += text[len(self.told) :]
        self.tokens = self.tokens[self.known :]
        self.known, self.told = len(self.tokens), self._decoded()
        return self._released()

    def rest(self) -> str:
        """What was held back, once no token follows."""
        return self.held + self._decoded()[len(self.told) :]

    def _released(self) -> str:
        found = [place for text in self.stop if (place := self.held.find(text)) >= 0]
        if found:
            self.stopped = True
            return self.held[: min(found)]
        keep = max((_overlap(self.held, text) for text in self.stop), default=0)
        piece, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return piece

    def _decoded(self) -> str:
        return self.tokenizer.decode(self.tokens, skip_special_tokens=True)


def _written(tokenizer: Tokenizer, prompt: Sequence[int], tokens: Sequence[int], stop: Sequence[str]) -> Iterator[str]:
    written = Written(tokenizer, prompt, stop)
    for token in tokens:
        yield written.add(token)
        if written.stopped:
            return
    yield written.rest()


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` begins."""
    return next(size for size in range(min(len(stop) - 1, len(text)), -1, -1) if text.endswith(stop[:size]))
