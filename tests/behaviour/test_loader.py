"""The loader's promises: every row once, the same order for the same seed, little padding, exact resume."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import danlu
from danlu.data.loader import Loader, epoch_order, evaluation_batches
from danlu.data.store import Bags, Batch, Dense, Ragged, Store
from danlu.errors import DanluError


def dense_store(rows: int, width: int = 3) -> Store:
    values = torch.arange(rows * width, dtype=torch.float32).view(rows, width)
    return Store({"numbers": Dense(values)}, {"y": torch.arange(rows) * 10}, torch.arange(rows) + 1000)


def ragged_store(lengths: list[int]) -> Store:
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    rows = torch.arange(len(lengths))
    values = (rows + 1).repeat_interleave(torch.tensor(lengths, dtype=torch.int64))
    return Store({"tokens": Ragged(values, offsets)}, {"y": rows * 10}, rows)


def bag_store(rows: int) -> Store:
    bags = Bags(torch.arange(rows), torch.ones(rows), torch.arange(rows + 1))
    return Store({"terms": bags}, {"y": torch.arange(rows) * 10}, torch.arange(rows))


def rows_of(batches: list[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def equal(one: Batch, other: Batch) -> bool:
    pairs = [(one.inputs, other.inputs), (one.targets, other.targets), ({"": one.rows}, {"": other.rows})]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)


few = settings(max_examples=50, deadline=None)
lengths = st.lists(st.integers(0, 300), min_size=1, max_size=80)
stores = st.one_of(
    st.integers(1, 200).map(dense_store),
    lengths.map(ragged_store),
    st.integers(1, 60).map(bag_store),
)
loaders = st.builds(
    Loader,
    stores,
    batch_size=st.integers(1, 64),
    batch_tokens=st.none(),
    seed=st.integers(0, 2**32 - 1),
    shuffle=st.booleans(),
) | st.builds(
    Loader,
    lengths.map(ragged_store),
    batch_size=st.none(),
    batch_tokens=st.integers(300, 2000),
    seed=st.integers(0, 9),
)


@few
@given(loaders, st.integers(0, 5))
def test_every_row_occurs_once_per_epoch(loader: Loader, epoch: int):
    batches = list(loader.batches(epoch))
    assert len(batches) == loader.steps_per_epoch
    assert sorted(chain(*rows_of(batches))) == loader.store.rows.tolist()
    assert all(len(batch.rows) > 0 for batch in batches)


@few
@given(loaders, st.integers(0, 5))
def test_a_batch_holds_the_inputs_and_targets_of_its_rows(loader: Loader, epoch: int):
    first = int(loader.store.rows[0])
    for batch in loader.batches(epoch):
        assert equal(batch, loader.store.batch(batch.rows - first))


@few
@given(loaders, st.integers(0, 3), st.data())
def test_batches_from_any_step_equal_the_uninterrupted_ones(loader: Loader, epoch: int, data: st.DataObject):
    start = data.draw(st.integers(0, loader.steps_per_epoch))
    whole = list(loader.batches(epoch))
    resumed = list(replace(loader).batches(epoch, start))
    assert len(resumed) == len(whole) - start
    assert all(equal(a, b) for a, b in zip(resumed, whole[start:], strict=True))


@few
@given(loaders, st.integers(0, 5))
def test_the_same_seed_and_epoch_give_the_same_order(loader: Loader, epoch: int):
    assert rows_of(list(loader.batches(epoch))) == rows_of(list(replace(loader).batches(epoch)))


@pytest.mark.parametrize("store_of", [dense_store, bag_store, lambda rows: ragged_store([5] * rows)])
def test_another_seed_or_epoch_gives_another_order(store_of: Callable[[int], Store]):
    store = store_of(500)
    order = lambda seed, epoch: rows_of(list(Loader(store, 20, None, seed).batches(epoch)))  # noqa: E731
    orders = [order(0, 0), order(0, 1), order(1, 0), order(1, 1)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_the_order_of_an_epoch_never_changes_between_versions():
    assert epoch_order(8, seed=0, epoch=0).tolist() == [4, 1, 3, 5, 0, 2, 6, 7]


def test_an_unshuffled_loader_keeps_the_order_of_the_rows():
    batches = list(Loader(dense_store(10), 4, None, seed=0, shuffle=False).batches(epoch=3))
    assert rows_of(batches) == [[1000, 1001, 1002, 1003], [1004, 1005, 1006, 1007], [1008, 1009]]


def test_batches_larger_than_one_gather_hold_the_right_rows():
    store = dense_store(1200, width=500)  # 520 rows of 2 kB make one gather: five batches
    batches = list(Loader(store, 100, None, seed=1).batches(0, 7))
    assert list(chain(*rows_of(batches))) == (epoch_order(1200, 1, 0)[700:] + 1000).tolist()


@few
@given(lengths, st.integers(300, 2000))
def test_no_batch_exceeds_the_token_budget(lengths: list[int], budget: int):
    loader = Loader(ragged_store(lengths), None, budget, seed=0)
    assert all(batch.inputs["tokens"].numel() <= budget for batch in loader.batches(0))


@few
@given(lengths, st.integers(300, 2000))
def test_every_epoch_has_the_same_number_of_steps(lengths: list[int], budget: int):
    loader = Loader(ragged_store(lengths), None, budget, seed=0)
    assert {len(list(loader.batches(epoch))) for epoch in range(4)} == {loader.steps_per_epoch}


def test_a_row_longer_than_the_token_budget_is_refused():
    with pytest.raises(DanluError, match=r"train\.batch_tokens is 100, .*longest row alone has 150"):
        _ = Loader(ragged_store([10, 150]), None, 100, seed=0).steps_per_epoch


def test_a_token_budget_for_rows_without_tokens_is_refused():
    with pytest.raises(DanluError, match=r"train\.batch_tokens needs texts or sequences"):
        _ = Loader(dense_store(10), None, 100, seed=0).steps_per_epoch


@pytest.mark.parametrize("sizes", [(64, None), (None, 8192)], ids=["batch_size", "batch_tokens"])
def test_padding_of_texts_of_very_unequal_length_stays_below_three_percent(sizes: tuple):
    lengths = np.random.default_rng(0).lognormal(4, 0.7, 20_000).astype(int).clip(1, 512)
    loader = Loader(ragged_store(lengths.tolist()), *sizes, seed=0)
    padded = sum(batch.inputs["tokens"].numel() for batch in loader.batches(0))
    assert loader.padding_share() == pytest.approx(1 - lengths.sum() / padded)
    assert loader.padding_share() < 0.03


def test_rows_of_equal_length_have_no_padding():
    assert Loader(dense_store(10), 4, None, seed=0).padding_share() == 0
    assert Loader(ragged_store([7] * 10), 4, None, seed=0).padding_share() == 0


def test_rows_meet_other_rows_in_every_epoch():
    lengths = np.random.default_rng(0).integers(20, 400, 5000).tolist()
    loader = Loader(ragged_store(lengths), 50, None, seed=0)
    mates = [next(set(b.rows.tolist()) for b in loader.batches(epoch) if 0 in b.rows) for epoch in (0, 1)]
    assert len(mates[0] & mates[1]) < 40


def test_long_and_short_batches_are_mixed_over_an_epoch():
    loader = Loader(ragged_store(list(range(1, 1001))), 10, None, seed=0)
    widths = [batch.inputs["tokens"].shape[1] for batch in loader.batches(0)]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


def test_the_full_batch_is_the_store_itself():
    store = dense_store(50)
    (batch,) = Loader(store, 50, None, seed=0).batches(0)
    assert batch.inputs["numbers"].data_ptr() == store.feeds["numbers"].values.data_ptr()
    assert batch.rows.tolist() == store.rows.tolist()


@few
@given(stores, st.integers(1, 64))
def test_evaluation_visits_every_row_once_and_says_where_it_stands(store: Store, batch_size: int):
    seen = []
    for index, batch in evaluation_batches(store, batch_size):
        assert equal(batch, store.batch(index))
        assert 0 < len(index) <= batch_size
        seen += index.tolist()
    assert sorted(seen) == list(range(len(store)))


def test_short_rows_are_not_padded_to_a_long_one():
    lengths = [9, 512, *[10] * 29, 8]
    found = list(evaluation_batches(ragged_store(lengths), 32))
    assert sorted(torch.cat([index for index, _ in found]).tolist()) == list(range(32))
    assert sum(batch.inputs["tokens"].numel() for _, batch in found) == 512 + 31 * 10


@given(st.lists(st.integers(1, 600), min_size=1, max_size=200))
def test_rows_of_an_evaluation_are_padded_to_less_than_twice_their_length_or_by_little(lengths: list[int]):
    found = list(evaluation_batches(ragged_store(lengths), 64))
    for index, batch in found:
        own, longest = torch.tensor(lengths)[index], batch.inputs["tokens"].shape[1]
        assert (longest - own[2 * own <= longest]).sum() <= 512 + longest
    assert len(found) <= 10 * (1 + len(lengths) // 64)


def test_evaluation_of_no_rows_gives_no_batch():
    empty = Store({"numbers": Dense(torch.zeros(0, 3))}, {}, torch.zeros(0, dtype=torch.int64))
    assert list(evaluation_batches(empty, 8)) == []


def test_a_run_says_how_much_of_its_batches_is_padding(tmp_path):
    rows = [{"text": "word " * (1 + n % 40), "label": "ab"[n % 2]} for n in range(200)]
    run = danlu.train(
        rows, target="label", model="lstm", out=tmp_path / "run", quiet=True, train__steps=2, train__batch_size=16,
        evaluate__bootstrap=10,
    )  # fmt: skip
    said = [note["fields"]["share"] for note in json.loads((run.folder / "resolved.json").read_text())["notes"]
            if note["code"] == "train.padding"]  # fmt: skip
    assert len(said) == 1
    assert 0 < float(said[0].rstrip("%")) < 10, "in the order of the rows it would be near a half"
