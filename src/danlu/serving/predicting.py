"""POST /v1/predict/{name}: rows, bare inputs or files of a form → predictions."""

import json
from collections.abc import Mapping
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from danlu.errors import DanluError
from danlu.serving.config import ServeConfig
from danlu.serving.errors import spoken
from danlu.serving.guard import TOLD, body_of, while_there
from danlu.serving.rows import table_of_rows, unknown_keys
from danlu.serving.served import Served
from danlu.words import Note

ROWS, INPUTS = "rows", "inputs"


async def predict(request: Request, model: Served, config: ServeConfig) -> Response:
    """The predictions of the request's rows, in their order."""
    rows = await _rows(request, model, config)
    request.scope[TOLD] |= {"model": model.name, "rows": len(rows)}
    table = table_of_rows(rows, model.answering.columns, config)
    answers = await while_there(request, model.batcher.answers(table, table.height), config.timeout_s)
    unknown = unknown_keys(rows, model.predictor.columns)
    notes = [Note("serve.left_out", columns=", ".join(unknown)[:200])] if unknown else []
    lang = spoken(request.headers.get("accept-language", ""))
    return JSONResponse({"model": model.name, "predictions": answers, "notes": [note.text(lang) for note in notes]})


async def _rows(request: Request, model: Served, config: ServeConfig) -> list[Mapping[str, Any]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        await body_of(request, config.timeout_s)
        return await _form_rows(request, config)
    return _json_rows(await json_body(request, config), model)


async def json_body(request: Request, config: ServeConfig) -> dict[str, Any]:
    """The JSON object that the body holds; DanluError where it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise DanluError("serve.media_type", found=kind[:80] or "–")
    try:
        content = json.loads(await body_of(request, config.timeout_s), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DanluError("serve.not_json", why=str(error)[:120]) from None
    if not isinstance(content, dict):
        raise DanluError("serve.not_object")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _json_rows(content: Mapping[str, Any], model: Served) -> list[Mapping[str, Any]]:
    given = [name for name in (ROWS, INPUTS) if name in content]
    unknown = [name for name in content if name not in (ROWS, INPUTS)]
    if len(given) != 1 or unknown:
        raise DanluError("serve.rows_or_inputs", found=", ".join(content)[:200] or "–")
    values = content[given[0]]
    if not isinstance(values, list) or not values:
        raise DanluError("serve.no_rows", name=given[0])
    if given == [INPUTS]:
        return [{model.only_column: value} for value in values]
    for number, row in enumerate(values, 1):
        if not isinstance(row, dict):
            raise DanluError("serve.row_no_object", row=number)
    return values


async def _form_rows(request: Request, config: ServeConfig) -> list[Mapping[str, Any]]:
    """The n-th value of each field, a file's bytes or a text, is a cell of the n-th row."""
    most = config.max_rows * 100
    try:
        form = await request.form(max_files=most, max_fields=most, max_part_size=config.max_body)
    except FormParserError as error:
        raise DanluError("serve.not_form", why=str(error)[:120]) from None
    except HTTPException as error:
        raise DanluError("serve.not_form", why=error.detail[:120]) from None
    fields: dict[str, list[Any]] = {}
    for name, value in form.multi_items():
        fields.setdefault(name, []).append(await value.read() if isinstance(value, UploadFile) else value)
    await form.close()
    if not fields or len({len(values) for values in fields.values()}) > 1:
        raise DanluError("serve.unequal_form")
    return [dict(zip(fields, cells, strict=True)) for cells in zip(*fields.values(), strict=True)]
