import gzip
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from gesso.core.errors import CheckpointError, UnknownNameError, UnsupportedError
from gesso.core.registry import import_target
from gesso.engines import catalog
from gesso.engines.catalog import count_parameters, find, known, mini_folder, model_rows
from gesso.models.shared import borrow

MANIFESTS = Path(__file__).parents[1] / "manifests"
TOWER = "clip-vit-large-patch14-336.vision"


def _parameters(manifest: str) -> int:
    with gzip.open(MANIFESTS / f"{manifest}.json.gz") as file:
        count: int = json.load(file)["info"]["num_parameters"]
    return count


def test_all_five_systems_and_the_minis_are_there_once_each() -> None:
    rows = model_rows()
    assert {row.system for row in rows} == {"gesso", "llava", "mgm", "megrez", "omost", "moma"}
    assert len({row.name for row in rows}) == len(rows) >= 45
    assert [row.name for row in rows if row.mini] == [row.name for row in rows if row.system == "gesso"]


@pytest.mark.parametrize("row", model_rows(), ids=lambda row: row.name)
def test_every_row_is_complete(row) -> None:
    assert row.name == row.name.lower()
    assert row.licence
    assert row.about
    assert set(row.takes) <= {"text", "image", "audio"}
    assert "text" in row.takes
    assert row.gives in ("text", "canvas", "image", "score")
    assert row.mini or row.repository.count("/") == 1
    assert row.mini or row.parameters > 10**9
    assert not row.runnable or callable(import_target(row.builder))


def test_planners_and_painters_have_builders_of_their_own() -> None:
    builders = {row.name: row.builder for row in model_rows() if row.system in ("gesso", "omost")}
    assert builders["mini-omost"] == "gesso.engines.plan_build:build_planner"
    assert builders["omost-llama-3-8b"] == "gesso.engines.plan_build:build_omost"
    painters = [row.name for row in model_rows() if row.builder == "gesso.engines.paint_build:build_painter"]
    assert painters == ["mini-sdxl", "mini-sd", "realvisxl_v4.0"]
    builder = "gesso.engines.personalize_build:build_personalizer"
    assert [row.name for row in model_rows() if row.builder == builder] == ["mini-moma", "moma_llava_7b"]
    assert {find(name).gives for name in painters} == {"image"}


def test_this_version_runs_minis_llava_mgm_megrez_moma_and_the_planners_of_omost() -> None:
    runnable = {row.name for row in model_rows() if row.runnable}
    assert {"mini-clip", "mini-lm", "mini-llava", "llava-v1.5-7b-lora", "llava-v1.6-34b"} <= runnable
    assert {row.name for row in model_rows() if row.system == "omost" and row.gives == "canvas"} <= runnable
    assert {row.system for row in model_rows() if row.runnable} == {
        "gesso",
        "llava",
        "megrez",
        "mgm",
        "moma",
        "omost",
    }


@pytest.mark.parametrize("name", ["llava-v1.6-vicuna-7b", "llava-v1.6-mistral-7b", "llava-v1.6-34b"])
def test_parameters_of_files_with_their_tower_are_the_manifests(name: str) -> None:
    assert find(name).parameters == _parameters(name)


@pytest.mark.parametrize("name", ["llava-v1.5-7b", "llava-v1.5-13b"])
def test_parameters_of_files_without_tower_count_the_tower_too(name: str) -> None:
    assert find(name).parameters == _parameters(name) + _parameters(TOWER)


def test_parameters_of_a_folder_are_the_models(tmp_path: Path) -> None:
    assert count_parameters(tmp_path) == 0
    model = tiny.llama()
    model.save_pretrained(tmp_path)
    assert count_parameters(tmp_path) == sum(weight.numel() for weight in model.parameters())


def test_parameters_of_parts_in_folders_of_their_own_are_counted(tmp_path: Path) -> None:
    for part in ("unet", "vae"):
        tiny.llama().save_pretrained(tmp_path / part)
    assert count_parameters(tmp_path) == 2 * count_parameters(tmp_path / "unet") > 0


def test_borrowed_weights_count_as_if_they_were_in_the_folder(tmp_path: Path) -> None:
    for name in ("whole", "lent"):
        tiny.llama().save_pretrained(tmp_path / name)
    before = count_parameters(tmp_path / "lent")
    changed = load_file(tmp_path / "lent" / "model.safetensors")
    name = next(key for key, tensor in changed.items() if tensor.ndim == 2 and min(tensor.shape) >= 16)
    rows, columns = changed[name].shape
    changed[name] += torch.outer(torch.arange(rows) / rows, torch.arange(columns) / columns)
    save_file(changed, tmp_path / "lent" / "model.safetensors")
    assert borrow(tmp_path / "lent", tmp_path / "whole" / "model.safetensors") == len(changed)
    assert set(load_file(tmp_path / "lent" / "model.safetensors")) == {f"{name}.down", f"{name}.up"}
    assert count_parameters(tmp_path / "lent") == before


def test_a_mini_may_be_a_diffusers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MINIS", tmp_path)
    (tmp_path / "mini-sdxl").mkdir()
    with pytest.raises(CheckpointError, match="weights of mini-sdxl are not part"):
        mini_folder(find("mini-sdxl"))
    (tmp_path / "mini-sdxl" / "model_index.json").write_text("{}")
    assert mini_folder(find("mini-sdxl")) == tmp_path / "mini-sdxl"


def test_memory_follows_the_bits() -> None:
    row = find("llava-v1.5-7b")
    assert round(row.memory(16), 1) == 14.1
    assert row.memory(16) == 2 * row.memory(8) == 4 * row.memory(4)


def test_a_model_is_found_by_name_or_repository_in_any_case() -> None:
    assert find("LLaVA-v1.5-7B") is find("liuhaotian/llava-v1.5-7b")
    assert find("YanweiLi/MGM-7B-HD").name == "mgm-7b-hd"
    assert known("llava-hf/llava-1.5-7b-hf") is not None
    assert known("") is None


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean mini-llava"):
        find("mini-lava")


def test_a_later_model_is_refused_with_its_version() -> None:
    with pytest.raises(UnsupportedError, match=r"does not run llava-7b-delta-v0 yet, 0\.3 will"):
        find("llava-7b-delta-v0").require_runnable()


def test_a_mini_without_weights_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "MINIS", tmp_path)
    with pytest.raises(CheckpointError, match=r"weights of mini-moma are not part.*train it"):
        mini_folder(find("mini-moma"))
