from pathlib import Path

import pytest

from gesso.engines import machine
from gesso.engines.catalog import find
from gesso.engines.machine import Gpu, Machine, judge, missing_packages

LAPTOP = Machine(python="3.11", torch="2.13", transformers="5.23", cores=4, memory=20.0, gpus=())
STATION = Machine(
    python="3.11", torch="2.13", transformers="5.23", cores=4, memory=8.0, gpus=(Gpu("H200", 140.0),)
)

CACHED = machine._cached


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Repositories that are held to be in the cache."""
    held: list[str] = []
    monkeypatch.setattr(machine, "_cached", held.__contains__)
    return held


def test_memory_decides_with_room_to_spare() -> None:
    assert judge(find("llava-v1.5-7b"), LAPTOP).state == "fetch"
    verdict = judge(find("llava-v1.5-13b"), LAPTOP)
    assert (verdict.state, verdict.reason) == ("no", "takes about 32 GB, the memory has 20 GB")
    assert judge(find("llava-v1.6-34b"), STATION).state == "fetch"


def test_the_gpus_memory_counts_where_there_is_one() -> None:
    small = Machine(python="", torch="", transformers="", cores=4, memory=99.0, gpus=(Gpu("T4", 15.0),))
    assert judge(find("llava-v1.5-7b"), small).reason == "takes about 17 GB, the GPU has 15 GB"


def test_files_that_are_here_make_it_ready(cache: list[str]) -> None:
    row = find("llava-v1.5-7b")
    cache.append(row.repository)
    assert judge(row, LAPTOP).reason == "fetched on first use: openai/clip-vit-large-patch14-336"
    cache.extend(row.needs)
    assert judge(row, LAPTOP).state == "ready"


@pytest.mark.parametrize("name", ["config.json", "model_index.json"])
def test_a_repository_is_here_if_its_config_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(machine, "_cached", CACHED)
    monkeypatch.setattr(machine, "try_to_load_from_cache", lambda _, file: "path" if file == name else None)
    assert judge(find("realvisxl_v4.0"), LAPTOP).state == "ready"
    monkeypatch.setattr(machine, "try_to_load_from_cache", lambda _, file: object())
    assert judge(find("realvisxl_v4.0"), LAPTOP).state == "fetch"


def test_a_later_model_says_when() -> None:
    assert judge(find("llava-7b-delta-v0"), STATION).reason == "comes with gesso 0.3"


def test_a_mini_needs_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "mini_folder", lambda row: tmp_path)
    assert judge(find("mini-llava"), LAPTOP).state == "ready"


def test_inspecting_this_machine_finds_memory_and_cores() -> None:
    here = machine.inspect()
    assert here.memory > 0.5
    assert here.cores >= 1
    assert here.largest in (here.memory, *(gpu.memory for gpu in here.gpus))


def test_extras_list_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "torch>=2",
        'peft>=0.18; extra == "train"',
        'nonsense-x>=1; extra == "train"',
        'gesso[train]; extra == "dev"',
    ]
    monkeypatch.setattr(machine, "requires", lambda _: lines)
    monkeypatch.setattr(machine, "_installed", lambda name: name != "nonsense-x")
    assert missing_packages() == {"train": ["nonsense-x"], "dev": []}
