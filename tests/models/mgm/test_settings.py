import pytest

from gesso.core.errors import CheckpointError
from gesso.models.mgm.settings import MgmSettings


def test_sizes_of_the_published_models():
    plain = MgmSettings()
    high = MgmSettings(image_size_aux=1536, image_grid=2, image_global=True)
    assert plain.grid_side == 24
    assert (plain.view_count(768), high.view_count(1536), high.view_count(768)) == (1, 5, 1)
    assert (plain.overview_size, high.overview_size) == (336, 768)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_aspect_ratio": "anyres"}, "allowed: square, pad"),
        ({"image_grid": 0}, "allowed: 1 or more"),
        ({"image_global": True}, "image_grid is 1"),
        ({"image_size_aux": 800}, "multiple of 96"),
        ({"image_size_aux": 96, "image_grid": 2}, "multiple of 192"),
    ],
)
def test_values_no_model_can_have_are_refused(changes, message):
    with pytest.raises(CheckpointError, match=message):
        MgmSettings(**changes)


def test_settings_survive_json_and_unknown_ones_are_refused():
    settings = MgmSettings(image_size_aux=1536, image_grid=2, template="gemma")
    assert MgmSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(CheckpointError, match="unknown MGM settings depth"):
        MgmSettings.from_dict({"depth": 3})
