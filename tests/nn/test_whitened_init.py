import pytest
import torch
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from gesso.nn.whitened_init import GAIN, start_whitened

POSITIONS = 8


@pytest.fixture
def tower() -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=40,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
    )
    return CLIPVisionModel(config)


@pytest.fixture
def pixels() -> torch.Tensor:
    """Pictures whose brightness varies far more than their detail, [N, 3, S, S]."""
    generator = torch.Generator().manual_seed(1)
    detail = torch.randn(400, 3, 8, 8, generator=generator)
    return 10 * torch.randn(400, 1, 1, 1, generator=generator) + detail


def embedded(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """[N * g * g, D]"""
    return tower.embeddings.patch_embedding(pixels).flatten(2).mT.flatten(0, 1).detach()


def test_every_direction_of_a_patch_comes_out_equally_strong(
    tower: CLIPVisionModel, pixels: torch.Tensor
) -> None:
    start_whitened(tower.embeddings.patch_embedding, pixels, first=POSITIONS)
    covariance = torch.cov(embedded(tower, pixels).T)[POSITIONS:, POSITIONS:]
    assert torch.allclose(covariance, GAIN**2 * torch.eye(40 - POSITIONS), atol=0.01)


def test_the_strongest_directions_are_kept(tower: CLIPVisionModel, pixels: torch.Tensor) -> None:
    start_whitened(tower.embeddings.patch_embedding, pixels)
    weight = tower.embeddings.patch_embedding.weight.detach().flatten(1)  # [D, K]
    brightness = functional.normalize(torch.ones(48), dim=0)
    alike = float(functional.normalize(weight[0], dim=0) @ brightness)
    assert abs(alike) == pytest.approx(1, abs=0.01)


def test_dimensions_that_hold_positions_are_left_alone(tower: CLIPVisionModel, pixels: torch.Tensor) -> None:
    before = tower.embeddings.patch_embedding.weight.detach().clone()
    start_whitened(tower.embeddings.patch_embedding, pixels, first=POSITIONS)
    after = tower.embeddings.patch_embedding.weight.detach()
    assert torch.equal(after[:POSITIONS], before[:POSITIONS])
    assert not torch.equal(after[POSITIONS:], before[POSITIONS:])


def test_pictures_of_one_colour_give_finite_weights(tower: CLIPVisionModel) -> None:
    start_whitened(tower.embeddings.patch_embedding, torch.zeros(4, 3, 8, 8))
    assert tower.embeddings.patch_embedding.weight.isfinite().all()
