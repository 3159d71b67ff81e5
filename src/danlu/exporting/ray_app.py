"""ray: a folder with the run and the application that serves it on a Ray cluster. Needs no Ray here."""

import json
import shutil
from typing import Any

import yaml

from danlu import __version__
from danlu.exporting.docker import LEFT_BEHIND
from danlu.exporting.job import Job, Proof, plain_name
from danlu.exporting.parity import largest_difference
from danlu.predictor import Predictor
from danlu.run import Run
from danlu.words import Note

PORT = 8000
MAX_BATCH = 32  # rows that a replica answers at once
DEPLOYMENT: dict[str, Any] = {
    "name": "model",
    "max_ongoing_requests": 2 * MAX_BATCH,  # while one batch is computed, the next gathers
    "autoscaling_config": {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": MAX_BATCH},
    "ray_actor_options": {"num_cpus": 1.0},
}

_APP = '''"""The run {name} on Ray Serve, in as many replicas as its requests ask for.

Here: serve run app:app. On a cluster: serve deploy serve_config.yaml, whose values go before those below. A replica
answers as `danlu serve` does, with the same routes, and computes the requests in flight together.
"""

from pathlib import Path

from ray import serve
from starlette.applications import Starlette

from danlu.serving.mounted import application

RUN = Path(__file__).parent / "runs" / "{name}"
SETTINGS = {{"max_batch": {max_batch}}}  # of `danlu serve`, such as max_rows or timeout_s


def replica() -> Starlette:
    """What one replica answers with: POST /v1/predict/{name}, and all else that `danlu serve` has."""
    return application([RUN], SETTINGS)


@serve.deployment(
    name="{deployment[name]}",
    max_ongoing_requests={deployment[max_ongoing_requests]},
    autoscaling_config={autoscaling},
    ray_actor_options={options},
)
@serve.ingress(replica)
class Model:
    """A replica; its answers are the application's."""


app = Model.bind()
'''
_CONFIG_HEAD = """\
# serve run serve_config.yaml        here
# serve deploy serve_config.yaml     on a cluster whose nodes have this folder, or with runtime_env.working_dir, the
#                                    address of its zip; who may ask beyond this machine: DANLU_API_KEY in env_vars
"""


def write(job: Job) -> Proof:
    """app.py, serve_config.yaml, requirements.txt and the run, once the copy answers as the run does."""
    name = plain_name(job.name)
    copy = job.folder / "runs" / name
    shutil.copytree(job.run.folder, copy, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    files = {
        "app.py": _app(name),
        "serve_config.yaml": _CONFIG_HEAD + yaml.safe_dump(serve_config(name), sort_keys=False),
        "requirements.txt": f"danlu[serve]=={__version__}\nray[serve]>=2.50,<3\n",
    }
    for file, content in files.items():
        (job.folder / file).write_text(content, encoding="utf-8")
    largest = largest_difference(job.predictor, Predictor.load(Run(copy)), job.rows)
    said = Note("export.ray", folder=str(job.place), name=name)
    return Proof(largest, 0.0, Note("export.of_answers", rows=len(job.rows)), [said]).judged()


def _app(name: str) -> str:
    return _APP.format(
        name=name,
        max_batch=MAX_BATCH,
        deployment=DEPLOYMENT,
        autoscaling=json.dumps(DEPLOYMENT["autoscaling_config"]),
        options=json.dumps(DEPLOYMENT["ray_actor_options"]),
    )


def serve_config(name: str) -> dict[str, object]:
    """What `serve deploy` reads: the form that `serve build app:app` writes, listening on this machine alone."""
    application = {
        "name": name,
        "route_prefix": "/",
        "import_path": "app:app",
        "runtime_env": {},
        "deployments": [DEPLOYMENT],
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "127.0.0.1", "port": PORT},
        "applications": [application],
    }
