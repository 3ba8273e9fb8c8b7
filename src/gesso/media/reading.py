"""Text read from pictures by an OCR engine, to be told to a model beside the picture (no torch).

An engine is anything that takes an RGB picture and gives lines with confidences (`TextReader`).
`rapid_reader` is RapidOCR, the PaddleOCR models that Mini-Gemini's programs read with, on onnxruntime.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image as Pictures

from gesso.core.errors import MediaError, MissingExtraError

__all__ = ["Line", "TextReader", "rapid_reader"]

Line = tuple[str, float]
"""What a line says, and the confidence it was read with, 0 to 1."""

PACKAGE: Final = "rapidocr"


class TextReader(Protocol):
    """Reads the text of a picture."""

    def __call__(self, picture: Pictures.Image) -> Sequence[Line]:
        """Lines of an RGB picture from top to bottom, none if there is no text.

        Raises:
            MediaError: the picture cannot be read.
        """
        ...


def rapid_reader() -> TextReader:
    """RapidOCR with the models that its package brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        package = import_module(PACKAGE)
    except ImportError as error:
        raise MissingExtraError(PACKAGE, "ocr") from error
    return _Rapid(package.RapidOCR())


class _Rapid:
    def __init__(self, engine: Callable[[Any], Any]) -> None:
        self._engine = engine

    def __call__(self, picture: Pictures.Image) -> Sequence[Line]:
        # blue first, as OpenCV has it, which decoded the pictures that its models learned from
        pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
        try:
            found = self._engine(np.ascontiguousarray(pixels))
        except (RuntimeError, ValueError) as error:
            raise MediaError(
                f"{PACKAGE} cannot read the picture: {error}; read it with another engine"
            ) from error
        # None and not an empty list where there is no text
        return list(zip(found.txts or (), map(float, found.scores or ()), strict=True))
