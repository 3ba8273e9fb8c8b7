import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.core.errors import UsageError
from gesso.nn.merge import join_flat, join_lines, pad_rows, splice

EMBEDDINGS = torch.arange(20.0).repeat(2, 1).T  # token i -> [i, i]


def table(ids):
    return EMBEDDINGS[ids]


def picture(length, value):
    return torch.full((length, 2), float(value))


def numbered(columns, rows, side):
    """Tiles whose patches hold (line, column) of the whole grid, after an overview of minus ones."""
    lines, places = torch.meshgrid(torch.arange(rows * side), torch.arange(columns * side), indexing="ij")
    whole = torch.stack([lines, places], -1).float()  # [H, W, 2]
    tiles = [
        whole[r * side : (r + 1) * side, c * side : (c + 1) * side].reshape(side * side, 2)
        for r in range(rows)
        for c in range(columns)
    ]
    return torch.stack([picture(side * side, -1), *tiles]), whole


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_lines_run_across_tiles(columns, rows, side):
    tiles, whole = numbered(columns, rows, side)
    joined = join_lines(tiles, (columns, rows))
    assert torch.equal(joined[: side * side], tiles[0])
    assert torch.equal(joined[side * side :], whole.flatten(0, 1))


@settings(deadline=None)
@given(st.data())
def test_cut_lines_end_with_the_newline(data):
    tiles, whole = numbered(2, 3, 3)
    top, bottom = data.draw(st.integers(0, 4)), data.draw(st.integers(5, 9))
    shown = (slice(top, bottom), slice(1, 5))
    newline = torch.tensor([7.0, 8.0])
    joined = join_lines(tiles, (2, 3), shown, newline)[9:].view(bottom - top, 5, 2)  # [H, W + 1, D]
    assert torch.equal(joined[:, :-1], whole[shown])
    assert (joined[:, -1] == newline).all()


def test_overview_alone():
    tiles, _ = numbered(1, 1, 2)
    assert torch.equal(join_lines(tiles[:1], (9, 9)), tiles[0])
    with_newline = join_lines(tiles[:1], (9, 9), newline=torch.zeros(2))
    assert torch.equal(with_newline, torch.cat([tiles[0], torch.zeros(1, 2)]))
    assert join_flat(tiles).shape == (8, 2)


@pytest.mark.parametrize(("count", "patches", "grid"), [(4, 4, (2, 1)), (2, 5, (1, 1))])
def test_tiles_that_do_not_fill_the_grid(count, patches, grid):
    with pytest.raises(UsageError, match="do not fill a grid"):
        join_lines(torch.zeros(count, patches, 2), grid)


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 19), st.just(-200)), min_size=1, max_size=12))
def test_splice_keeps_order_and_masks_pictures(ids):
    row = torch.tensor(ids)
    features = [picture(number + 1, -number - 1) for number in range(ids.count(-200))]
    embeddings, labels = splice(row, table, features, row)
    expected, marks, coming = [], [], iter(features)
    for token in ids:
        if token == -200:
            feature = next(coming)
            expected += feature[:, 0].tolist()
            marks += [-100] * len(feature)
        else:
            expected.append(float(token))
            marks.append(token)
    assert embeddings[:, 0].tolist() == expected
    assert labels.tolist() == marks


def test_pictures_take_the_dtype_of_the_text():
    embeddings, _ = splice(torch.tensor([3, -200]), table, [picture(1, 9).double()], torch.zeros(2))
    assert embeddings.dtype == torch.float32


@pytest.mark.parametrize("count", [0, 2])
def test_every_picture_needs_its_place(count):
    ids = torch.tensor([1, -200])
    with pytest.raises(UsageError, match=f"1 places for pictures and sounds, but {count} came"):
        splice(ids, table, [picture(1, 1)] * count, ids)


@pytest.mark.parametrize(("side", "mask"), [("left", [0, 0, 1]), ("right", [1, 0, 0])])
def test_padding_goes_to_its_side(side, mask):
    embeddings, masks = pad_rows([picture(3, 1), picture(1, 2)], side=side)
    assert masks.tolist() == [[1, 1, 1], mask]
    assert torch.equal(embeddings[1, :, 0], 2.0 * torch.tensor(mask))


def test_long_rows_lose_their_end():
    embeddings, mask = pad_rows([torch.arange(8.0).view(4, 2), picture(1, 2)], max_length=2)
    assert torch.equal(embeddings[0], torch.arange(4.0).view(2, 2))
    assert mask.tolist() == [[1, 1], [1, 0]]
