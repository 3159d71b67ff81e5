"""OpenAI's interface, asked by its official client: what it answers is what `danlu generate` writes."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import openai
import pytest
import torch
from kinds import KINDS
from servers import Server, serving

import danlu
from danlu.evaluation.language import writer
from danlu.predictor import Predictor

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}"
    "{% if messages[0].role == 'developer' %}{{ raise_exception('no tools here') }}{% endif %}"
)
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "count": {"type": "integer", "maximum": 9, "minimum": 0}},
    "required": ["mood", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def chatty(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose language model has a chat template, beside a classifier that is a Transformer."""
    folder = tmp_path_factory.mktemp("chatty")
    shutil.copytree(runs / "sayings", folder / "chatty")
    (folder / "chatty" / "model" / "chat_template.jinja").write_text(TEMPLATE)
    with serving(folder / "log", str(folder / "chatty"), str(runs / "masked"), "max_streams=4") as running:
        yield running


@pytest.fixture(scope="module")
def client(chatty: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{chatty.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def model(runs: Path) -> Predictor:
    return danlu.load(runs / "sayings")


PROMPTS = ["the cat", "a d", "my bird hears", "春眠", "", "a dog likes a tree. my"]


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"temperature": 1.2, "seed": 5}])
def test_texts_are_those_of_generate(client: openai.OpenAI, model: Predictor, settings: dict[str, float]) -> None:
    def asked(prompt: str) -> str:
        done = client.completions.create(model="chatty", prompt=prompt, max_tokens=20, **settings)
        return done.choices[0].text

    with ThreadPoolExecutor(12) as pool:  # more than are written at once, so that they join and leave
        texts = list(pool.map(asked, PROMPTS * 3))
    assert texts == [model.generate(prompt, max_new_tokens=20, **settings)[0] for prompt in PROMPTS] * 3


def test_several_prompts_and_texts_are_answered_in_order(client: openai.OpenAI, model: Predictor) -> None:
    done = client.completions.create(model="chatty", prompt=PROMPTS[:2], n=2, seed=3, max_tokens=15)
    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    expected = [model.generate([prompt] * 2, seed=3, temperature=1.0, max_new_tokens=15) for prompt in PROMPTS[:2]]
    assert [choice.text for choice in done.choices] == list(chain(*expected))


def test_a_stream_tells_the_same_text_in_pieces_and_what_it_used(client: openai.OpenAI) -> None:
    asked = {"model": "chatty", "prompt": "my bird", "temperature": 0, "max_tokens": 12}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert len(chunks) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage


def test_usage_counts_tokens(client: openai.OpenAI, model: Predictor) -> None:
    done = client.completions.create(model="chatty", prompt="the cat", max_tokens=3, temperature=0)
    assert done.choices[0].finish_reason == "length"
    assert done.usage
    assert done.usage.completion_tokens == 3
    assert done.usage.prompt_tokens == len(writer(model.module, model.codec.reading).tokens("the cat"))


def test_a_stop_string_ends_a_text_and_is_left_out(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="chatty", prompt="my bird", temperature=0).choices[0].text
    mark = whole[3:5]
    stopped = client.completions.create(model="chatty", prompt="my bird", temperature=0, stop=[mark]).choices[0]
    assert (stopped.text, stopped.finish_reason) == (whole[: whole.index(mark)], "stop")


def test_logprobs_are_those_of_the_model(client: openai.OpenAI, model: Predictor) -> None:
    made = writer(model.module, model.codec.reading)
    tokens = made.tokens("my bird hears")
    with torch.inference_mode():
        expected = model.module({"tokens": torch.tensor([tokens])})["logits"][0, -1].log_softmax(-1)
    done = client.completions.create(model="chatty", prompt="my bird hears", max_tokens=1, temperature=0, logprobs=3)
    told = done.choices[0].logprobs
    assert told
    assert told.token_logprobs == pytest.approx([float(expected.max())], abs=1e-4)
    assert told.top_logprobs
    assert list(told.top_logprobs[0].values()) == pytest.approx(expected.topk(3).values.tolist(), abs=1e-4)


