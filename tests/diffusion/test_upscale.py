import json

import numpy as np
import pytest
import torch

from diffusion.tiny_paint import array, scene
from diffusion.tiny_upscale import upscale_pipeline, upscaler_folder
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.diffusion.denoise import PaintingCancelledError
from gesso.diffusion.memory import MemoryPlan
from gesso.diffusion.upscale import Upscaler, place_pipeline
from gesso.diffusion.upscale_settings import UpscaleSettings

QUICK = UpscaleSettings(prompt="a red boat", steps=2, guidance_scale=3.0, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return upscaler_folder(tmp_path_factory.mktemp("upscaler"))


@pytest.fixture(scope="module")
def upscaler(folder):
    return Upscaler.load(folder)


def test_a_picture_becomes_what_diffusers_makes_of_it(upscaler):
    made = upscaler.upscale(scene((24, 16)), QUICK)
    pipeline = upscale_pipeline()
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a red boat", scene((24, 16)), num_inference_steps=2, guidance_scale=3.0, noise_level=20,
        negative_prompt="", generator=torch.Generator().manual_seed(5),
    ).images[0]  # fmt: skip
    assert made.size == (96, 64)
    assert np.array_equal(array(made), array(theirs))


def test_any_size_becomes_four_times_as_large(upscaler):
    assert upscaler.upscale(scene((13, 9)), QUICK).size == (52, 36)
    wide = upscaler.upscale(scene((100, 20)), UpscaleSettings(steps=1, tile=64))
    assert wide.size == (400, 80)


def test_it_follows_prompt_seed_and_noise(upscaler):
    picture = scene((16, 16))
    one = array(upscaler.upscale(picture, QUICK))
    for other in ({"prompt": "a fish"}, {"seed": 6}, {"noise_level": 300}, {"guidance_scale": 1.0}):
        values = {"prompt": "a red boat", "steps": 2, "guidance_scale": 3.0, "seed": 5, **other}
        assert (array(upscaler.upscale(picture, UpscaleSettings(**values))) != one).any()
    assert np.array_equal(array(upscaler.upscale(picture, QUICK)), one)


def test_steps_are_told_and_may_stop(upscaler):
    told = []
    upscaler.upscale(scene((16, 16)), QUICK, lambda done, steps: told.append((done, steps)))
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(PaintingCancelledError):
        upscaler.upscale(scene((16, 16)), QUICK, lambda done, steps: True)


class Placed:
    """Notes how a pipeline is laid out."""

    def __init__(self):
        self.calls = []
        self.vae = self

    def __getattr__(self, name):
        return lambda **given: self.calls.append((name, *given.values()))

    def to(self, device):
        self.calls.append(("to", device))


def test_parts_wait_as_planned():
    for offload, call in (
        ("none", "to"), ("model", "enable_model_cpu_offload"), ("leaf", "enable_sequential_cpu_offload")
    ):  # fmt: skip
        pipeline = Placed()
        place_pipeline(pipeline, torch.device("cuda"), MemoryPlan(offload, vae_tiling=offload == "leaf"))
        assert (call, torch.device("cuda")) in pipeline.calls
        assert (("enable_tiling",) in pipeline.calls) == (offload == "leaf")


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"guidance_scale": 0.5}, {"noise_level": 351}, {"seed": -1}, {"tile": 63}]
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        UpscaleSettings(**wrong)


def test_other_models_and_memories_are_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="vram 8 came for the CPU"):
        Upscaler.load(folder, vram=8)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(UnsupportedError, match="is a StableDiffusionPipeline, and upscaling wants"):
        Upscaler.load(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionUpscalePipeline"}))
    with pytest.raises(CheckpointError):
        Upscaler.load(tmp_path)
