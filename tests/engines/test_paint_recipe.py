"""PNGs that carry their recipe: whole or none, and refused when anything in them is not as it was written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from diffusion.tiny_paint import SIZE, scene
from engines.painting import CANVAS, recipe
from gesso.core.errors import CanvasError, GessoError, MediaError, UnsupportedError, UsageError
from gesso.engines.paint_recipe import Painting, canvas_in, open_painting, pixel_digest

PAINTING = Painting.of(scene(), recipe(wish="a fish \udcff 鱼", planner="mini-omost"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return PAINTING.save(tmp_path / "deep" / "er" / "a.png")


def png(path: Path, written: str, image: Pictures.Image | None = None) -> Path:
    """A PNG that carries this text in place of a recipe."""
    notes = PngInfo()
    notes.add_itxt("gesso", written)
    (image or scene()).save(path, pnginfo=notes)
    return path


def written(**changes: Any) -> str:
    return json.dumps({**PAINTING.recipe.to_dict(), **changes})


def test_a_picture_comes_back_with_its_recipe(saved: Path) -> None:
    for found in (open_painting(saved), Painting.open(str(saved))):
        assert found.recipe == PAINTING.recipe
        assert pixel_digest(found.image) == PAINTING.recipe.pixels
    assert canvas_in(saved) == CANVAS


def test_the_digest_changes_with_any_pixel_and_the_size() -> None:
    other = scene()
    other.putpixel((3, 4), (0, 0, 1))
    turned = Pictures.frombytes("RGB", SIZE[::-1], scene().tobytes())
    assert len({pixel_digest(picture) for picture in (scene(), other, turned)}) == 3


def test_only_png_keeps_every_pixel(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.jpg does not end in \.png"):
        PAINTING.save(tmp_path / "a.jpg")
    assert PAINTING.save(str(tmp_path / "a.PNG")).is_file()


def test_an_interrupt_leaves_the_old_picture_and_no_half_one(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def half(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        PAINTING.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("name", ["plain.png", "plain.jpg"])
def test_other_pictures_are_told_apart(tmp_path: Path, name: str) -> None:
    scene().save(tmp_path / name)
    with pytest.raises(UsageError, match="carries no recipe, so it was not painted by gesso"):
        open_painting(tmp_path / name)


def test_a_picture_that_another_program_changed_is_refused(saved: Path) -> None:
    edited = scene()
    edited.putpixel((0, 0), (1, 2, 3))
    png(saved, written(), edited)
    with pytest.raises(UsageError, match="another program has changed them"):
        open_painting(saved)
    png(saved, written(), scene().resize((24, 16)))
    with pytest.raises(UsageError, match="another program has changed them"):
        open_painting(saved)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("", MediaError, "is damaged"),
        ("{", MediaError, "is damaged"),
        ("\x00\ud7ff", MediaError, "is damaged"),
        ("[" * 100_000, MediaError, "is damaged"),
        ('{"form":' * 5_000 + "1" + "}" * 5_000, MediaError, "is damaged"),
        ("1" * 5000, MediaError, "is damaged"),
        ("NaN", MediaError, "NaN is no number of JSON"),
        ("7", UnsupportedError, "a recipe of form 7 came"),
        (written(form=2), UnsupportedError, "a recipe of form 2 came; this version of gesso reads form 1"),
        (written(wishes=1), UsageError, "did you mean wish"),
        (written(canvas={"regions": []}), CanvasError, "lacks the key 'background'"),
        (written(wish="x" * 2_000_000, style="tagz" * 500_000), UsageError, "unknown prompt style"),
    ],
)
def test_damaged_and_foreign_recipes_are_refused(
    tmp_path: Path, text: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        open_painting(png(tmp_path / "a.png", text))


@given(cut=st.integers(0, 3000), value=st.integers(0, 255), kept=st.booleans())
def test_damaged_files_are_refused_or_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, cut: int, value: int, kept: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    data = PAINTING.save(path).read_bytes()
    path.write_bytes(data[:cut] + (bytes([value]) + data[cut + 1 :] if kept else b""))
    try:
        found = open_painting(path)
    except GessoError:
        return
    assert pixel_digest(found.image) == PAINTING.recipe.pixels


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"cannot be opened: .*nowhere\.png"):
        open_painting(tmp_path / "nowhere.png")
