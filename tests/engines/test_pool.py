from pathlib import Path

import pytest
import torch

import tiny
from engines.painting import lora_file, painter_folder
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.engines import paint_build
from gesso.engines.options import LoadOptions
from gesso.engines.paint import PaintEngine
from gesso.engines.pool import Pool, load_engine
from test_architecture import loaded_by


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(tiny.llama_folder(tmp_path_factory.mktemp(f"model{i}"))) for i in range(3)]


def test_the_same_model_is_loaded_once_and_the_longest_unused_makes_room(folders: list[str]) -> None:
    pool = Pool(limit=2)
    first = pool.get(folders[0])
    pool.get(folders[1])
    assert pool.get(folders[0]) is first
    pool.get(folders[2])
    assert pool.names == (folders[0], folders[2])
    assert pool.get(folders[0]) is first


def test_other_options_are_another_model(folders: list[str]) -> None:
    pool = Pool()
    assert pool.get(folders[0]) is not pool.get(folders[0], LoadOptions(dtype="bfloat16"))


def test_small_models_take_one_thread_unless_told_otherwise(folders: list[str]) -> None:
    before = torch.get_num_threads()
    try:
        load_engine(folders[0], LoadOptions(threads=2))
        assert torch.get_num_threads() == 2
        load_engine(folders[0], LoadOptions(device="cpu"))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_painters_are_loaded_from_folders_and_see_to_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(paint_build, "SMALL", 0)
    engine = load_engine(str(painter_folder()), LoadOptions(device="cpu"))
    assert isinstance(engine, PaintEngine)
    assert taken == []
    load_engine(str(painter_folder()), LoadOptions(device="cpu", threads=2))
    assert set(taken) == {2}


def test_single_files_are_painters(tmp_path: Path) -> None:
    file = lora_file(tmp_path / "model.safetensors")
    with pytest.raises(UnsupportedError, match=r"is no single-file model .*: it is a LoRA"):
        load_engine(str(file), LoadOptions(device="cpu"))


def test_the_other_models_need_no_diffusers() -> None:
    assert "diffusers" not in loaded_by("import gesso.api, gesso.engines.pool")


def test_a_pool_has_room_for_a_model() -> None:
    with pytest.raises(UsageError, match="limit is 0"):
        Pool(limit=0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="mini-llava"):
        Pool().get("mini-llavva")
