"""docker: a folder that builds an image in which danlu serves the run. Needs no Docker here."""

import json
import shutil

from danlu import __version__
from danlu.exporting.job import Job, Proof, plain_name
from danlu.exporting.parity import largest_difference
from danlu.predictor import Predictor
from danlu.run import Run
from danlu.words import Note

PORT = 8000
LEFT_BEHIND = ("checkpoints", "exports", "samples.parquet", "report.html")

_DOCKERFILE = """\
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 danlu
WORKDIR /srv
COPY requirements.txt ./
# where pip looks too, such as for a torch without CUDA: docker build --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
RUN pip install --requirement requirements.txt
COPY --chown=danlu:danlu run runs/{name}
USER danlu
EXPOSE {port}
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \\
  CMD {health}
CMD {command}
"""
_COMPOSE = """\
services:
  {name}:
    build: .
    image: danlu-{name}:latest
    environment:
      DANLU_API_KEY: ${{DANLU_API_KEY:?set a key that clients send}}
    ports:
      - "127.0.0.1:{port}:{port}"
    read_only: true
    tmpfs:
      - /tmp
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    restart: unless-stopped
"""
_HEALTH = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/health', timeout=3)"


def write(job: Job) -> Proof:
    """Dockerfile, compose.yaml, requirements.txt and the run, once the copy answers as the run does."""
    name = plain_name(job.name)
    shutil.copytree(job.run.folder, job.folder / "run", ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    command = ["danlu", "serve", f"runs/{name}", "--host", "0.0.0.0", "--port", str(PORT)]
    health = ["python", "-c", _HEALTH.format(port=PORT)]
    files = {
        "Dockerfile": _DOCKERFILE.format(name=name, port=PORT, health=json.dumps(health), command=json.dumps(command)),
        "compose.yaml": _COMPOSE.format(name=name, port=PORT),
        "requirements.txt": f"danlu[serve]=={__version__}\n",
        ".dockerignore": "*\n!run\n!requirements.txt\n",
    }
    for file, content in files.items():
        (job.folder / file).write_text(content, encoding="utf-8")
    copied = Predictor.load(Run(job.folder / "run"))
    largest = largest_difference(job.predictor, copied, job.rows)
    said = Note("export.docker", folder=str(job.place), name=name)
    return Proof(largest, 0.0, Note("export.of_answers", rows=len(job.rows)), [said]).judged()
