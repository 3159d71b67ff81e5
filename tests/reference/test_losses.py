"""Losses and scores against torch.nn and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from danlu.data.store import Batch
from danlu.data.targets import Target
from danlu.errors import DanluError
from danlu.recipe import TrainConfig
from danlu.tasks import TASKS, heads
from danlu.tasks.supervised import finished


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def mean(loss, outputs, target, weight=None, **extra):
    extra |= {} if weight is None else {"weight": weight}
    return loss(outputs, target, **extra) / heads.row_weight(target, weight)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_equals_torch(weighted, smoothing):
    logits, target = torch.randn(33, 5), torch.randint(5, (33,))
    weight = torch.rand(5) + 0.1 if weighted else None
    expected = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)(logits, target)
    torch.testing.assert_close(mean(heads.cross_entropy, logits, target, weight, smoothing=smoothing), expected)


def test_cross_entropy_of_members_is_their_mean():
    logits, target = torch.randn(9, 3, 4), torch.randint(4, (9,))
    expected = torch.stack([nn.CrossEntropyLoss()(logits[:, m], target) for m in range(3)]).mean()
    torch.testing.assert_close(mean(heads.cross_entropy, logits, target), expected)


def test_rows_of_a_class_never_seen_have_no_loss():
    logits, target = torch.randn(6, 3), torch.tensor([0, -1, 2, -1, 1, 1])
    expected = nn.CrossEntropyLoss()(logits[target >= 0], target[target >= 0])
    torch.testing.assert_close(mean(heads.cross_entropy, logits, target), expected)


def test_binary_cross_entropy_of_two_logits_equals_torch_on_their_difference():
    logits, target = torch.randn(20, 2), torch.randint(2, (20,))
    expected = nn.BCEWithLogitsLoss()(logits[:, 1] - logits[:, 0], target.float())
    torch.testing.assert_close(mean(heads.binary_cross_entropy, logits, target), expected)


def test_binary_cross_entropy_of_labels_equals_torch():
    logits, target = torch.randn(20, 4), torch.randint(2, (20, 4)).float()
    torch.testing.assert_close(mean(heads.binary_cross_entropy, logits, target), nn.BCEWithLogitsLoss()(logits, target))


@pytest.mark.parametrize(("name", "witness"), [("mse", nn.MSELoss()), ("mae", nn.L1Loss()), ("huber", nn.HuberLoss())])
def test_pointwise_losses_equal_torch(name, witness):
    outputs, target = torch.randn(17, 1) * 3, torch.randn(17)
    torch.testing.assert_close(mean(heads.LOSSES[name], outputs, target), witness(outputs[:, 0], target))


def batch_of(targets):
    return Batch({}, targets, torch.arange(len(next(iter(targets.values())))))


def class_target(name="y", classes=("a", "b", "c")):
    return Target(name, "class", classes)


def objective(targets, counts=None, **train):
    return TASKS["tabular-classification"].objective(targets, TrainConfig(**train), counts or {})


@pytest.mark.parametrize("cuts", [[12], [1, 11], [5, 4, 3]])
def test_sums_and_counts_of_uneven_batches_average_exactly(cuts):
    targets = {"y": class_target()}
    goal = objective(targets, class_weights={"a": 3.0}, label_smoothing=0.1)
    logits, truth = torch.randn(12, 3), torch.randint(3, (12,))
    batches = [({"y": z}, batch_of({"y": t})) for z, t in zip(logits.split(cuts), truth.split(cuts), strict=True)]
    total = sum(goal.loss(*batch) for batch in batches)
    whole = goal.loss({"y": logits}, batch_of({"y": truth})) / goal.count(batch_of({"y": truth}))
    torch.testing.assert_close(total / sum(goal.count(batch) for _, batch in batches), whole)


def test_balanced_class_weights_equal_scikit_learn():
    truth = np.array([0] * 7 + [1] * 2 + [2] * 1)
    goal = objective({"y": class_target()}, {"y": torch.bincount(torch.tensor(truth))}, class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=truth)
    np.testing.assert_allclose(goal.class_weights["y"].numpy(), expected, rtol=1e-6)


def test_several_heads_share_the_loss_by_their_rows():
    targets = {"y": class_target(), "z": Target("z", "number", (), 2.0, 3.0)}
    outputs = {"y": torch.randn(8, 3), "z": torch.randn(8, 1)}
    truth = {"y": torch.randint(3, (8,)), "z": torch.randn(8)}
    goal = objective(targets)
    mean_loss = goal.loss(outputs, batch_of(truth)) / goal.count(batch_of(truth))
    expected = nn.CrossEntropyLoss()(outputs["y"], truth["y"]) + nn.MSELoss()(outputs["z"][:, 0], truth["z"])
    torch.testing.assert_close(mean_loss, expected / 2)


def test_scores_are_in_the_units_of_the_target():
    target = Target("z", "number", (), 10.0, 4.0)
    outputs, truth = torch.randn(50, 1), torch.randn(50)
    scores = objective({"z": target}).score({"z": outputs}, batch_of({"z": truth}))
    predicted, true = heads.numbers(outputs, 10.0, 4.0).numpy(), truth.double().numpy() * 4 + 10
    rmse = finished({k: (float(s), float(c)) for k, (s, c) in scores.items()})["rmse"]
    assert rmse == pytest.approx(np.sqrt(np.mean((predicted - true) ** 2)))


@pytest.mark.parametrize(
    ("train", "key"),
    [
        ({"loss": "mse"}, "train.loss_misfit"),
        ({"loss": "binary_cross_entropy"}, "train.loss_binary"),
        ({"class_weights": {"d": 2.0}}, "train.weights_unknown"),
    ],
)
def test_settings_that_do_not_fit_the_target_are_refused(train, key):
    with pytest.raises(DanluError) as refused:
        objective({"y": class_target()}, **train)
    assert refused.value.key == key
