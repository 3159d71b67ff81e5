"""A run that reads one text behind LitServe: `benchmarks/serving.py` starts it, in the environment of `make peers`.

    .venv/peers/bin/python benchmarks/behind_litserve.py RUN

Its processes import this file anew, so that what they run stands at its top.
"""

import json
import socket
import sys
from pathlib import Path

import litserve

from danlu.predictor import Predictor
from danlu.serving.config import ServeConfig

BATCH = ServeConfig.model_fields["max_batch"].default
WAIT_S = 0.01  # for further requests of a batch


class Texts(litserve.LitAPI):
    """Requests of one text each, answered by the Predictor in batches."""

    def setup(self, device: str) -> None:
        self.predictor = Predictor.load(sys.argv[1])
        (self.column,) = self.predictor.codec.inputs

    def decode_request(self, request: dict) -> str:
        (text,) = request["inputs"]
        return text

    def predict(self, texts: list[str]) -> list[dict]:
        answered = self.predictor.predict([{self.column: text} for text in texts])
        return json.loads(answered.write_json())

    def encode_response(self, answer: dict) -> dict:
        return {"predictions": [answer]}


def main() -> None:
    """Serve on a free port, and say where."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = f"/v1/predict/{Path(sys.argv[1]).name}"
    server = litserve.LitServer(Texts(max_batch_size=BATCH, batch_timeout=WAIT_S, api_path=path), accelerator="cpu")
    print(f"http://127.0.0.1:{port} starts", flush=True)
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)


if __name__ == "__main__":
    main()
