"""Continuous batching: texts join a batch that is being written and leave it when they end. Knows no HTTP.

Each text is what `danlu generate` writes with the same settings: its random numbers are its own.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from danlu.errors import DanluError
from danlu.generation import room
from danlu.generation.choice import Choice
from danlu.generation.config import GenerationConfig
from danlu.generation.joining import gathering
from danlu.generation.text import Writer, Written

Finish = Literal["stop", "length"]
TROUBLE = (DanluError, ArithmeticError, LookupError, RuntimeError, ValueError)  # which ends no other text
JOINING_TOKENS = 2048  # of prompts that are read between two steps of the texts being written


class Watch(Protocol):
    """Is told what is written."""

    def tokens(self, kind: Literal["prompt", "completion"], count: int) -> None:
        """So many tokens were read or written."""
        ...

    def streams(self, texts: int) -> None:
        """So many texts are being written."""
        ...


class Constraint(Protocol):
    """What a text may go on with."""

    def masked(self, scores: Tensor) -> Tensor:
        """scores (1, vocabulary), -inf for tokens that are not allowed."""
        ...

    def take(self, token: int) -> bool:
        """The token was written; whether the text is complete."""
        ...


@dataclass(frozen=True)
class Likely:
    """A token that was chosen, its log-probability, and the likeliest ones with theirs."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Piece:
    """What a step adds to a text; `finish` with the last one."""

    text: str
    tokens: int = 0
    likely: Likely | None = None
    finish: Finish | None = None


@dataclass(frozen=True)
class Wish:
    """A text to be written: the prompt's tokens, how tokens are chosen, where to stop.

    `place`: which of the texts of one prompt and seed. `logprobs`: likeliest tokens to tell of; None tells nothing.
    """

    prompt: Sequence[int]
    config: GenerationConfig
    stop: Sequence[str] = ()
    place: int = 0
    logprobs: int | None = None
    constraint: Constraint | None = None
    ends: Sequence[int] = ()


Told = Piece | BaseException


@dataclass(eq=False)
class _Text:
    """A text on its way; what is told of it goes to `out`."""

    wish: Wish
    most: int
    written: Written
    choice: Choice
    out: "asyncio.Queue[Told]" = field(default_factory=asyncio.Queue)
    count: int = 0
    last: int = -1
    over: bool = False  # it ended, or nobody reads it

    def add(self, token: int, likely: Likely | None, ends: Sequence[int]) -> Piece:
        """What a new token adds."""
        self.count, self.last = self.count + 1, token
        complete = self.wish.constraint.take(token) if self.wish.constraint else False
        if token in ends:
            return self._ended(self.written.rest(), likely, "stop")
        text = self.written.add(token)
        if self.written.stopped:
            return self._ended(text, likely, "stop")
        if complete:
            return self._ended(text + self.written.rest(), likely, "stop")
        if self.count == self.most:
            return self._ended(text + self.written.rest(), likely, "length")
        return Piece(text, 1, likely)

    def _ended(self, text: str, likely: Likely | None, finish: Finish) -> Piece:
        self.over = True
        return Piece(text, 1, likely, finish)


