import pytest
import torch
from transformers import SiglipVisionConfig

from gesso.models.megrez.vision import NavitTower, as_strip, position_numbers

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def tower() -> NavitTower:
    torch.manual_seed(0)
    config = SiglipVisionConfig(**SIZES, image_size=70, patch_size=14, vision_use_head=False)
    return NavitTower(config).eval()


def picture(rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows * 10 + columns)
    return torch.randint(256, (3, 14 * rows, 14 * columns), generator=generator, dtype=torch.uint8)


def test_a_slice_is_the_same_alone_and_beside_a_larger_one() -> None:
    small, large, eyes = picture(2, 1), picture(3, 4), tower()
    with torch.inference_mode():
        both, grids = eyes.encode([small, large])
        alone, _ = eyes.encode([small])
    assert (both.shape, grids) == ((2, 12, 16), [(2, 1), (3, 4)])
    assert torch.allclose(both[0, :2], alone[0], atol=1e-5)


def test_patches_lie_side_by_side_row_by_row() -> None:
    shown = picture(2, 3)
    strip = as_strip(shown, 14)
    assert strip.shape == (3, 14, 6 * 14)
    assert torch.equal(strip[..., 4 * 14 : 5 * 14], shown[:, 14:, 14:28])


@pytest.mark.parametrize(("count", "place", "number"), [(25, 5, 13), (25, 6, 16), (49, 7, 9), (70, 69, 69)])
def test_positions_are_those_of_single_precision(count: int, place: int, number: int) -> None:
    assert position_numbers(1, count, 70)[place] == number


def test_slices_larger_than_the_trained_grid_have_positions() -> None:
    numbers = position_numbers(9, 100, 5)
    assert numbers.shape == (900,)
    assert numbers.max() == 24
    with torch.inference_mode():
        assert tower().encode([picture(1, 9)])[0].shape == (1, 9, 16)


def test_what_was_computed_in_inference_mode_serves_training() -> None:
    eyes = tower()
    with torch.inference_mode():
        eyes.encode([picture(4, 3)])
    eyes.encode([picture(4, 3)])[0].sum().backward()
    assert eyes.embeddings.position_embedding.weight.grad is not None
