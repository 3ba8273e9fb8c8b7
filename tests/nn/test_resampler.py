import math

import pytest
import torch

from gesso.core.errors import UnsupportedError, UsageError
from gesso.nn.resampler import Resampler, sincos_table


def build(heads: int = 2) -> Resampler:
    torch.manual_seed(0)
    return Resampler(3, 5, 16, heads).eval()


def test_every_picture_gives_as_many_vectors_as_there_are_queries() -> None:
    assert build()(torch.randn(2, 6, 5), [(2, 3), (1, 4)]).shape == (2, 3, 16)


def test_what_lies_behind_a_picture_does_not_count() -> None:
    resampler, patches = build(), torch.randn(2, 6, 5)
    other = patches.clone()
    other[1, 4:] = 9
    with torch.inference_mode():
        first, second = resampler(patches, [(2, 3), (2, 2)]), resampler(other, [(2, 3), (2, 2)])
        alone = resampler(patches[1:, :4], [(2, 2)])
    assert torch.equal(first, second)
    assert torch.allclose(first[1:], alone, atol=1e-6)


def test_the_shape_of_a_picture_counts() -> None:
    resampler, patches = build(), torch.randn(1, 6, 5)
    with torch.inference_mode():
        assert not torch.allclose(resampler(patches, [(2, 3)]), resampler(patches, [(3, 2)]), atol=1e-3)


def test_positions_are_waves_of_column_then_row() -> None:
    table = sincos_table(3, 5, 8)
    assert table.shape == (3, 5, 8)
    slow = 1 / 10_000**0.5
    wanted = [math.sin(4), math.sin(4 * slow), math.cos(4), math.cos(4 * slow)]
    wanted += [math.sin(2), math.sin(2 * slow), math.cos(2), math.cos(2 * slow)]
    assert table[2, 4].tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_larger_table_begins_like_a_smaller_one() -> None:
    assert torch.equal(sincos_table(90, 75, 16)[:70, :70], sincos_table(70, 70, 16))


def test_all_parameters_learn() -> None:
    resampler = build().train()
    resampler(torch.randn(1, 4, 5), [(2, 2)]).square().sum().backward()
    assert all(weight.grad is not None for weight in resampler.parameters())


def test_grids_that_do_not_fit_are_refused() -> None:
    for grids in ([(2, 3)], [(2, 3), (3, 3)], [(2, 3), (0, 1)]):
        with pytest.raises(UsageError, match="for 2 pictures of at most 6"):
            build()(torch.randn(2, 6, 5), grids)


@pytest.mark.parametrize(("width", "heads"), [(16, 3), (18, 2), (16, 0)])
def test_widths_that_do_not_divide_are_refused(width: int, heads: int) -> None:
    with pytest.raises(UnsupportedError, match=f"width {width} with {heads} heads"):
        Resampler(3, 5, width, heads)
