"""Settings of every family come back from a saved config; unknown ones are refused by the family's name."""

import json

import pytest

from gesso.core.errors import CheckpointError
from gesso.models.llava.settings import LlavaSettings
from gesso.models.megrez.settings import MegrezSettings
from gesso.models.mgm.settings import MgmSettings
from gesso.models.settings import FamilySettings, PictureSettings

TILED = LlavaSettings(image_aspect_ratio="anyres", image_grid_pinpoints=((336, 672), (672, 336)))


@pytest.mark.parametrize(
    "settings", [TILED, MgmSettings(image_grid=2, image_size_aux=1536), MegrezSettings(slice_mode=False)]
)
def test_settings_come_back_from_json(settings: FamilySettings) -> None:
    assert type(settings).from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("family", "name"), [(LlavaSettings, "LLaVA"), (MgmSettings, "MGM"), (MegrezSettings, "Megrez")]
)
def test_a_name_that_is_no_setting_is_refused(family: type[FamilySettings], name: str) -> None:
    with pytest.raises(CheckpointError, match=f"unknown {name} settings depth, width; a newer gesso"):
        family.from_dict({"width": 1, "depth": 2, "max_length": 99})


def test_a_grid_is_whole_patches() -> None:
    assert PictureSettings(image_size=60, patch_size=14).grid_side == 4
