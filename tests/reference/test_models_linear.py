"""The linear family finds what least squares and scikit-learn find."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from danlu.data.store import Bags, Shapes, Store
from danlu.models import FAMILIES, build


def fitted(shapes: Shapes, inputs: dict[str, torch.Tensor], loss_of) -> torch.nn.Module:
    """The linear model at the minimum of the mean loss and the family's own l2 penalty on matrices."""
    rows = len(next(iter(inputs.values())))
    if "terms_offset" in inputs:
        rows = len(inputs["terms_offset"])
    settings = FAMILIES["linear"].training(shapes, rows)
    assert settings["optimizer"] == "lbfgs"
    model, _ = build("linear", {}, shapes)
    limits = {"max_iter": 500, "tolerance_grad": 1e-8, "tolerance_change": 0.0}
    search = {"lr": settings["learning_rate"], "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS(model.parameters(), **limits, **search)

    def closure():
        optimizer.zero_grad()
        penalty = sum(p.square().sum() for p in model.parameters() if p.ndim > 1)
        loss = loss_of(model(inputs)["y"]) + settings["l2"] / 2 * penalty
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


def test_regression_equals_least_squares():
    rng = np.random.default_rng(0)
    x = rng.uniform(-5, 5, 100)
    y = 3 * x + 2 + rng.normal(0, 1, 100)
    slope, intercept = np.polyfit(x, y, 1)
    standard = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32).unsqueeze(1)
    target = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
    shapes = Shapes(numbers=1, heads={"y": 1})
    model = fitted(shapes, {"numbers": standard}, lambda out: F.mse_loss(out.squeeze(-1), target))
    (weight,), bias = model.summands[0][1].weight.detach().flatten().tolist(), model.bias.item()
    got_slope = weight * y.std() / x.std()
    assert got_slope == pytest.approx(slope, abs=1e-5)
    assert bias * y.std() + y.mean() - got_slope * x.mean() == pytest.approx(intercept, abs=1e-5)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_classification_equals_scikit_learn(load):
    x, y = load(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype(np.float32)
    witness = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(x, y).predict_proba(x)
    classes = torch.from_numpy(y)
    inputs = {"numbers": torch.from_numpy(x)}
    shapes = Shapes(numbers=x.shape[1], heads={"y": len(set(y))})
    model = fitted(shapes, inputs, lambda out: F.cross_entropy(out, classes))
    with torch.no_grad():
        np.testing.assert_allclose(model(inputs)["y"].softmax(-1).numpy(), witness, atol=1e-3)


def test_weighted_terms_equal_a_sparse_matrix():
    rng = np.random.default_rng(1)
    rows, terms, each = 60, 25, 4
    which = np.stack([rng.choice(terms, each, replace=False) for _ in range(rows)])
    weights = rng.uniform(0.1, 1, (rows, each)).astype(np.float32)
    y = rng.integers(0, 3, rows)
    matrix = csr_matrix((weights.ravel(), which.ravel(), np.arange(0, rows * each + 1, each)), (rows, terms))
    inputs = {
        "terms": torch.from_numpy(which.ravel()),
        "terms_weight": torch.from_numpy(weights.ravel()),
        "terms_offset": torch.arange(0, rows * each, each),
    }
    shapes = Shapes(terms=terms, heads={"y": 3})
    penalty = FAMILIES["linear"].training(shapes, rows)["l2"] * rows
    witness = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=5000).fit(matrix, y).predict_proba(matrix)
    model = fitted(shapes, inputs, lambda out: F.cross_entropy(out, torch.from_numpy(y)))
    with torch.no_grad():
        np.testing.assert_allclose(model(inputs)["y"].softmax(-1).numpy(), witness, atol=1e-3)


def test_trust_in_a_term_is_its_log_count_ratio():
    shapes = Shapes(terms=3, heads={"y": 2})
    rows = [[0, 1], [0], [0, 2], [2]]
    lengths = torch.tensor([0, 2, 1, 2, 1])
    terms = torch.tensor([term for row in rows for term in row])
    bags = Bags(terms, torch.rand(len(terms)), lengths.cumsum(0))
    store = Store({"terms": bags}, {"y": torch.tensor([1, 1, 0, 0])}, torch.arange(4))
    model, _ = build("linear", {}, shapes)
    FAMILIES["linear"].prepare(model, store)
    inside, outside = np.array([2, 1, 0]) + 1, np.array([1, 0, 2]) + 1  # rows of class 1, of class 0, that hold it
    expected = 1 + np.abs(np.log((inside / inside.sum()) / (outside / outside.sum())))
    np.testing.assert_allclose(model.summands[0].trust.squeeze(1).numpy(), expected, rtol=1e-6)


def test_trust_scales_a_term():
    torch.manual_seed(0)
    model, _ = build("linear", {}, Shapes(terms=3, heads={"y": 2}))
    torch.nn.init.normal_(model.summands[0].weight)
    model.summands[0].trust.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
    inputs = {
        "terms": torch.tensor([2, 0, 1]),
        "terms_weight": torch.tensor([0.5, 1.0, 2.0]),
        "terms_offset": torch.tensor([0, 2]),
    }
    matrix = torch.tensor([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]])
    expected = matrix * torch.tensor([1.0, 2.0, 3.0]) @ model.summands[0].weight
    torch.testing.assert_close(model(inputs)["y"], expected)


def test_categories_weigh_like_one_hot_columns():
    torch.manual_seed(0)
    categories = torch.tensor([[0, 2], [3, 1], [2, 0]])
    model, _ = build("linear", {}, Shapes(categories=(4, 3), heads={"y": 2}))
    torch.nn.init.normal_(model.summands[0].vectors.weight)
    one_hot = torch.cat([F.one_hot(categories[:, 0], 4), F.one_hot(categories[:, 1], 3)], dim=1).float()
    expected = one_hot @ model.summands[0].vectors.weight
    torch.testing.assert_close(model({"categories": categories})["y"], expected)


def test_starts_at_zero():
    model, _ = build("linear", {}, Shapes(numbers=3, categories=(4,), terms=5, heads={"y": 2}))
    assert not any(p.any() for p in model.parameters())
