import pytest
import torch

from gesso.core.errors import UsageError
from gesso.nn.detail_mining import DetailMining, cells_of_tokens


def build(width: int = 6, cell_width: int = 10) -> DetailMining:
    torch.manual_seed(0)
    block = DetailMining(width, cell_width)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block


def by_the_formula(block: DetailMining, tokens: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """The paper's equation as it stands, with a key and a value for every cell."""
    own = cells_of_tokens(cells, tokens.shape[1])
    queries, keys, values = block.query(tokens), block.key(own), block.value(own)
    scores = torch.einsum("bpw,bpsw->bps", queries, keys) / queries.shape[-1] ** 0.5
    return torch.einsum("bps,bpsw->bpw", scores.softmax(-1), values)


@pytest.mark.parametrize(("side", "cells"), [(1, 1), (2, 4), (3, 12)])
def test_the_folded_form_equals_the_formula(side: int, cells: int) -> None:
    block = build()
    tokens, grid = torch.randn(2, side * side, 6), torch.randn(2, 10, cells, cells) * 3
    torch.testing.assert_close(block(tokens, grid), by_the_formula(block, tokens, grid), rtol=1e-5, atol=1e-5)


def test_gradients_equal_the_formulas_and_reach_every_parameter() -> None:
    block = build()
    tokens, grid = torch.randn(1, 4, 6), torch.randn(1, 10, 4, 4)
    parameters = list(block.parameters())
    folded = torch.autograd.grad(block(tokens, grid).square().sum(), parameters)
    plain = torch.autograd.grad(by_the_formula(block, tokens, grid).square().sum(), parameters)
    for ours, theirs in zip(folded, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_token_sees_its_own_cells_only() -> None:
    block = build()
    tokens, grid = torch.randn(1, 4, 6), torch.randn(1, 10, 4, 4)
    changed = grid.clone()
    changed[..., :2, 2:] += torch.randn(10, 2, 2)  # the cells of the token at the right above
    moved = (block(tokens, grid) - block(tokens, changed)).abs().amax(-1)[0]
    assert (moved > 1e-4).tolist() == [False, True, False, False]


def test_cells_are_sorted_row_by_row_within_their_token() -> None:
    numbers = torch.arange(16.0).view(1, 1, 4, 4)
    assert cells_of_tokens(numbers, 4)[0, :, :, 0].tolist() == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15],
    ]  # fmt: skip


@pytest.mark.parametrize(("tokens", "shape"), [(3, (4, 4)), (4, (5, 5)), (4, (4, 6))])
def test_maps_that_do_not_fit_the_tokens_are_refused(tokens: int, shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="must fill a square"):
        cells_of_tokens(torch.zeros(1, 1, *shape), tokens)
