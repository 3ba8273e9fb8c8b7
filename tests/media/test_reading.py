import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from gesso.core.errors import MediaError, MissingExtraError
from gesso.media.reading import rapid_reader


def stub(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[np.ndarray]:
    """A rapidocr that finds this in every picture; gives what it was shown."""
    shown: list[np.ndarray] = []

    def engine(pixels: np.ndarray) -> Any:
        shown.append(pixels)
        if isinstance(result, Exception):
            raise result
        return result

    package = ModuleType("rapidocr")
    package.RapidOCR = lambda: engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", package)
    return shown


def test_lines_come_with_their_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = stub(monkeypatch, SimpleNamespace(txts=("EXIT", "7"), scores=(0.9, 0.2)))
    assert rapid_reader()(Pictures.new("RGB", (3, 2), (255, 10, 0))) == [("EXIT", 0.9), ("7", 0.2)]
    # blue first
    assert shown[0].shape == (2, 3, 3)
    assert shown[0][0, 0].tolist() == [0, 10, 255]


def test_a_picture_without_text_has_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, SimpleNamespace(txts=None, scores=None))
    assert rapid_reader()(Pictures.new("L", (3, 2))) == []


def test_what_the_engine_cannot_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, RuntimeError("bad shape"))
    with pytest.raises(MediaError, match="rapidocr cannot read the picture: bad shape"):
        rapid_reader()(Pictures.new("RGB", (3, 2)))


def test_a_missing_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingExtraError, match=r"gesso\[ocr\]"):
        rapid_reader()
