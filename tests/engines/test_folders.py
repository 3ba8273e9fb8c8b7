import json
from pathlib import Path

import pytest

from gesso.core.errors import CheckpointError, UnknownNameError, UnsupportedError
from gesso.engines.folders import adapter_base, folder_of


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_of(str(tmp_path)) == tmp_path
    assert folder_of("mine") == Path("mine")


def test_a_name_that_is_nothing_lists_near_models() -> None:
    with pytest.raises(UnknownNameError, match=r"llava-v1\.5-7b"):
        folder_of("llava-v1.5-7")


@pytest.mark.parametrize("name", ["./nowhere/at-all", "nobody/no-such-model", "llava-v1.5-7b"])
def test_what_cannot_be_reached_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="download"):
        folder_of(name)


def test_a_model_of_a_later_version_is_refused_before_it_is_fetched() -> None:
    with pytest.raises(UnsupportedError, match="llava-7b-delta-v0"):
        folder_of("llava-7b-delta-v0")


def test_an_adapter_names_its_base(tmp_path: Path) -> None:
    assert adapter_base(tmp_path) is None
    text = json.dumps({"base_model_name_or_path": "lmsys/vicuna-7b-v1.5"})
    (tmp_path / "adapter_config.json").write_text(text)
    assert adapter_base(tmp_path) == "lmsys/vicuna-7b-v1.5"
