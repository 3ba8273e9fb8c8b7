"""Tiny made-up data sets in the official formats of benchmarks, and a model that knows their answers."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

from gesso.core.messages import Message
from gesso.core.results import Answer, Usage


class Knows:
    """Answers by the text that it is asked, and remembers all conversations."""

    def __init__(self, script: Callable[[str], str] | str, name: str = "knows") -> None:
        self.name = name
        self.asked: list[Message] = []
        self.sampling: dict[str, Any] = {}
        self._script = script

    def batch(self, conversations: list[list[Message]], **sampling: Any) -> list[Answer]:
        self.sampling = sampling or self.sampling
        return [self._answer(messages) for messages in conversations]

    def _answer(self, messages: list[Message]) -> Answer:
        (message,) = messages
        self.asked.append(message)
        said = self._script if isinstance(self._script, str) else self._script(message.text)
        return Answer(said, "stop", Usage(1, 1))


def picture(path: Path, colour: str = "red") -> Path:
    """A picture file of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pictures.new("RGB", (8, 6), colour).save(path)
    return path


def png(colour: str = "red") -> bytes:
    """The content of a picture file."""
    file = BytesIO()
    Pictures.effect_noise((12, 9), 40).save(file, "PNG") if colour == "noise" else Pictures.new(
        "RGB", (8, 6), colour
    ).save(file, "PNG")
    return file.getvalue()


def base64_png(colour: str = "noise") -> str:
    """A picture file as tables hold it."""
    return b64encode(png(colour)).decode()


def write_json(path: Path, value: Any) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file with a JSON object on each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A table with tabs and a header, as pandas writes it."""
    columns = list(rows[0])
    lines = ["\t".join(columns), *("\t".join(str(row.get(c, "")) for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
