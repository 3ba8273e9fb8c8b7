import pytest

from gesso.core.errors import UnsupportedError
from gesso.models.checkpoints import rename_keys
from gesso.models.towers import clip_keys, read_tower_config, square_side


def test_a_whole_clip_gives_its_vision_half() -> None:
    keys = ["vision_model.a", "vision_model.embeddings.position_ids", "text_model.a", "logit_scale"]
    assert rename_keys(keys, clip_keys("here.")) == {"vision_model.a": "here.vision_model.a"}


def test_towers_are_read_alone_or_as_half_of_a_clip() -> None:
    alone = read_tower_config({"model_type": "clip_vision_model", "image_size": 28})
    half = read_tower_config({"model_type": "clip", "vision_config": {"image_size": 28}})
    assert alone.image_size == half.image_size == 28
    with pytest.raises(UnsupportedError, match="allowed: clip"):
        read_tower_config({"model_type": "siglip_vision_model"})


def test_only_square_pictures_have_a_side() -> None:
    assert square_side(28) == square_side([28, 28]) == 28
    with pytest.raises(UnsupportedError, match="only square"):
        square_side((28, 56))
