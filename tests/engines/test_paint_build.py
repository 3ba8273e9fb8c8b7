"""Painting models by name, folder or file: what recipes note of them, and what is refused before painting."""

import shutil
from pathlib import Path

import pytest
import torch

from diffusion.tiny_paint import same_weights, sdxl
from engines.painting import CANVAS, QUICK, lora_file, painter_folder
from gesso.core.errors import CheckpointError, UnknownNameError, UsageError
from gesso.engines import catalog, paint_build
from gesso.engines.catalog import count_parameters
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine
from gesso.engines.paint_build import PaintLoading, build_painter, load_paint_engine


@pytest.fixture(scope="module")
def engine() -> PaintEngine:
    return load_paint_engine(str(painter_folder()))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that a test may change."""
    return Path(shutil.copytree(painter_folder(), tmp_path / "model"))


def test_a_folder_is_an_engine_at_its_own_size(engine: PaintEngine) -> None:
    assert same_weights(engine.painter.model.unet, sdxl().unet)
    assert engine.defaults.size == (32, 32)
    assert (engine.info.name, engine.info.loras, engine.info.vram) == (str(painter_folder()), (), None)


def test_the_digest_follows_the_weights_and_not_the_place(engine: PaintEngine, copy: Path) -> None:
    assert load_paint_engine(str(copy)).info.weights == engine.info.weights
    # what is not loaded does not count: a second set in half precision, the same once more in one file
    unet = copy / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(unet, unet.with_name("diffusion_pytorch_model.fp16.safetensors"))
    shutil.copy(unet, copy / "whole.safetensors")
    assert load_paint_engine(str(copy)).info.weights == engine.info.weights
    shutil.copy(lora_file(copy / "x.safetensors"), copy / "unet" / "more.safetensors")
    assert load_paint_engine(str(copy)).info.weights != engine.info.weights


def test_loras_are_added_and_noted(engine: PaintEngine, tmp_path: Path) -> None:
    ink, grain = (
        lora_file(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate(("ink", "grain"))
    )
    one = load_paint_engine(str(painter_folder()), PaintLoading(lora=(f"{ink}:0.5", str(grain))))
    two = load_paint_engine(str(painter_folder()), PaintLoading(lora=(f"{ink}:0.6", str(grain))))
    assert one.info.loras == ((str(ink), 0.5), (str(grain), 1.0))
    assert len({each.info.weights for each in (engine, one, two)}) == 3
    assert not same_weights(one.painter.model.unet, engine.painter.model.unet)
    painted = one.paint(CANVAS, QUICK)[0]
    ink.rename(tmp_path / "renamed.safetensors")
    again = PaintLoading(lora=(f"{tmp_path / 'renamed.safetensors'}:0.5", str(grain)))
    assert load_paint_engine(str(painter_folder()), again).remake(painted.recipe).recipe.pixels == (
        painted.recipe.pixels
    )


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.6", "a.safetensors", 0.6),
        ("a.safetensors:-1", "a.safetensors", -1.0),
        ("a.safetensors:1e-05", "a.safetensors", 1e-5),
        ("C:\\a.safetensors", "C:\\a.safetensors", 1.0),
        ("C:\\a.safetensors:2", "C:\\a.safetensors", 2.0),
    ],
)
def test_a_lora_may_bring_its_strength(text: str, path: str, weight: float) -> None:
    (lora,) = PaintLoading(lora=(text,)).loras
    assert (str(lora.path), lora.weight) == (path, weight)


def test_a_name_that_ends_like_a_strength_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "style:2"
    path.mkdir()
    assert PaintLoading(lora=(str(path),)).loras[0].path == path


def test_endless_strengths_are_refused() -> None:
    with pytest.raises(UsageError, match=r"strength inf; write a number, such as a\.safetensors:0\.6"):
        _ = PaintLoading(lora=("a.safetensors:inf",)).loras


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("mini-sdxxl", UnknownNameError, "did you mean mini-sdxl"),
        ("nowhere.safetensors", CheckpointError, r"there is no file 'nowhere\.safetensors'"),
        ("no/such", CheckpointError, "neither a folder nor a repository"),
    ],
)
def test_what_is_not_there_is_named(name: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        load_paint_engine(name)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    lora_file(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds no painting model"):
        load_paint_engine(str(tmp_path))


def test_a_lora_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors"):
        load_paint_engine(str(painter_folder()), PaintLoading(lora=(str(tmp_path / "nowhere.safetensors"),)))


def test_memory_is_planned_for_gpus_only() -> None:
    with pytest.raises(UsageError, match="vram 8 came for the CPU"):
        load_paint_engine(str(painter_folder()), PaintLoading(device="cpu", vram=8))


def test_small_models_take_one_thread_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    load_paint_engine(str(painter_folder()), PaintLoading(device="cpu"))
    load_paint_engine(str(painter_folder()), PaintLoading(device="cpu", threads=2))
    monkeypatch.setattr(paint_build, "SMALL", 0)
    load_paint_engine(str(painter_folder()), PaintLoading(device="cpu"))
    assert taken == [1, 2]


def test_the_catalogue_s_builder_notes_names_that_others_can_load(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build_painter(copy, LoadOptions()).info.name == str(copy)
    monkeypatch.setattr(paint_build, "MINIS", copy.parent)
    assert build_painter(copy, LoadOptions()).info.name == "model"
    cached = copy.parent / "models--owner--name" / "snapshots" / "0123"
    shutil.copytree(copy, cached)
    assert build_painter(cached, LoadOptions()).info.name == "owner/name"


@pytest.mark.parametrize("options", [LoadOptions(dtype="float32"), LoadOptions(base="x")])
def test_options_that_painters_do_not_heed_are_refused(options: LoadOptions) -> None:
    with pytest.raises(UsageError, match="painting models have none to choose"):
        build_painter(painter_folder(), options)


def test_a_mini_is_loaded_by_its_name(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy.rename(copy.with_name("mini-sdxl"))
    for module in (catalog, paint_build):
        monkeypatch.setattr(module, "MINIS", copy.parent)
    assert load_paint_engine("mini-sdxl").info.name == "mini-sdxl"
    assert count_parameters(copy.with_name("mini-sdxl")) == sum(sdxl().parameters().values())
