import pytest

from gesso.core.errors import CheckpointError
from gesso.models.megrez.settings import MegrezSettings


def test_settings_come_back_from_their_dictionary() -> None:
    settings = MegrezSettings(max_slice_nums=4, long_audio="cut", clips_together=True)
    assert MegrezSettings.from_dict(settings.to_dict()) == settings


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(CheckpointError, match="unknown Megrez settings ears"):
        MegrezSettings.from_dict({"ears": 2})


@pytest.mark.parametrize(
    "values", [{"patch_size": 0}, {"max_slice_nums": 1.5}, {"max_length": None}, {"long_audio": "keep"}]
)
def test_values_no_model_can_have_are_refused(values) -> None:
    with pytest.raises(CheckpointError, match=next(iter(values))):
        MegrezSettings(**values)
