import json

import pytest

from gesso.core.errors import CheckpointError
from gesso.models.llava.settings import LlavaSettings

ANYRES = {"image_aspect_ratio": "anyres", "image_grid_pinpoints": ((336, 672), (672, 336))}


@pytest.mark.parametrize("changes", [{}, {**ANYRES, "patch_merge_type": "spatial_unpad"}])
def test_settings_survive_json(changes):
    settings = LlavaSettings(**changes)
    assert LlavaSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_of_a_newer_version_are_refused():
    with pytest.raises(CheckpointError, match="unknown LLaVA settings colour"):
        LlavaSettings.from_dict({"colour": "red"})


@pytest.mark.parametrize(
    "changes",
    [{"image_aspect_ratio": "anyres"}, {"patch_merge_type": "spatial"}, {"select_feature": "cls"}],
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(CheckpointError):
        LlavaSettings(**changes)


@pytest.mark.parametrize("canvas", [(336, 500), (0, 336), (-336, 336)])
def test_canvases_are_made_of_whole_tiles(canvas):
    with pytest.raises(CheckpointError, match=r"image_grid_pinpoints holds .*multiples of the 336 px"):
        LlavaSettings(**{**ANYRES, "image_grid_pinpoints": ((336, 672), canvas)})
    assert LlavaSettings(image_grid_pinpoints=(canvas,)).image_aspect_ratio == "pad"  # not read then


@pytest.mark.parametrize(
    ("changes", "in_tree"),
    [
        ({}, True),
        ({"projector_type": "linear"}, False),
        (ANYRES, False),
        ({**ANYRES, "patch_merge_type": "spatial_unpad"}, True),
    ],
)
def test_which_models_transformers_has(changes, in_tree):
    assert LlavaSettings(**changes).in_tree is in_tree
