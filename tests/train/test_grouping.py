import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.train.grouping import even_shares, length_order, modality_order

LENGTHS = st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=40)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_every_example_comes_once(lengths: list[int], batch: int, processes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for order in (
        modality_order(lengths, batch, processes, generator, generator),
        length_order(lengths, batch, processes, generator),
    ):
        assert sorted(order) == list(range(len(lengths)))


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_batches_are_of_one_modality(batch: int, processes: int, seed: int) -> None:
    size = batch * processes
    lengths = [5, -5] * (3 * size)
    generator = torch.Generator().manual_seed(seed)
    order = modality_order(lengths, batch, processes, generator, generator)
    for start in range(0, len(order) - 2 * size, batch):
        assert len({lengths[number] > 0 for number in order[start : start + batch]}) == 1


def test_shares_are_of_one_length() -> None:
    lengths = [9, 8, 7, 3, 2, 1]
    shares = even_shares(range(6), lengths, 3)
    assert [sum(lengths[number] for number in share) for share in shares] == [10, 10, 10]


def test_the_same_generator_gives_the_same_order() -> None:
    lengths = [3, -1, 4, -1, 5, -9, 2, 6]
    orders = [
        modality_order(lengths, 2, 1, *(torch.Generator().manual_seed(seed) for _ in range(2)))
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