def test_a_conversation_is_written_by_the_runs_template(client: openai.OpenAI, model: Predictor) -> None:
    messages = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "a dog"}]
    asked = {"model": "chatty", "messages": messages, "temperature": 0, "max_tokens": 8}
    done = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
    made = writer(model.module, model.codec.reading)
    prompt = made.tokenizer.encode("user: the cat assistant: a dog ", add_special_tokens=False).ids
    assert done.usage
    assert done.usage.prompt_tokens == len(prompt)
    assert done.choices[0].logprobs
    content = done.choices[0].logprobs.content
    assert content
    assert len(content[0].top_logprobs) == 2
    same = client.completions.create(model="chatty", prompt=prompt, temperature=0, max_tokens=8)
    assert done.choices[0].message.content == same.choices[0].text
    pieces = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == same.choices[0].text
    assert pieces[0].choices[0].delta.role == "assistant"


def test_an_answer_follows_its_schema(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    for seed in range(4):
        done = client.chat.completions.create(
            model="chatty",
            messages=[{"role": "user", "content": "the"}],
            seed=seed,
            max_tokens=60,
            response_format=form,
        )
        answer = json.loads(done.choices[0].message.content or "")
        assert answer["mood"] in ("good", "bad")
        assert answer["count"] in range(10)
        assert done.choices[0].finish_reason == "stop"


def test_vectors_are_those_of_embed(client: openai.OpenAI, runs: Path) -> None:
    texts = ["the cat sees", "a", "my bird hears you, and hears you."]
    found = client.embeddings.create(model="masked", input=texts)
    expected = danlu.load(runs / "masked").embed(texts)
    np.testing.assert_allclose([each.embedding for each in found.data], expected, atol=1e-5)
    as_numbers = client.embeddings.create(model="masked", input=texts, encoding_format="float")
    np.testing.assert_allclose([each.embedding for each in as_numbers.data], expected, atol=1e-5)


REFUSED = {
    "no such model": ({"model": "nobody"}, openai.NotFoundError, "no model"),
    "a model that writes nothing": ({"model": "masked"}, openai.BadRequestError, "writes no texts"),
    "an unknown setting": ({"extra_body": {"temprature": 1}}, openai.BadRequestError, "temperature"),
    "a setting that is not honoured": ({"frequency_penalty": 1}, openai.BadRequestError, "frequency_penalty"),
    "an endless text": ({"max_tokens": 10**6}, openai.BadRequestError, "max_tokens"),
    "an empty stop": ({"stop": ""}, openai.BadRequestError, "stop"),
    "unknown tokens": ({"prompt": [10**6]}, openai.BadRequestError, "1000000"),
    "a schema of nothing": (
        {"extra_body": {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}}}},
        openai.BadRequestError,
        "schema",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_honoured_is_refused_by_name(why: str, stream: bool, client: openai.OpenAI) -> None:
    change, error, message = REFUSED[why]
    with pytest.raises(error, match=message):
        client.completions.create(**{"model": "chatty", "prompt": "a", "stream": stream} | change)


def test_next_to_no_temperature_takes_the_likeliest_token(client: openai.OpenAI) -> None:
    cold = [{"temperature": 0}, {"temperature": 5e-324}, {"temperature": 1, "top_p": 5e-324}]
    texts = [
        client.completions.create(model="chatty", prompt="my", max_tokens=9, **heat).choices[0].text for heat in cold
    ]
    assert len(set(texts)) == 1


def test_a_model_without_a_template_does_not_chat(server: Server) -> None:
    asked = {"model": "sayings", "messages": [{"role": "user", "content": "a"}]}
    error = server.post("/v1/chat/completions", json=asked).json()["error"]
    assert error["code"] == "serve.no_template"


def test_a_template_may_refuse_a_conversation(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no tools here"):
        client.chat.completions.create(model="chatty", messages=[{"role": "developer", "content": "a"}])


def test_a_text_that_nobody_reads_is_not_written_on(chatty: Server, client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model="chatty", prompt="the", max_tokens=2000, stream=True, extra_body={"repetition_penalty": 5.0}
    )
    next(iter(stream))
    stream.close()
    for _ in range(200):
        if 'danlu_streams{model="chatty"} 0.0' in chatty.get("/metrics").text:
            return
    raise AssertionError(chatty.get("/metrics").text)


def test_models_tell_what_they_can_be_asked(client: openai.OpenAI) -> None:
    listed = {model.id: model.model_extra or {} for model in client.models.list()}
    assert set(listed) == {"chatty", "masked"}
    assert "/v1/chat/completions" in listed["chatty"]["endpoints"]
    assert listed["masked"]["task"] == "fill-mask"
    assert KINDS["masked"].settings["task"] == "fill-mask"
    assert client.models.retrieve("chatty").id == "chatty"
