import pytest
import torch
from transformers import ConvNextConfig, ConvNextModel

from gesso.core.errors import CheckpointError
from gesso.models.mgm.detail_tower import DetailTower, detail_config, map_width
from gesso.models.mgm.views import resize
from models.mgm import originals


def test_the_map_is_all_stages_of_transformers_model_side_by_side():
    config = ConvNextConfig(depths=[1, 2, 1, 1], hidden_sizes=[4, 6, 8, 10], layer_scale_init_value=0.5)
    torch.manual_seed(0)
    tower, whole = DetailTower(config).eval(), ConvNextModel(config).eval()
    whole.load_state_dict(tower.state_dict(), strict=False)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        detail = tower.detail_map(pixels)
        stages = whole(pixels, output_hidden_states=True).hidden_states[-4:]
    assert detail.shape == (2, map_width(config), 16, 16)
    torch.testing.assert_close(detail, torch.cat([resize(stage, 16) for stage in stages], dim=1))


def test_the_shape_is_read_off_the_weights():
    shapes = {key: tensor.shape for key, tensor in originals.weights().items()}
    config = detail_config(shapes, "openclip-convnext-tiny")
    assert (list(config.depths), list(config.hidden_sizes)) == ([1, 1, 2, 1], [4, 6, 8, 10])
    assert config.layer_norm_eps == 1e-6
    assert detail_config(shapes, "openclip-convnext-xxlarge").layer_norm_eps == 1e-5


def test_a_checkpoint_without_such_weights_is_refused():
    with pytest.raises(CheckpointError, match="give tower_aux"):
        detail_config({}, "openclip")
