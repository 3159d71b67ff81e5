"""What images become, and that their random changes are what they say."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from danlu.data import images as images_module
from danlu.data.augment import Augmentation, augment, suitable_augmentation
from danlu.data.examples import Origin, SourceFile
from danlu.data.images import ImageFiles, Images, fit_images
from danlu.data.store import Dense, Feed
from danlu.data.tally import Rows, Tally
from danlu.errors import DanluError
from danlu.recipe import ImageConfig

RNG = np.random.default_rng(0)


def rows(count: int) -> Rows:
    return Rows(np.arange(count), Origin((SourceFile("images.csv", "csv", "", 0, count),)), Tally())


def fit(series: pl.Series, **config: object) -> Images:
    frame = pl.DataFrame({"image": series})
    return fit_images(frame, "image", ImageConfig.model_validate(config), rows(len(series)))[0]


def encode(images: Images, series: pl.Series) -> Feed:
    return images.encode(pl.DataFrame({"image": series}), rows(len(series)))


def pixels(images: Images, *pictures: Image.Image) -> torch.Tensor:
    """(N, C, H, W) of pictures, encoded as PNG where it can hold them."""
    series = pl.Series([encoded(picture) for picture in pictures])
    return encode(images, series).take("image", torch.arange(len(pictures)))["image"]


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def arrays(count: int, *shape: int) -> pl.Series:
    values = RNG.integers(0, 256, (count, *shape)).astype(np.uint8)
    return pl.Series(values, dtype=pl.Array(pl.UInt8, shape))


def plain(height: int, width: int, channels: int = 3) -> Images:
    return Images("image", height, width, channels, (128.0,) * channels, (64.0,) * channels)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_arrays_of_the_fitted_size_are_taken_as_they_are() -> None:
    series = arrays(50, 28, 28)
    images = fit(series)
    taken = encode(images, series).take("image", torch.arange(50))["image"]

    assert images.shape == (1, 28, 28)
    np.testing.assert_array_equal(taken[:, 0], series.to_numpy())
    np.testing.assert_allclose([images.mean[0], images.std[0]], [taken.double().mean(), series.to_numpy().std()])


def test_colour_arrays_have_their_channels_first() -> None:
    series = arrays(5, 6, 4, 3)
    images = fit(series)
    taken = encode(images, series).take("image", torch.arange(5))["image"]

    assert images.shape == (3, 6, 4)
    np.testing.assert_array_equal(taken, series.to_numpy().transpose(0, 3, 1, 2))


@pytest.mark.parametrize("kind", ["path", "bytes", "array"])
def test_an_image_is_the_same_from_file_bytes_and_array(kind: str, tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (3, 10, 12, 3)).astype(np.uint8)
    pictures = [Image.fromarray(value) for value in values]
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
    series = {
        "path": pl.Series([str(tmp_path / f"{i}.png") for i in range(3)]),
        "bytes": pl.Series([encoded(picture) for picture in pictures]),
        "array": pl.Series(values, dtype=pl.Array(pl.UInt8, (10, 12, 3))),
    }[kind]
    taken = encode(plain(10, 12), series).take("image", torch.arange(3))["image"]

    np.testing.assert_array_equal(taken, values.transpose(0, 3, 1, 2))


def test_sixteen_bits_palettes_and_transparency_become_plain_pixels() -> None:
    deep = Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16))
    palette = Image.fromarray(np.full((2, 2, 3), [255, 0, 0], np.uint8)).convert("P")
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    grey_clear = Image.new("LA", (2, 2), (0, 0))

    assert pixels(plain(2, 2, 1), deep)[0, 0].tolist() == [[0, 100], [200, 255]]
    assert pixels(plain(2, 2), palette)[0, :, 0, 0].tolist() == [255, 0, 0]
    assert pixels(plain(2, 2), clear)[0, :, 0, 0].tolist() == [255, 255, 255]
    assert pixels(plain(2, 2, 1), grey_clear)[0, 0, 0, 0] == 255


def test_photographs_taken_sideways_stand_upright() -> None:
    picture = Image.fromarray(np.zeros((4, 8, 3), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    series = pl.Series([encoded(picture, exif=turned)] * 3)

    assert fit(series, channels=3).shape == (3, 8, 4)
    assert encode(plain(8, 4), series).take("image", torch.arange(1))["image"].shape == (1, 3, 8, 4)


def test_other_proportions_are_padded_with_the_mean_colour_and_nothing_is_cut() -> None:
    wide = Image.fromarray(np.full((4, 8, 3), 200, np.uint8))
    taken = pixels(plain(8, 8), wide)[0, 0]

    assert taken[:2].unique().tolist() == [128]
    assert taken[2:6].unique().tolist() == [200]
    assert taken[6:].unique().tolist() == [128]


def test_size_is_the_median_up_to_a_limit_unless_asked() -> None:
    series = pl.Series([encoded(Image.new("L", size)) for size in [(30, 20), (40, 20), (50, 90)]])
    large = pl.Series([encoded(Image.new("L", (640, 480)))] * 2)

    assert fit(series).shape == (1, 20, 40)
    assert fit(large).shape == (1, 168, 224)
    assert fit(series, size=12).shape == (1, 12, 12)
    assert fit(series, size=(12, 8), channels=3).shape == (3, 12, 8)


def test_channels_follow_the_training_images() -> None:
    grey_as_colour = [encoded(Image.new("RGB", (8, 8), (v, v, v))) for v in range(0, 250, 10)]
    colour = [encoded(Image.new("RGB", (8, 8), (200, 10, 10)))]

    assert fit(pl.Series(grey_as_colour)).channels == 1
    assert fit(pl.Series(grey_as_colour + colour)).channels == 3


def test_images_that_memory_does_not_hold_are_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    series = pl.Series([encoded(Image.new("L", (8, 8), int(v))) for v in range(20)])
    images = fit(series)
    held = encode(images, series)
    monkeypatch.setattr(images_module, "_memory_bytes", lambda: 100)
    streamed = encode(images, series)
    index = torch.tensor([7, 3, 3])

    assert isinstance(held, Dense)
    assert isinstance(streamed, ImageFiles)
    assert torch.equal(streamed.take("image", index)["image"], held.take("image", index)["image"])


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        ("nowhere.png", "codec.image_unreadable"),
        (b"no image", "codec.image_unreadable"),
        (None, "codec.image_missing"),
    ],
)
def test_unreadable_and_missing_images_are_refused_with_their_row(broken: str | bytes | None, key: str) -> None:
    good = encoded(Image.new("L", (8, 8)))
    series = pl.Series([good, broken], dtype=pl.Binary) if not isinstance(broken, str) else pl.Series([broken, broken])
    with pytest.raises(DanluError) as caught:
        encode(plain(8, 8, 1), series)

    assert caught.value.key == key
    assert caught.value.note.fields["place"] == ("images.csv row 1" if isinstance(broken, str) else "images.csv row 2")


def test_a_truncated_file_is_refused() -> None:
    whole = encoded(Image.fromarray(RNG.integers(0, 256, (40, 40)).astype(np.uint8)))
    with pytest.raises(DanluError) as caught:
        encode(plain(40, 40, 1), pl.Series([whole[: len(whole) // 2]]))

    assert caught.value.key == "codec.image_unreadable"


EVERYTHING = Augmentation(shift=0.1, rotate=10, scale=0.1, flip=True, brightness=0.1, contrast=0.2, erase=0.3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_augmentation_is_a_function_of_the_generator_and_keeps_shape_and_type(dtype: torch.dtype) -> None:
    images = torch.randint(0, 256, (16, 3, 12, 10), generator=generator()).to(dtype)
    before = images.clone()
    changed = augment(images, generator(1), EVERYTHING)

    assert torch.equal(changed, augment(images, generator(1), EVERYTHING))
    assert not torch.equal(changed, augment(images, generator(2), EVERYTHING))
    assert (changed.shape, changed.dtype) == (images.shape, dtype)
    assert torch.equal(images, before)


def test_an_augmentation_of_nothing_changes_nothing() -> None:
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)

    assert torch.equal(augment(images, generator(), Augmentation()), images)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).repeat(400, 1, 1, 1)
    changed = augment(images, generator(), Augmentation(flip=True))
    mirrored = (changed == images.flip(-1)).all((1, 2, 3))
    same = (changed == images).all((1, 2, 3))

    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_shift_moves_by_whole_pixels_up_to_its_share() -> None:
    images = torch.zeros(500, 1, 10, 20, dtype=torch.uint8)
    images[:, :, 5, 10] = 255
    changed = augment(images, generator(), Augmentation(shift=0.2))
    place = changed.flatten(1).argmax(1)
    down, right = place // 20 - 5, place % 20 - 10

    assert (changed.flatten(1).sum(1) == 255).all()
    assert sorted(down.unique().tolist()) == [-2, -1, 0, 1, 2]
    assert sorted(right.unique().tolist()) == [-4, -3, -2, -1, 0, 1, 2, 3, 4]


def test_rotation_and_scale_keep_the_middle_and_turn_no_further_than_asked() -> None:
    images = torch.zeros(200, 1, 41, 41)
    images[:, :, 20, 20:] = 255  # a hand to the right
    changed = augment(images, generator(), Augmentation(rotate=15, scale=0.1))
    far = changed[:, 0, :, 36]  # 16 right of the middle
    height = (far * torch.arange(-20, 21)).sum(1) / far.sum(1)
    angles = torch.rad2deg(torch.atan2(height, torch.tensor(16.0)))

    assert (changed[:, 0, 20, 20] > 100).all()
    assert angles.abs().max() < 16
    assert angles.max() > 10
    assert angles.min() < -10


def test_erasing_takes_a_rectangle_of_about_half_of_the_images() -> None:
    images = torch.arange(100, dtype=torch.uint8).view(1, 1, 10, 10).repeat(300, 1, 1, 1)
    changed = augment(images, generator(), Augmentation(erase=0.4))
    erased = (changed != images).flatten(1).sum(1)

    assert erased.max() <= 25
    assert 100 < (erased > 0).sum() < 200


def test_letters_are_not_mirrored_by_their_names() -> None:
    policy, why = suitable_augmentation(Dense(torch.zeros(200, 1, 28, 28)), torch.zeros(200).long(), ["a", "b"])

    assert not policy.flip
    assert why.key == "codec.no_flip_characters"


def test_digits_are_not_mirrored_by_what_the_images_show() -> None:
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images * 15).to(torch.uint8).view(-1, 1, 8, 8)
    policy, why = suitable_augmentation(Dense(images), torch.tensor(labels), [str(n) for n in range(10)])

    assert not policy.flip
    assert why.key == "codec.no_flip"


def test_numbered_classes_are_not_mirrored_where_too_few_images_show_what_they_are() -> None:
    colour = torch.zeros(20, 3, 28, 28)
    policy, why = suitable_augmentation(Dense(colour), torch.zeros(20).long(), ["0", "1"])

    assert not policy.flip
    assert why.key == "codec.no_flip_numbered"


def shapes(count: int, draw: dict[int, tuple[slice, slice]]) -> tuple[Dense, torch.Tensor]:
    """Grey images with one bright rectangle per class, and noise."""
    labels = torch.arange(count) % len(draw)
    images = torch.randint(0, 60, (count, 1, 20, 20), generator=generator(), dtype=torch.uint8)
    for label, (ys, xs) in draw.items():
        images[labels == label, :, ys, xs] += 150
    return Dense(images), labels


def test_mirroring_is_chosen_where_mirrored_images_keep_their_class() -> None:
    symmetric = {0: (slice(0, 4), slice(4, 16)), 1: (slice(14, 20), slice(4, 16))}
    arrows = {0: (slice(4, 16), slice(0, 5)), 1: (slice(4, 16), slice(15, 20))}
    one_sided = symmetric | {2: arrows[0], 3: arrows[1]}
    names = ["top", "bottom", "left", "right"]

    assert suitable_augmentation(*shapes(200, symmetric), names[:2])[0].flip
    assert suitable_augmentation(*shapes(200, symmetric), ["0", "1"])[0].flip  # a label file's numbers, no digits
    policy, why = suitable_augmentation(*shapes(200, one_sided), names)
    assert not policy.flip
    assert (why.key, why.fields) == ("codec.no_flip_swapped", {"one": "left", "other": "right"})
