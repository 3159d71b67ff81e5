"""POST /v1/completions and /v1/chat/completions: texts that a language model writes, whole or as a stream."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from danlu.errors import DanluError
from danlu.generation.text import Writer
from danlu.serving import errors
from danlu.serving.asking import ChatRequest, CompletionRequest, TextRequest
from danlu.serving.config import ServeConfig
from danlu.serving.constraint import constrained
from danlu.serving.drift import Drift
from danlu.serving.guard import TOLD, while_there
from danlu.serving.served import Language, Served
from danlu.serving.writing import Likely, Piece, Wish

Json = dict[str, Any]
Shape = Callable[["Choice"], Json]


@dataclass
class Choice:
    """One of the texts of a request, as far as it is written."""

    index: int
    prompt_tokens: int
    text: str = ""
    tokens: int = 0
    likely: list[Likely] = field(default_factory=list)
    finish: str | None = None

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.text += piece.text
        self.tokens += piece.tokens
        self.finish = piece.finish
        self.likely += [piece.likely] if piece.likely else []


@dataclass(frozen=True)
class Texts:
    """The texts that a request asks for, and how its answer writes them."""

    model: str
    language: Language
    asked: TextRequest
    wishes: Sequence[Wish]
    kind: Literal["text_completion", "chat.completion"]
    drift: Drift | None = None
    made: int = field(default_factory=lambda: int(time.time()))
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def is_chat(self) -> bool:
        """Whether messages are written, rather than texts."""
        return self.kind == "chat.completion"

    def choices(self) -> list[Choice]:
        """Nothing of each text yet."""
        return [Choice(index, len(wish.prompt)) for index, wish in enumerate(self.wishes)]

    def head(self, *, chunk: bool) -> Json:
        """What every answer begins with."""
        kind = f"{self.kind}.chunk" if chunk and self.is_chat else self.kind
        prefix = "chatcmpl" if self.is_chat else "cmpl"
        return {"id": f"{prefix}-{self.id}", "object": kind, "created": self.made, "model": self.model}

    def whole(self, choice: Choice) -> Json:
        """A text, at its end."""
        content = {"message": {"role": "assistant", "content": choice.text}} if self.is_chat else {"text": choice.text}
        return self._told(choice, content)

    def piece(self, choice: Choice, *, first: bool) -> Json:
        """What a stream tells of a text."""
        if not self.is_chat:
            return self._told(choice, {"text": choice.text})
        delta = ({"role": "assistant"} if first else {}) | ({"content": choice.text} if choice.text or first else {})
        return self._told(choice, {"delta": delta})

    def _told(self, choice: Choice, content: Json) -> Json:
        writer = self.language.writer
        logprobs = _message_logprobs if self.is_chat else _text_logprobs
        told = logprobs(writer, choice.likely) if choice.likely else None
        return {"index": choice.index, **content, "logprobs": told, "finish_reason": choice.finish}


async def complete(request: Request, asked: CompletionRequest, model: Served, config: ServeConfig) -> Response:
    """Texts that go on with prompts."""
    language = model.writes()
    prompts = [await asyncio.to_thread(_tokens, language.writer, prompt, config) for prompt in _prompts(asked)]
    wishes = _wishes(asked, prompts, asked.logprobs, language, config)
    return await _answered(request, Texts(model.name, language, asked, wishes, "text_completion", model.drift), config)


async def chat(request: Request, asked: ChatRequest, model: Served, config: ServeConfig) -> Response:
    """The next message of a conversation; DanluError where the run has no chat template."""
    language = model.writes()
    if language.template is None:
        raise DanluError("serve.no_template", name=model.name)
    text = language.template.prompt([message.plain() for message in asked.messages])
    prompt = await asyncio.to_thread(_encoded, language.writer, text, config)
    likeliest = (asked.top_logprobs or 0) if asked.logprobs else None
    wishes = _wishes(asked, [prompt], likeliest, language, config)
    return await _answered(request, Texts(model.name, language, asked, wishes, "chat.completion", model.drift), config)


def _prompts(asked: CompletionRequest) -> Sequence[str | Sequence[int]]:
    given = asked.prompt
    if isinstance(given, str):
        return [given]
    if given and isinstance(given[0], int):
        return [[token for token in given if isinstance(token, int)]]
    return [prompt for prompt in given if not isinstance(prompt, int)]


def _tokens(writer: Writer, prompt: str | Sequence[int], config: ServeConfig) -> Sequence[int]:
    """The tokens that the model begins with; those that are given stand as they are."""
    if isinstance(prompt, str):
        _refuse_long(prompt, config)
        return writer.tokens(prompt)
    size = writer.tokenizer.get_vocab_size()
    unknown = [token for token in prompt if token >= size]
    if unknown or not prompt:
        raise DanluError("serve.unknown_tokens", tokens=", ".join(map(str, unknown[:5])) or "–", size=size)
    return prompt


def _encoded(writer: Writer, text: str, config: ServeConfig) -> Sequence[int]:
    """The tokens of a conversation, whose template writes every mark."""
    _refuse_long(text, config)
    tokens = writer.tokenizer.encode(text, add_special_tokens=False).ids
    if not tokens:
        raise DanluError("generate.no_prompt")
    return tokens


def _refuse_long(text: str, config: ServeConfig) -> None:
    if len(text) > config.max_characters:
        raise DanluError("serve.long_prompt", characters=len(text), most=config.max_characters)


def _wishes(
    asked: TextRequest,
    prompts: Sequence[Sequence[int]],
    likeliest: int | None,
    language: Language,
    config: ServeConfig,
) -> list[Wish]:
    if "" in asked.stops:
        raise DanluError("generate.empty_stop")
    if (asked.longest or 0) > config.max_new_tokens:
        raise DanluError("serve.too_many_tokens", asked=asked.longest, most=config.max_new_tokens)
    count = asked.n or 1
    if len(prompts) * count > config.max_rows:
        raise DanluError("serve.too_many_rows", rows=len(prompts) * count, most=config.max_rows)
    made = asked.generation()
    return [
        Wish(
            prompt,
            made,
            asked.stops,
            place,
            likeliest,
            constrained(asked.response_format, language.writer),
            language.ends,
        )
        for prompt in prompts
        for place in range(count)
    ]


async def _answered(request: Request, texts: Texts, config: ServeConfig) -> Response:
    request.scope[TOLD] |= {"model": texts.model, "rows": len(texts.wishes)}
    if texts.asked.stream:
        return await _streamed(request, texts, config)
    choices = texts.choices()
    await while_there(request, _written(texts, choices), config.timeout_s)
    usage = _usage(texts, choices)
    request.scope[TOLD]["tokens"] = usage["total_tokens"]
    return JSONResponse(
        {**texts.head(chunk=False), "choices": [texts.whole(choice) for choice in choices], "usage": usage}
    )


async def _written(texts: Texts, choices: Sequence[Choice]) -> None:
    async with aclosing(_pieces(texts)) as pieces:
        async for index, piece in pieces:
            choices[index].add(piece)


async def _streamed(request: Request, texts: Texts, config: ServeConfig) -> Response:
    """Server-sent events; what is refused is refused before the first of them."""
    events = _events(request, texts, config)
    first = await anext(events)

    async def all_events() -> AsyncGenerator[str, None]:
        yield first
        async with aclosing(events):
            async for event in events:
                yield event

    return StreamingResponse(all_events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, texts: Texts, config: ServeConfig) -> AsyncGenerator[str, None]:
    choices = texts.choices()
    begun: set[int] = set()
    head = texts.head(chunk=True)
    with_usage = bool(texts.asked.stream_options and texts.asked.stream_options.include_usage)
    usage = {"usage": None} if with_usage else {}
    async with aclosing(_pieces(texts)) as pieces:
        while True:
            try:
                index, piece = await asyncio.wait_for(anext(pieces), config.timeout_s)
            except StopAsyncIteration:
                break
            except TimeoutError:
                error = DanluError("serve.timeout", seconds=f"{config.timeout_s:g}")
                lang = errors.spoken(request.headers.get("accept-language", ""))
                yield _event(errors.body(error.note, lang))
                return
            choices[index].add(piece)
            told = Choice(index, 0)
            told.add(piece)
            if piece.text or piece.finish or piece.likely or index not in begun:
                yield _event({**head, "choices": [texts.piece(told, first=index not in begun)], **usage})
                begun.add(index)
    request.scope[TOLD]["tokens"] = _usage(texts, choices)["total_tokens"]
    if with_usage:
        yield _event({**head, "choices": [], "usage": _usage(texts, choices)})
    yield "data: [DONE]\n\n"


async def _pieces(texts: Texts) -> AsyncGenerator[tuple[int, Piece], None]:
    """The pieces of all texts as they come, each with the index of its text."""
    told: asyncio.Queue[tuple[int, Piece] | BaseException | None] = asyncio.Queue()

    async def read(index: int, wish: Wish) -> None:
        async with aclosing(texts.language.engine.write(wish)) as pieces:
            async for piece in pieces:
                told.put_nowait((index, piece))
        if texts.drift and not wish.place:
            texts.drift.saw_prompt(wish.prompt)

    def ended(task: "asyncio.Task[None]") -> None:
        told.put_nowait(None if task.cancelled() else task.exception())

    readers = [asyncio.create_task(read(index, wish)) for index, wish in enumerate(texts.wishes)]
    for reader in readers:
        reader.add_done_callback(ended)
    try:
        going = len(readers)
        while going:
            each = await told.get()
            if isinstance(each, BaseException):
                raise each
            if each is None:
                going -= 1
            else:
                yield each
    finally:
        for reader in readers:
            reader.cancel()


def _event(content: Json) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _usage(texts: Texts, choices: Sequence[Choice]) -> Json:
    """Prompts count once, however many texts go on with them."""
    count = texts.asked.n or 1
    prompts = sum(choice.prompt_tokens for choice in choices[::count])
    written = sum(choice.tokens for choice in choices)
    return {"prompt_tokens": prompts, "completion_tokens": written, "total_tokens": prompts + written}


def _text_logprobs(writer: Writer, likely: Sequence[Likely]) -> Json:
    return {
        "tokens": [_token(writer, each.token) for each in likely],
        "token_logprobs": [each.logprob for each in likely],
        "top_logprobs": [{_token(writer, token): log for token, log in each.top} for each in likely],
    }


def _message_logprobs(writer: Writer, likely: Sequence[Likely]) -> Json:
    def told(token: int, log: float) -> Json:
        text = _token(writer, token)
        return {"token": text, "logprob": log, "bytes": list(text.encode())}

    return {
        "content": [
            told(each.token, each.logprob) | {"top_logprobs": [told(token, log) for token, log in each.top]}
            for each in likely
        ]
    }


def _token(writer: Writer, token: int) -> str:
    return writer.tokenizer.decode([token], skip_special_tokens=False)