class Engine:
    """Writes the texts of one model, at most `max_streams` at once, on a thread of its own; `max_queue` wait."""

    def __init__(self, writer: Writer, max_streams: int, max_queue: int, watch: Watch) -> None:
        self.writer, self.max_streams, self.max_queue, self.watch = writer, max_streams, max_queue, watch
        self.rows = gathering(writer.model)
        self.device = next(writer.model.parameters()).device
        self.running: list[_Text] = []
        self.waiting: deque[_Text] = deque()
        self.thread = ThreadPoolExecutor(1, "write")
        self.task: asyncio.Task[None] | None = None

    async def write(self, wish: Wish) -> AsyncGenerator[Piece, None]:
        """The text piece by piece.

        Raises DanluError where the model has no positions for it, or too many wait.
        """
        if len(self.waiting) >= self.max_queue:
            raise DanluError("serve.busy", waiting=len(self.waiting), seconds=1 + len(self.waiting) // self.max_streams)
        text = self._text(wish)
        self.waiting.append(text)
        if self.task is None:
            self.task = asyncio.create_task(self._run())
        try:
            while True:
                told = await text.out.get()
                if isinstance(told, BaseException):
                    raise told
                yield told
                if told.finish:
                    return
        finally:
            text.over = True

    def close(self) -> None:
        """End the thread."""
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _text(self, wish: Wish) -> _Text:
        most = room(self.writer.model, [wish.prompt], wish.config)
        prompts = torch.tensor([list(wish.prompt)] * (wish.place + 1), device=self.device)
        written = Written(self.writer.tokenizer, wish.prompt, wish.stop)
        return _Text(wish, most, written, Choice(wish.config, prompts))

    async def _run(self) -> None:
        """Step after step, until no text is left."""
        loop = asyncio.get_running_loop()
        while self.waiting or self.running:
            joining = list(self._joining())
            computing = loop.run_in_executor(self.thread, self._step, joining)
            await asyncio.wait([computing])
            self._tell(computing, joining)
            self.watch.streams(len(self.running))
        self.task = None

    def _tell(self, computed: "asyncio.Future[list[tuple[_Text, Told]]]", joining: Sequence[_Text]) -> None:
        """Hand to those who wait what was told of their texts; to all of them what no text alone is to blame for."""
        error = computed.exception()
        if error is None:
            for text, told in computed.result():
                text.out.put_nowait(told)
            return
        for text in {*self.running, *joining}:
            text.out.put_nowait(error)
        self.running, self.rows = [], gathering(self.writer.model)

    def _joining(self) -> Iterator[_Text]:
        """Waiting texts that there is room for, a few prompts at a time."""
        tokens, free = 0, self.max_streams - len(self.running)
        while self.waiting and free and tokens < JOINING_TOKENS:
            text = self.waiting.popleft()
            if not text.over:
                free, tokens = free - 1, tokens + len(text.wish.prompt)
                yield text

    @torch.inference_mode()
    def _step(self, joining: Sequence[_Text]) -> list[tuple[_Text, Told]]:
        """One more token for each text, or why it ends."""
        self._let_go()
        told: list[tuple[_Text, Told]] = []
        if self.running:
            last = torch.tensor([[text.last] for text in self.running], device=self.device)
            told += self._chosen(self.running, self.rows.next_scores(last))
        if joining:
            told += self._joined(joining)
        self.watch.tokens("completion", sum(isinstance(each, Piece) for _, each in told))
        self._let_go()
        return told

    def _joined(self, texts: Sequence[_Text]) -> list[tuple[_Text, Told]]:
        """The first token of each text; where one cannot be read, the others join without it."""
        try:
            scores = self.rows.join([text.wish.prompt for text in texts])
        except TROUBLE as error:
            if len(texts) > 1:
                return [told for text in texts for told in self._joined([text])]
            return [(texts[0], error)]
        self.watch.tokens("prompt", sum(len(text.wish.prompt) for text in texts))
        self.running = [*self.running, *texts]
        return self._chosen(texts, scores)

    def _chosen(self, texts: Sequence[_Text], scores: Tensor) -> list[tuple[_Text, Told]]:
        """The next piece of each text; scores (texts, vocabulary)."""
        scores = scores.float()
        return [(text, self._next(text, scores[row : row + 1])) for row, text in enumerate(texts)]

    def _next(self, text: _Text, scores: Tensor) -> Told:
        """The next piece of a text, or the error with which it ends; scores (1, vocabulary)."""
        try:
            allowed = text.wish.constraint.masked(scores) if text.wish.constraint else scores
            token = int(text.choice(allowed, [text.wish.place]))
            if token >= scores.shape[-1]:
                raise ArithmeticError("the model's scores are no numbers")
            return text.add(token, _likely(scores[0], token, text.wish.logprobs), self._ends(text))
        except TROUBLE as error:
            text.over = True
            return error

    def _ends(self, text: _Text) -> Sequence[int]:
        return [*self.writer.ends, *text.wish.ends]

    def _let_go(self) -> None:
        """Texts that ended, and those that nobody reads any more."""
        kept = [row for row, text in enumerate(self.running) if not text.over]
        if len(kept) < len(self.running):
            self.rows.select(kept)
            self.running = [self.running[row] for row in kept]


def _likely(scores: Tensor, token: int, count: int | None) -> Likely | None:
    """scores (vocabulary,): what the model itself says, before temperature and filters."""
    if count is None:
        return None
    logs = scores.log_softmax(-1)
    best = logs.topk(min(count, len(logs)))
    top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return Likely(token, float(logs[token]), top)
