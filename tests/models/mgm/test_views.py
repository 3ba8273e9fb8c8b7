import torch

from gesso.models.mgm.views import cut_grid, resize, views_of


def test_pieces_of_a_grid_go_row_by_row():
    numbers = torch.arange(16.0).view(1, 1, 4, 4)
    assert cut_grid(numbers, 2)[0, :, 0, 0, 0].tolist() == [0, 2, 8, 10]
    assert torch.equal(cut_grid(numbers, 1)[:, 0], numbers)


def test_the_view_of_the_whole_comes_last_and_from_what_is_shrunk():
    pixels = torch.randn(2, 3, 32, 32)
    views = views_of(pixels, 8, 2, whole=True)
    assert views.shape == (2, 5, 3, 8, 8)
    assert torch.equal(views[:, :4], views_of(pixels, 8, 2, whole=False))
    assert torch.equal(views[:, 4], resize(resize(pixels, 16), 8))


def test_resizing_keeps_dtype_and_leaves_the_right_size_alone():
    pixels = torch.randn(1, 3, 8, 8, dtype=torch.bfloat16)
    assert resize(pixels, 8) is pixels
    assert resize(pixels, 4).dtype == torch.bfloat16
