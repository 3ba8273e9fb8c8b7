import pytest
import torch

from gesso.core.errors import CheckpointError
from gesso.models.checkpoints import rename_keys
from gesso.models.llava.towers import CLIP_KEYS, TOWER_PREFIX, Tower, find_tower, tower_tensors
from models.llava import originals

LARGE = "openai/clip-vit-large-patch14-336"


def test_known_towers_of_checkpoints_that_hold_them_need_no_folder(tmp_path):
    found = find_tower({"mm_vision_tower": LARGE, "unfreeze_mm_vision_tower": True}, tmp_path)
    assert found.folder is None
    assert (found.config.image_size, found.config.num_hidden_layers) == (336, 24)


@pytest.mark.parametrize("name", [LARGE, "nowhere"])
def test_towers_that_must_be_read_must_be_there(tmp_path, name):
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        find_tower({"mm_vision_tower": name}, tmp_path)


def test_config_without_tower(tmp_path):
    with pytest.raises(CheckpointError, match="no mm_vision_tower"):
        find_tower({}, tmp_path)


def test_a_given_tower_goes_before_the_named_one(tmp_path):
    originals.write_tower(tmp_path / "mine")
    assert find_tower({"mm_vision_tower": LARGE}, tmp_path, tmp_path / "mine").config.hidden_size == 16


def test_whole_clip_gives_its_vision_half():
    keys = ["vision_model.a", "vision_model.embeddings.position_ids", "text_model.a", "logit_scale",
            "visual_projection.weight"]  # fmt: skip
    assert rename_keys(keys, CLIP_KEYS) == {"vision_model.a": f"{TOWER_PREFIX}vision_model.a"}


def test_tower_folder_without_weights(tmp_path):
    originals.write_tower(tmp_path / "tower")
    (tmp_path / "tower" / "model.safetensors").unlink()
    found = find_tower({"mm_vision_tower": "tower"}, tmp_path)
    with pytest.raises(CheckpointError, match="tower has no weight files"):
        tower_tensors({"x": torch.ones(1)}, {}, found)


def test_file_tower_gives_way_to_the_named_one(tmp_path):
    originals.write_tower(tmp_path / "tower")
    found: Tower = find_tower({"mm_vision_tower": "tower"}, tmp_path)
    key = f"{TOWER_PREFIX}vision_model.pre_layrnorm.bias"
    given = {key: torch.full((16,), 9.0), "x": torch.ones(1)}
    assert (tower_tensors(given, {}, found)[key] == 0).all()
    assert tower_tensors(given, {"unfreeze_mm_vision_tower": True}, found) == given
