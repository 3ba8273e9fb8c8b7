import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from gesso.nn.local_init import NEIGHBOURS, start_local

SIDE = 6


@pytest.fixture
def tower() -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=96,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        image_size=SIDE * 4,
        patch_size=4,
        attn_implementation="eager",
    )
    return CLIPVisionModel(config).eval()


@torch.no_grad()
def attention(tower: CLIPVisionModel) -> torch.Tensor:
    pictures = torch.randn(2, 3, SIDE * 4, SIDE * 4)
    return tower(pictures, output_attentions=True).attentions[0].mean(0)  # [heads, 1 + P, 1 + P]


def test_each_head_looks_at_its_neighbour(tower: CLIPVisionModel) -> None:
    start_local(tower)
    x, y = 2, 3
    for head, (dx, dy) in enumerate(NEIGHBOURS):
        weights = attention(tower)[head, 1 + y * SIDE + x, 1:].reshape(SIDE, SIDE)
        assert divmod(int(weights.argmax()), SIDE) == (y + dy, x + dx)
        assert weights.max() > 5 * weights.mean()


def test_without_it_no_head_looks_anywhere_in_particular(tower: CLIPVisionModel) -> None:
    weights = attention(tower)[:, 1:, 1:]
    assert weights.max() < 5 * weights.mean()


def test_further_heads_stay_random(tower: CLIPVisionModel) -> None:
    last = slice(5 * 16, 6 * 16)
    before = tower.encoder.layers[0].self_attn.q_proj.weight[last].clone()
    start_local(tower)
    assert torch.equal(tower.encoder.layers[0].self_attn.q_proj.weight[last], before)


def test_everything_can_still_be_trained(tower: CLIPVisionModel) -> None:
    start_local(tower)
    tower(torch.randn(1, 3, SIDE * 4, SIDE * 4)).last_hidden_state.sum().backward()
    attention_layer = tower.encoder.layers[0].self_attn
    for parameter in (tower.embeddings.position_embedding.weight, attention_layer.q_proj.weight):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
