import pytest
import torch

import tiny
from gesso.core.errors import UnknownNameError, UsageError
from gesso.engines.options import LoadOptions
from gesso.engines.pool import Pool, load_engine


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


def test_a_pool_has_room_for_a_model() -> None:
    with pytest.raises(UsageError, match="limit is 0"):
        Pool(limit=0)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="mini-llava"):
        Pool().get("mini-llavva")
