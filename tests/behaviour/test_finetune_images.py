"""Vision Transformers: a checkpoint in, a model for the user's images out, which transformers loads."""

import numpy as np
import polars as pl
import pytest
import torch
import transformers

import danlu

QUICK = {"train__epochs": 2, "evaluate__baseline": False, "evaluate__bootstrap": 20, "quiet": True}


@pytest.fixture
def images() -> pl.DataFrame:
    """Grey images whose brightness tells the class."""
    rng = np.random.default_rng(0)
    bright = rng.random(60) > 0.5
    pixels = rng.normal(size=(60, 12, 12)) * 20 + 80 + 90 * bright[:, None, None]
    return pl.DataFrame(
        {"image": pl.Series(np.clip(pixels, 0, 255).astype(np.uint8)), "target": np.where(bright, "day", "night")}
    )


@pytest.fixture
def tiny(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=12, patch_size=4,
        num_channels=1,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.ViTModel(config).save_pretrained(tmp_path / "tiny-vit")
    return tmp_path / "tiny-vit"


def assert_same(run, images) -> None:
    """transformers' model and its image processor's settings, read from the run, say what danlu says."""
    theirs = transformers.ViTForImageClassification.from_pretrained(run.model).eval()
    seen = transformers.ViTImageProcessorPil.from_pretrained(run.model)
    pixels = torch.tensor(np.stack(images["image"].to_list()), dtype=torch.float32)[:, None]
    pixels = (pixels * seen.rescale_factor - seen.image_mean[0]) / seen.image_std[0]
    with torch.inference_mode():
        classes = theirs(pixels).logits.argmax(1).tolist()
    said = danlu.load(run).predict(images.drop("target"))["prediction"].to_list()
    assert [theirs.config.id2label[c] for c in classes] == said


def test_a_fine_tuned_vit_loads_in_transformers_and_says_the_same(images, tiny, tmp_path):
    run = danlu.train(images, target="target", model={"pretrained": str(tiny)}, out=tmp_path / "run", **QUICK)
    assert_same(run, images)


def test_a_vit_from_scratch_loads_in_transformers_and_says_the_same(images, tmp_path):
    run = danlu.train(images, target="target", model="vit", out=tmp_path / "run", **QUICK)
    assert_same(run, images)
