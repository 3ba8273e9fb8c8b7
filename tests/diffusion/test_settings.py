"""Settings are checked when they are made."""

import pytest

from gesso.core.errors import UnknownNameError, UsageError
from gesso.diffusion.settings import Hires, PaintSettings


def test_defaults_are_omosts():
    settings = PaintSettings()
    assert (settings.size, settings.steps, settings.guidance_scale) == ((896, 1152), 25, 5.0)
    assert (settings.seed, settings.batch, settings.guidance) == (12345, 1, "attention-scores")


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", (0, 64)), ("steps", 0), ("guidance_scale", 0.5), ("seed", -1), ("strength", 0),
     ("strength", 1.5), ("batch", 0)],
)  # fmt: skip
def test_values_outside_their_range_are_named(name, value):
    with pytest.raises(UsageError, match=rf"^{name} is .*; it must be "):
        PaintSettings(**{name: value})


@pytest.mark.parametrize(("name", "noun"), [("guidance", "region guidance"), ("sampler", "sampler")])
def test_unknown_names_are_refused_at_once(name, noun):
    with pytest.raises(UnknownNameError, match=f"unknown {noun} 'xyz'"):
        PaintSettings(**{name: "xyz"})


@pytest.mark.parametrize(
    ("scale", "size", "larger"),
    [(1.5, (128, 64), (192, 128)), (1.25, (896, 1152), (1152, 1408)), (2.0, (896, 1152), (1792, 2304)),
     (1.5, (32, 32), (64, 64))],
)  # fmt: skip
def test_larger_sizes_are_multiples_of_64(scale, size, larger):
    assert Hires(scale=scale).size(size) == larger


@pytest.mark.parametrize(("name", "value"), [("scale", 1.0), ("scale", 5), ("steps", 0), ("strength", 0)])
def test_hires_ranges(name, value):
    with pytest.raises(UsageError, match=f"^hires {name} is"):
        Hires(**{name: value})
