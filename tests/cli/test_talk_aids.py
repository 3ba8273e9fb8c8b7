"""`gesso chat --draw` and `--ocr`."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import gesso as package
from cli.run import Gesso
from engines.painting import painter_folder
from gesso.cli.talk_aids import TalkAids
from gesso.core.messages import Image, user
from gesso.engines.illustrate import Illustrator
from gesso.engines.paint_build import load_paint_engine
from gesso.engines.paint_recipe import open_painting
from models.mgm import originals

SHORT = ("--max-new-tokens", "6")


@pytest.fixture(scope="module")
def mgm(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mgm")
    originals.chat().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def rapid(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A stub of rapidocr that reads EXIT in every picture; the pictures it was shown."""
    shown: list[object] = []
    package_ = ModuleType("rapidocr")

    def read(pixels: object) -> SimpleNamespace:
        shown.append(pixels)
        return SimpleNamespace(txts=("EXIT", "smudge"), scores=(0.9, 0.05))

    package_.RapidOCR = lambda: read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rapidocr", package_)
    return shown


def test_read_text_comes_with_every_question(
    gesso: Gesso, llava: str, picture: str, rapid: list[object]
) -> None:
    outcome = gesso("chat", llava, "--ocr", "--image", picture, *SHORT, stdin="what?\n")
    asked = user(Image(picture), "what?\nReference OCR Token: EXIT\n")
    assert outcome.out == package.load(llava).chat(asked, max_new_tokens=6).text + "\n"
    gesso("chat", llava, "--ocr", "--image", picture, *SHORT, stdin="what?\nand now?\n")
    # once for each conversation: the picture stays the same
    assert len(rapid) == 2


def test_a_mini_gemini_is_asked_for_a_picture(gesso: Gesso, mgm: str, tmp_path: Path) -> None:
    outcome = gesso(
        "chat", mgm, "--draw", "--painter", str(painter_folder()), "--pictures", str(tmp_path), *SHORT,
        stdin="a fish\n",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    expected = package.load(mgm).chat(user("a fish <GEN>"), max_new_tokens=6).text
    assert outcome.out.startswith(expected + "\n")
    assert "the answer asks for no picture" in outcome.err


def test_what_an_answer_asks_for_lies_in_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aids = TalkAids(None, Illustrator(load_paint_engine(str(painter_folder()))), tmp_path)
    for number in (1, 2):
        aids.answered("<h>a red fish</h>")
        path = tmp_path / f"drawing-{number}.png"
        assert capsys.readouterr().out == f"{path}\n"
        assert open_painting(path).recipe.canvas.background.description == "a red fish"


def test_reading_comes_before_the_request(picture: str) -> None:
    illustrator = Illustrator(load_paint_engine(str(painter_folder())))
    aids = TalkAids(lambda _: [("EXIT", 0.5)], illustrator)
    assert aids.asked("draw it", [Image(picture)]) == "draw it\nReference OCR Token: EXIT\n <GEN>"
    assert TalkAids().asked("draw it", [Image(picture)]) == "draw it"


def test_other_models_are_not_asked_for_pictures(gesso: Gesso, llava: str) -> None:
    outcome = gesso("chat", llava, "--draw", stdin="a fish\n")
    assert outcome.code == 2
    assert "--draw needs a Mini-Gemini" in outcome.err


def test_a_folder_that_is_not_there_is_told_at_once(gesso: Gesso, llava: str) -> None:
    outcome = gesso("chat", llava, "--draw", "--pictures", "nowhere", stdin="a fish\n")
    assert outcome.code == 2
    assert "--pictures nowhere is no folder" in outcome.err
