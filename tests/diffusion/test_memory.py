"""Memory plans, and parts that come to their device only while they are used."""

import threading

import pytest
import torch

from diffusion.tiny_paint import PROMPTS, array, painter, sdxl, settings
from gesso.core.errors import UsageError
from gesso.diffusion.memory import MemoryPlan, Residence, measure_peak, plan_memory
from gesso.diffusion.pipeline import Painter

SDXL = {
    "unet": 2_567_463_684,
    "vae": 83_653_863,
    "text_encoder_1": 123_060_480,
    "text_encoder_2": 694_659_840,
}
SD15 = {"unet": 859_520_964, "vae": 83_653_863, "text_encoder_1": 123_060_480}


@pytest.mark.parametrize(
    ("parameters", "vram", "offload", "tiling"),
    [
        (SDXL, 4, "leaf", True), (SDXL, 6, "leaf", True), (SDXL, 8, "model", True), (SDXL, 12, "none", False),
        (SD15, 4, "model", True), (SD15, 6, "none", True), (SD15, 8, "none", True), (SD15, 12, "none", False),
    ],
)  # fmt: skip
def test_plans_follow_from_weights_and_memory(parameters, vram, offload, tiling):
    plan = plan_memory("cuda", parameters, vram)
    assert (plan.offload, plan.vae_tiling) == (offload, tiling)
    assert plan.precision == (torch.float16, torch.bfloat16)


def test_without_a_limit_everything_stays():
    assert plan_memory("cuda", SDXL) == MemoryPlan(precision=(torch.float16, torch.bfloat16))
    assert plan_memory("cpu", SDXL) == MemoryPlan()


@pytest.mark.parametrize(("device", "vram", "message"), [
    ("cuda", 7, "vram is 7; it must be one of 4, 6, 8, 12"), ("cpu", 8, "which has none")])  # fmt: skip
def test_other_memories_are_refused(device, vram, message):
    with pytest.raises(UsageError, match=message):
        plan_memory(device, SDXL, vram)


@pytest.mark.parametrize("offload", ["model", "leaf"])
def test_offloaded_parts_paint_the_same_picture(offload):
    there = Painter(sdxl(), plan=MemoryPlan(offload, vae_tiling=False))
    assert (
        array(there.paint(PROMPTS, settings())[0]) == array(painter().paint(PROMPTS, settings())[0])
    ).all()


def test_tiled_decoding_paints_nearly_the_same_picture():
    tiled = Painter(sdxl(), plan=MemoryPlan(vae_tiling=True))
    assert tiled.model.vae.use_tiling
    difference = array(tiled.paint(PROMPTS, settings())[0]) - array(painter().paint(PROMPTS, settings())[0])
    assert abs(difference).mean() < 20


@pytest.mark.parametrize(
    ("offload", "layered", "moves"),
    [
        ("none", False, []),
        ("model", False, ["meta", "cpu"]),
        ("leaf", False, ["meta", "cpu"]),
        ("leaf", True, []),
    ],
)
def test_parts_are_on_the_device_while_they_are_used(offload, layered, moves):
    part = torch.nn.Linear(2, 2)
    moved = []
    part.to = lambda device: moved.append(str(device))
    with Residence(MemoryPlan(offload), "meta").using(part, layered=layered):
        assert moved == moves[:1]
    assert moved == moves


def test_parts_leave_also_after_an_error():
    part = torch.nn.Linear(2, 2)
    moved = []
    part.to = lambda device: moved.append(str(device))
    with pytest.raises(ZeroDivisionError), Residence(MemoryPlan("model"), "meta").using(part):
        1 / 0  # noqa: B018
    assert moved == ["meta", "cpu"]


@pytest.mark.parametrize(("offload", "together"), [("none", True), ("model", False)])
def test_pictures_wait_for_their_turn_where_parts_come_and_go(offload, together):
    residence = Residence(MemoryPlan(offload), "cpu")
    inside = threading.Event()

    def enter():
        with residence.turn():
            inside.set()

    with residence.turn():
        thread = threading.Thread(target=enter)
        thread.start()
        assert inside.wait(timeout=0.3 if not together else 5) is together
    thread.join()
    assert inside.is_set()


def test_the_peak_is_reported():
    with measure_peak("cpu") as peak:
        pass
    assert 0.01 < peak.gigabytes < 1000
