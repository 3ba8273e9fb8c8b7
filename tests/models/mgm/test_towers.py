import pytest
import torch

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.mgm.towers import TOWER_PREFIX, find_clip, find_detail_tower
from models.mgm import originals

LARGE = "model_zoo/OpenAI/clip-vit-large-patch14-336"


def test_a_published_clip_in_the_checkpoint_needs_no_folder(tmp_path):
    held = {f"{TOWER_PREFIX}x": torch.ones(1)}
    vision, _, added = find_clip(held, {"mm_vision_tower": LARGE}, tmp_path)
    assert (vision.image_size, vision.num_hidden_layers, added) == (336, 24, {})


def test_towers_that_are_nowhere_are_told_with_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"openai/clip-vit-large-patch14-336 within reach.*as tower"):
        find_clip({}, {"mm_vision_tower": LARGE}, tmp_path)
    with pytest.raises(CheckpointError, match="give its folder as tower_aux"):
        find_detail_tower({}, originals.FLAT, tmp_path)


@pytest.mark.parametrize("name", ["lavis/eva", "EVA02"])
def test_towers_that_cannot_be_mined_are_refused(tmp_path, name):
    with pytest.raises(UnsupportedError, match="EVA"):
        find_clip({}, {"mm_vision_tower": name}, tmp_path)
    with pytest.raises(UnsupportedError, match="allowed: OpenCLIP"):
        find_detail_tower({}, {"mm_vision_tower_aux": "openai/clip-vit"}, tmp_path)


@pytest.mark.parametrize("find", [find_clip, find_detail_tower])
def test_configs_without_towers_are_refused(tmp_path, find):
    with pytest.raises(CheckpointError, match="no Mini-Gemini checkpoint"):
        find({}, {}, tmp_path)


def test_a_tower_folder_without_weights_is_refused(tmp_path):
    originals.write_clip(tmp_path / originals.CLIP)
    with pytest.raises(CheckpointError, match="has no weight files"):
        find_clip({}, originals.FLAT, tmp_path / "checkpoint")
