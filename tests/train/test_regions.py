import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from gesso.canvas.vocabulary import GRID
from gesso.diffusion.conditions import TextRegion
from gesso.diffusion.reading import ScoreReading
from gesso.train.regions import BatchReading, box_masks

WHOLE = (0, GRID, 0, GRID)
CANVASES = [
    [WHOLE, (0, 40, 0, 50), (35, 85, 10, 90)],
    [WHOLE],
    [WHOLE, (0, 0, 0, 0), (20, 90, 55, 90), (20, 90, 55, 90)],
]
"""Boxes of the windows of three pictures; one is empty, two share a box as windows of one text do."""


def layer() -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=8, cross_attention_dim=6, heads=2, dim_head=4)


def grid(box: tuple[int, ...]) -> Tensor:
    mask = torch.zeros(GRID, GRID)
    mask[box[0] : box[1], box[2] : box[3]] = 1
    return mask


@pytest.mark.parametrize("shape", [(16, 16), (8, 8), (5, 7)])
def test_boxes_are_fitted_as_masks_are(shape: tuple[int, int]) -> None:
    boxes = [box for canvas in CANVASES for box in canvas] + [(3, 4, 89, 90), (44, 46, 0, 1)]
    masks = torch.stack([grid(box) for box in boxes])
    fitted = functional.interpolate(masks[None], size=shape, mode="nearest-exact")[0]
    assert torch.equal(box_masks(torch.tensor(boxes), shape), fitted.flatten(1) > 0.5)


@pytest.mark.parametrize("shape", [(16, 16), (6, 4)])
def test_each_row_reads_as_the_painter_would(shape: tuple[int, int]) -> None:
    attn = layer()
    states = torch.randn(sum(map(len, CANVASES)), 5, 6)
    boxes = torch.tensor([box for canvas in CANVASES for box in canvas])
    reading = BatchReading(states, boxes, torch.tensor([len(canvas) for canvas in CANVASES]))
    query = torch.randn(3, 2, shape[0] * shape[1], 4)
    found = reading.attend(attn, query, shape)
    start = 0
    for number, canvas in enumerate(CANVASES):
        own = states[start : start + len(canvas)]
        start += len(canvas)
        words = torch.ones(5, dtype=torch.bool)
        regions = [TextRegion(grid(b), s[None], words) for b, s in zip(canvas, own, strict=True)]
        expected = ScoreReading(regions).attend(attn, query[number : number + 1], shape)
        torch.testing.assert_close(found[number : number + 1], expected, rtol=1e-5, atol=1e-6)


def test_the_preview_is_the_first_window_of_each_picture() -> None:
    states = torch.randn(5, 2, 6)
    boxes = torch.tensor([WHOLE] * 5)
    reading = BatchReading(states, boxes, torch.tensor([2, 1, 2]))
    assert reading.rows == 3
    assert torch.equal(reading.preview, states[[0, 2, 3]])


def test_the_layer_learns_from_every_window_that_is_seen() -> None:
    attn = layer()
    states = torch.randn(2, 5, 6)
    reading = BatchReading(states, torch.tensor([WHOLE, (0, 45, 0, 45)]), torch.tensor([2]))
    reading.attend(attn, torch.randn(1, 2, 64, 4), (8, 8)).square().sum().backward()
    assert float(attn.to_k.weight.grad.abs().sum()) > 0
    assert float(attn.to_v.weight.grad.abs().sum()) > 0
