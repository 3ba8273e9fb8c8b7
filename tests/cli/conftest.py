from pathlib import Path

import pytest
from PIL import Image

import tiny
from cli.run import Gesso


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny LLaVA."""
    return str(tiny.llava_folder(tmp_path_factory.mktemp("llava")))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A picture file."""
    path: Path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.effect_noise((40, 30), 80).convert("RGB").save(path)
    return str(path)


@pytest.fixture
def gesso(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gesso:
    """The command line."""
    return Gesso(monkeypatch, capsys)
