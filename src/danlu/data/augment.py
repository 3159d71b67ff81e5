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
# Of the images that look like their class, the share that must do so mirrored: digits reach 0.35 to 0.45,
# Fashion-MNIST, where mirroring helps, 0.75.
_KEPT = 0.6


@dataclass(frozen=True)
class Augmentation:
    """The largest change of each kind; 0 is none.

    `shift`: share of the side · `rotate`: degrees · `scale`: share of the size · `flip`: left and right
    swapped, of every second image · `brightness`: share of the range 0 … 255 · `contrast`: share · `erase`:
    side of a random rectangle, as a share of the image's, of every second image (Zhong et al. 2017).
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


def suitable_augmentation(feed: Feed, labels: Tensor | None, classes: Sequence[str]) -> tuple[Augmentation, Note]:
    """The changes that suit the training images, and why; labels: (N,) int64, None without classes."""
    index = torch.linspace(0, len(feed) - 1, min(_SAMPLE, len(feed))).long()
    images = feed.take("image", index)["image"]
    flip, why = _flips(images, None if labels is None else labels[index], classes)
    if images.shape[1] == 3:
        policy = Augmentation(shift=0.12, scale=0.1, flip=flip, brightness=0.1, contrast=0.2, erase=0.3)
    elif min(images.shape[2:]) < 16:  # so small that erasing takes too much
        policy = Augmentation(shift=0.125, rotate=8, scale=0.1, flip=flip)
    elif flip:
        policy = Augmentation(shift=0.05, flip=True)  # erasing too takes more passes than a short run has
    else:
        policy = Augmentation(shift=0.08, rotate=10, scale=0.1)
    return policy, why


def _flips(images: Tensor, labels: Tensor | None, classes: Sequence[str]) -> tuple[bool, Note]:
    """Whether a mirrored image keeps its class, judged by its nearest neighbour; by the classes' names for letters.

    Digits as names are no proof of digits in the images: label files such as MNIST's number any classes.
    """
    grey = images.shape[1] == 1
    if grey and classes and all(len(name) == 1 and name.isalpha() for name in classes):
        return False, Note("codec.no_flip_characters")
    if labels is None or len(images) < 100:
        numbered = bool(classes) and all(name.isdigit() for name in classes)
        return not grey and not numbered, Note("codec.no_flip_numbered" if numbered else "codec.flip_unknown")
    own, mirrored = (_neighbours(images, labels, len(classes), flip) for flip in (False, True))
    keep, keep_mirrored = (float(matrix.diagonal().sum() / len(images)) for matrix in (own, mirrored))
    percent = {"own": round(100 * keep, 1), "mirrored": round(100 * keep_mirrored, 1)}
    if (swapped := _swapped(mirrored)) is not None:
        return False, Note("codec.no_flip_swapped", one=classes[swapped[0]], other=classes[swapped[1]])
    flip = keep_mirrored >= _KEPT * keep
    return flip, Note("codec.flip" if flip else "codec.no_flip", **percent)


def _neighbours(images: Tensor, labels: Tensor, num_classes: int, mirrored: bool) -> Tensor:
    """(classes, classes): images of each class by the class of the other image that is nearest to them."""
    references = _features(images)
    queries = _features(images.flip(-1)) if mirrored else references
    nearest = torch.cdist(queries, references).fill_diagonal_(torch.inf).argmin(1)
    pairs = torch.bincount(labels * num_classes + labels[nearest], minlength=num_classes**2)
    return pairs.view(num_classes, num_classes)


def _swapped(mirrored: Tensor) -> tuple[int, int] | None:
    """Two classes whose images, mirrored, mostly look like the other one, as arrows to left and right do."""
    mostly = mirrored > 0.5 * mirrored.sum(1, keepdim=True)
    pairs = (mostly & mostly.T).triu(1).nonzero().tolist()
    return tuple(pairs[0]) if pairs else None


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
    places = torch.arange(side, device=share.device) + (share * side).round().long().view(-1, 1)
    return places.clamp(0, side - 1)


def _recoloured(images: Tensor, rng: torch.Generator, policy: Augmentation) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    contrast = 1 + _uniform(images, rng, -policy.contrast, policy.contrast)
    brightness = 255 * _uniform(images, rng, -policy.brightness, policy.brightness)
    return (images - mean) * contrast + mean + brightness


def _erased(images: Tensor, rng: torch.Generator, largest: float) -> Tensor:
    """A random rectangle of every second image takes the image's mean."""
    rows, columns = (_run(side, images, rng, largest) for side in images.shape[2:])
    inside = (_uniform(images, rng) < 0.5) & rows.mT & columns
    mean = images.float().mean((1, 2, 3), keepdim=True).to(images.dtype)
    return torch.where(inside, mean, images)


def _run(side: int, images: Tensor, rng: torch.Generator, largest: float) -> Tensor:
    """(B, 1, 1, side): true in a random run of places."""
    length = side * _uniform(images, rng, largest / 3, largest)
    start = _uniform(images, rng) * (side - length)
    places = torch.arange(side, device=images.device)
    return (places >= start) & (places < start + length)
