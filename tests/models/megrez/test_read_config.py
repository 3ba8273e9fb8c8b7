import pytest

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.megrez.read_config import read_config, read_settings
from models.megrez.originals import CONFIG, PREPROCESSOR


def settings(config=CONFIG, **changes):
    return read_settings(config, {**PREPROCESSOR, **changes})


def test_settings_and_sizes_are_read() -> None:
    read = settings()
    assert (read.image_feature_size, read.scale_resolution, read.max_length) == (8, 56, 4096)
    config = read_config(CONFIG, read)
    assert config.text_config.num_key_value_heads == 2
    assert config.text_config.rope_parameters["rope_theta"] == 5e6
    assert config.vision_config.image_size == 280
    assert not config.vision_config.vision_use_head
    assert config.audio_config.encoder_ffn_dim == 128
    assert config.settings == read
    assert read_settings(CONFIG, {}).scale_resolution == 448


def test_the_last_vision_layer_can_be_left_out() -> None:
    whole = read_config({**CONFIG, "drop_vision_last_layer": True}, settings())
    assert whole.vision_config.num_hidden_layers == CONFIG["vision_config"]["num_hidden_layers"] - 1


@pytest.mark.parametrize(
    ("name", "value"), [("im_start", "<image>"), ("image_mean", [0.4] * 3), ("sampling_rate", 8000)]
)
def test_other_marks_and_normalisations_are_refused(name, value) -> None:
    with pytest.raises(UnsupportedError, match=f"preprocessor_config.json has {name}"):
        settings(**{name: value})


def test_counts_must_agree() -> None:
    with pytest.raises(CheckpointError, match=r"query_num 8, .* image_feature_size 64"):
        settings(image_feature_size=64)


@pytest.mark.parametrize(
    ("part", "changes", "error", "told"),
    [
        ("vision_config", None, CheckpointError, "has no vision_config"),
        ("vision_config", {"image_size": ...}, CheckpointError, "lacks image_size"),
        ("vision_config", {"patch_size": 16}, CheckpointError, "patch_size 16"),
        ("audio_config", {"avg_pool": False}, UnsupportedError, "avg_pool False; allowed: true"),
        ("audio_config", {"output_dim": 64}, CheckpointError, "output_dim 64"),
        ("audio_config", {"n_mels": ...}, CheckpointError, "lacks n_mels"),
    ],
)
def test_what_gesso_does_not_have_is_told(part, changes, error, told) -> None:
    merged = (
        None if changes is None else {k: v for k, v in {**CONFIG[part], **changes}.items() if v is not ...}
    )
    with pytest.raises(error, match=told):
        read_config({**CONFIG, part: merged}, settings())
