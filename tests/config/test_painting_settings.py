import pytest

from gesso.config.schema import AutoencoderSettings, DiffusionSettings
from gesso.core.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regions": 1.1}, r"diffusion\.regions is 1\.1; it must be in \[0, 1\]"),
        ({"dropout": -0.1}, r"diffusion\.dropout is -0\.1; it must be in \[0, 1\]"),
        ({"snr_gamma": -1.0}, r"diffusion\.snr_gamma is -1\.0; it must be at least 0"),
        ({"snr_gamma": float("nan")}, r"diffusion\.snr_gamma is nan; it must be at least 0"),
        ({"average": 1.0}, r"diffusion\.average is 1\.0; it must be in \[0, 1\)"),
        ({"things": -1.0}, r"diffusion\.things is -1\.0; it must be at least 0"),
        ({"window": 3}, r"diffusion\.window is 3; it must be at least 4"),
    ],
)
def test_diffusion_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiffusionSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 0}, r"autoencoder\.crop is 0; it must be at least 1"),
        ({"edges": -1.0}, r"autoencoder\.edges is -1\.0; it must be at least 0"),
        ({"kl": -1.0}, r"autoencoder\.kl is -1\.0; it must be at least 0"),
    ],
)
def test_autoencoder_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AutoencoderSettings(**settings)
