"""The OpenAPI document is true: what fits it is answered as it says, what does not is refused, and nothing breaks."""

from pathlib import Path

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from servers import Server

from danlu.serving.config import ServeConfig

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
ROOT = Path(__file__).parents[2]


def test_nothing_that_is_sent_breaks_the_server(server: Server) -> None:
    asked = fuzzed(server.url, cases=6)
    assert asked > 100
    assert server.get("/health").status_code == 200
    assert not [line for line in server.log() if line.get("status") == 500]


def fuzzed(url: str, cases: int) -> int:
    """Requests that were sent: `cases` that fit and as many that do not, to every operation of the interface."""
    asked = 0
    interface = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for operation in (result.ok() for result in interface.get_all_operations()):
        for mode in GenerationMode if operation.body else (GenerationMode.POSITIVE,):

            @settings(
                max_examples=cases, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                nonlocal asked
                asked += 1
                response = case.call(timeout=60)
                case.validate_response(response, checks=CHECKS)
                assert not {"Traceback", "site-packages", "/danlu/"} & {*response.text.split()}

            ask()
    return asked


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_guide_tells_every_limit_with_its_default(language: str) -> None:
    text = (ROOT / "docs" / language / "serve.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    told = {row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in rows if len(row) == 3}
    limits = {name for name in ServeConfig.model_fields if not name.startswith(("api", "no_api", "tls"))}
    assert told == {name: ServeConfig.model_fields[name].default for name in limits}
