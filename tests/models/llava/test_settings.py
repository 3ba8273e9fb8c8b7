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
