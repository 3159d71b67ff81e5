"""Augmentation: random changes of training images that leave their class as it is. Knows nothing of files.

Randomness comes from a generator alone, so that a resumed run changes the same images in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from danlu.data.store import Feed
from danlu.words import Note

_SAMPLE = 2000  # training images that are looked at to decide on flips


@dataclass(frozen=True)
class Augmentation:
    """The largest change of each kind; 0 is none.

    `shift`: share of the side · `rotate`: degrees · `scale`: share of the size · `flip`: left and right swapped, of
    every second image · `brightness`: share of the range 0 … 255 · `contrast`: share · `erase`: side of a random
    rectangle, as a share of the image's, of every second image (Zhong et al. 2017).
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0


def augment(images: Tensor, rng: torch.Generator, policy: Augmentation) -> Tensor:
    """images: (B, C, H, W) uint8, or float of the range 0 … 255 → changed, of the same type."""
    changed = images
    if policy.rotate or policy.scale:
        changed = _warped(changed.float(), rng, policy)
    if policy.shift:
        changed = _shifted(changed, rng, policy.shift)
    if policy.flip:
        changed = torch.where(_uniform(images, rng) < 0.5, changed.flip(-1), changed)
    if policy.brightness or policy.contrast:
        changed = _recoloured(changed.float(), rng, policy)
    if policy.erase:
        changed = _erased(changed, rng, policy.erase)
    if images.dtype == torch.uint8 and changed.dtype != torch.uint8:
        return changed.round_().clamp_(0, 255).to(torch.uint8)
    return changed


def suitable_augmentation(
    feed: Feed, labels: Tensor | None, classes: Sequence[str]
) -> tuple[Augmentation, Note]:
    """The changes that suit the training images, and why; labels: (N,) int64, None where there are no classes."""
    index = torch.linspace(0, len(feed) - 1, min(_SAMPLE, len(feed))).long()
    images = feed.take("image", index)["image"]
    flip, why = _flips(images, None if labels is None else labels[index], classes)
    if images.shape[1] == 3:
        policy = Augmentation(shift=0.12, scale=0.1, flip=flip, brightness=0.1, contrast=0.2, erase=0.3)
    elif (
        min(images.shape[2:]) < 16
    ):  # a pixel is a large part of it: no interpolation of much, nothing erased
        policy = Augmentation(shift=0.125, rotate=8, scale=0.1, flip=flip)
    elif flip:
        policy = Augmentation(shift=0.08, flip=True, erase=0.3)
    else:
        policy = Augmentation(shift=0.08, rotate=10, scale=0.1)
    return policy, why


def _flips(images: Tensor, labels: Tensor | None, classes: Sequence[str]) -> tuple[bool, Note]:
    """Whether a mirrored image keeps its class, judged by the classes' names and by its nearest neighbour."""
    if images.shape[1] == 1 and all(len(name) == 1 or name.isdigit() for name in classes):
        return False, Note("codec.no_flip_characters")
    if labels is None or len(images) < 100:
        return images.shape[1] == 3, Note("codec.flip_unknown")
    own, mirrored = _neighbours_agree(images, labels)
    own_percent, mirrored_percent = round(100 * own, 1), round(100 * mirrored, 1)
    flip = mirrored >= 0.9 * own
    return flip, Note("codec.flip" if flip else "codec.no_flip", own=own_percent, mirrored=mirrored_percent)


def _neighbours_agree(images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of images whose nearest other image is of their class: as they are, and mirrored."""
    features = _features(images)
    queries = slice(0, None, max(1, len(images) // 500))
    same = labels[queries, None] == labels
    own = torch.cdist(features[queries], features)
    own[torch.arange(len(own)), torch.arange(len(images))[queries]] = torch.inf
    mirrored = torch.cdist(_features(images[queries].flip(-1)), features)
    mirrored[torch.arange(len(own)), torch.arange(len(images))[queries]] = torch.inf
    agree = [same.gather(1, distance.argmin(1, keepdim=True)).float().mean() for distance in (own, mirrored)]
    return float(agree[0]), float(agree[1])


def _features(images: Tensor) -> Tensor:
    """(N, values) of at most 16×16 pixels, each image standardised."""
    height, width = images.shape[2:]
    small = F.adaptive_avg_pool2d(images.float(), (min(16, height), min(16, width))).flatten(1)
    return (small - small.mean(1, keepdim=True)) / (small.std(1, keepdim=True) + 1)


def _uniform(images: Tensor, rng: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """(B, 1, 1, 1), one number per image."""
    return (low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng)).to(images.device)


def _warped(images: Tensor, rng: torch.Generator, policy: Augmentation) -> Tensor:
    """Turned and scaled about the middle, bilinear; what comes in from outside repeats the border."""
    height, width = images.shape[2:]
    turn = torch.deg2rad(_uniform(images, rng, -policy.rotate, policy.rotate)).flatten()
    size = 1 + _uniform(images, rng, -policy.scale, policy.scale).flatten()
    cos, sin, none = turn.cos() / size, turn.sin() / size, torch.zeros_like(turn)
    rows = torch.stack([cos, -sin * height / width, none, sin * width / height, cos, none], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _shifted(images: Tensor, rng: torch.Generator, share: float) -> Tensor:
    """Moved by whole pixels; what comes in from outside repeats the border."""
    batch, channels, height, width = images.shape
    rows = _moved(height, _uniform(images, rng, -share, share))
    columns = _moved(width, _uniform(images, rng, -share, share))
    place = (rows[:, :, None] * width + columns[:, None, :]).view(batch, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, place).view_as(images)


def _moved(side: int, share: Tensor) -> Tensor:
    """(B, side): the places from which the pixels come."""
    return (torch.arange(side, device=share.device) + (share * side).round().long().view(-1, 1)).clamp(
        0, side - 1
    )


def _recoloured(images: Tensor, rng: torch.Generator, policy: Augmentation) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast = 1 + _uniform(images, rng, -policy.contrast, policy.contrast)
    brightness = 255 * _uniform(images, rng, -policy.brightness, policy.brightness)
    return (images - mean) * contrast + mean + brightness


def _erased(images: Tensor, rng: torch.Generator, largest: float) -> Tensor:
    """A random rectangle of every second image takes the image's mean."""
    inside = _uniform(images, rng) < 0.5
    for dim in (2, 3):
        side = images.shape[dim]
        length = side * _uniform(images, rng, largest / 3, largest)
        start = _uniform(images, rng) * (side - length)
        place = (
            torch.arange(side, device=images.device).view(-1, 1)
            if dim == 2
            else torch.arange(side, device=images.device)
        )
        inside = inside & (place >= start) & (place < start + length)
    mean = images.float().mean((1, 2, 3), keepdim=True).to(images.dtype)
    return torch.where(inside, mean, images)
