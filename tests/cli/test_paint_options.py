import os
from dataclasses import replace
from pathlib import Path

import pytest

from engines.painting import recipe
from gesso.cli.paint_options import OutOptions, PainterOptions, PictureOptions
from gesso.core.errors import UsageError
from gesso.engines import paint_build
from gesso.engines.options import LoadOptions
from gesso.engines.paint_build import PaintLoading
from gesso.engines.paint_record import MadeWith

OLD = recipe(
    painter="their-model",
    loras=(("ink.safetensors", 1e-05),),
    tokenizer="clip",
    made_with=MadeWith(device="cpu", threads=1, vram=8),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, PaintLoading]]:
    """What was to be loaded."""
    found: list[tuple[str, PaintLoading]] = []
    monkeypatch.setattr(
        paint_build, "load_paint_engine", lambda name, loading: found.append((name, loading)) or "engine"
    )
    return found


def test_options_that_were_given_are_settings() -> None:
    assert PictureOptions().given == {}
    given = PictureOptions(size="64x32", hires=1.5, strength=0.5, style="pony").given
    assert given == {"size": (64, 32), "hires": {"scale": 1.5}, "strength": 0.5}


@pytest.mark.parametrize(
    "text", ["", "64", "64x", "64*32", "-64x32", "64x32x3", "1e3x5", "９６x32", "999999x1"]
)
def test_a_size_is_two_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="give width and height in pixels, as 896x1152"):
        _ = PictureOptions(size=text).given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1001}, "1 to 1000"),
        ({"style": "poni"}, "did you mean pony"),
        ({"guidance": "gradiant"}, "did you mean gradient"),
        ({"hires": 9.0}, "hires scale is 9"),
    ],
)
def test_what_no_model_could_paint_is_refused_before_any_is_loaded(given: dict, told: str) -> None:
    PictureOptions(steps=3).check()
    with pytest.raises(UsageError, match=told):
        PictureOptions(**given).check()


def test_files_are_checked_and_numbered(tmp_path: Path) -> None:
    to = OutOptions(out=tmp_path / "new" / "a.png")
    to.check()
    assert to.out.parent.is_dir()
    assert to.file(0, 1) == to.out
    assert [to.file(number, 2).name for number in (0, 1)] == ["a-1.png", "a-2.png"]


def test_without_a_picture_the_options_alone_count(asked: list) -> None:
    PainterOptions(lora=["a:2"], vram=4, tokenizer=Path("v")).load(LoadOptions(device="cpu", threads=3))
    assert asked == [
        ("mini-sdxl", PaintLoading(device="cpu", vram=4, lora=("a:2",), tokenizer="v", threads=3))
    ]


def test_what_was_not_given_is_the_picture_s(asked: list) -> None:
    PainterOptions().load(LoadOptions(), OLD)
    name, loading = asked[0]
    assert name == "their-model"
    assert loading == PaintLoading(device="cpu", lora=("ink.safetensors:1e-05",), tokenizer="clip", threads=1)
    assert (str(loading.loras[0].path), loading.loras[0].weight) == OLD.loras[0]


def test_given_options_go_before_the_picture_s(asked: list) -> None:
    PainterOptions(lora=["b"]).load(LoadOptions(threads=2), OLD)
    assert (asked[0][1].lora, asked[0][1].threads, asked[0][1].tokenizer) == (("b",), 2, "clip")


def test_another_model_does_not_take_the_picture_s_loras(asked: list) -> None:
    PainterOptions(painter="ours").load(LoadOptions(), OLD)
    assert asked == [("ours", PaintLoading(device="cpu", threads=1))]


@pytest.mark.parametrize("threads", [-1, 0, 10**6])
def test_threads_that_this_machine_does_not_have_are_not_taken(asked: list, threads: int) -> None:
    assert (os.cpu_count() or 1) < 10**6
    PainterOptions().load(LoadOptions(), replace(OLD, made_with=MadeWith(threads=threads)))
    assert asked[0][1].threads is None


def test_names_are_shown_as_they_are(asked: list) -> None:
    PainterOptions(painter="[/red]").load(LoadOptions())
    assert asked[0][0] == "[/red]"
