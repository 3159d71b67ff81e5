"""POST /v1/embeddings: a vector for each text, in batches of the requests in flight."""

import base64

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from danlu.errors import DanluError
from danlu.serving.asking import EmbeddingRequest
from danlu.serving.config import ServeConfig
from danlu.serving.guard import TOLD, while_there
from danlu.serving.served import Served


async def embed(request: Request, asked: EmbeddingRequest, model: Served, config: ServeConfig) -> Response:
    """The vectors of the request's texts, in their order."""
    batcher, width = model.embeds()
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    _refuse_unfit(texts, asked, width, config)
    request.scope[TOLD] |= {"model": model.name, "rows": len(texts)}
    vectors = await while_there(request, batcher.answers(texts, len(texts)), config.timeout_s)
    tokens = sum(vector.tokens for vector in vectors)
    data = [
        {"object": "embedding", "index": index, "embedding": _told(vector.values, asked.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": model.name, "usage": usage})


def _refuse_unfit(texts: list[str], asked: EmbeddingRequest, width: int, config: ServeConfig) -> None:
    if len(texts) > config.max_rows:
        raise DanluError("serve.too_many_rows", rows=len(texts), most=config.max_rows)
    longest = max(map(len, texts))
    if longest > config.max_characters:
        raise DanluError("serve.long_prompt", characters=longest, most=config.max_characters)
    if asked.dimensions not in (None, width):
        raise DanluError("serve.dimensions", asked=asked.dimensions, width=width)


def _told(vector: np.ndarray, form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.astype(float).tolist()
