"""`gesso paint` and `gesso repaint`, with a tiny SDXL in a folder."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from cli.planners import put_planner
from cli.run import Gesso, Outcome
from cli.test_main import PROBE
from diffusion.tiny_paint import SIZE, scene
from engines.painting import CANVAS, lora_file, outside, painter_folder
from engines.planning import canvas, program
from gesso.diffusion.load import load_painter
from gesso.diffusion.pipeline import Painter
from gesso.diffusion.settings import NEGATIVE_PROMPT
from gesso.engines import catalog, paint_build
from gesso.engines.paint_recipe import Painting, PaintRecipe, open_painting, pixel_digest

BOAT = CANVAS.regions[1].box
LOADED: dict[Any, Painter] = {}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a canvas; models are loaded once for all tests."""

    def load(path: Path, *, loras: Any = (), **more: Any) -> Painter:
        if (path, loras) not in LOADED:
            LOADED[path, loras] = load_painter(path, loras=loras, **more)
        return LOADED[path, loras]

    monkeypatch.setattr(paint_build, "load_painter", load)
    monkeypatch.chdir(tmp_path)
    Path("sea.py").write_text(CANVAS.to_source(), "utf-8")
    return tmp_path


@pytest.fixture
def picture(gesso: Gesso) -> str:
    """The name of a painted picture."""
    assert paint(gesso, "sea.py", "--out", "first.png").code == 0
    return "first.png"


def paint(gesso: Gesso, *arguments: str) -> Outcome:
    """Paint with the tiny model at its size, in two steps."""
    quick = ("--painter", str(painter_folder()), "--size", "48x32", "--steps", "2")
    return gesso("paint", *arguments, *quick)


def recipe(name: str) -> PaintRecipe:
    return open_painting(name).recipe


def pixels(name: str) -> np.ndarray:
    with Pictures.open(name) as file:
        return np.asarray(file)


def test_a_canvas_becomes_a_picture_with_its_recipe(gesso: Gesso) -> None:
    outcome = paint(gesso, "sea.py", "--seed", "3", "--out", "new/sea.png")
    assert (outcome.code, outcome.out) == (0, f"{Path('new/sea.png')}\n")
    assert "GB of memory were in use" in outcome.err
    found = recipe("new/sea.png")
    assert (found.canvas, found.settings.seed, found.size) == (CANVAS, 3, SIZE)
    assert (found.painter, found.wish, found.planner) == (str(painter_folder()), "", "")


def test_a_canvas_may_come_from_a_pipe(gesso: Gesso) -> None:
    quick = ("--painter", str(painter_folder()), "--size", "32x32", "--steps", "1")
    assert gesso("paint", "-", *quick, stdin=CANVAS.to_source()).code == 0
    assert recipe("painting.png").canvas == CANVAS


def test_a_wish_is_planned_and_then_painted(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    put_planner(monkeypatch, "gesso.cli.plan", program("red fish", "blue boat"))
    outcome = paint(gesso, "a fish and a boat")
    assert outcome.code == 0
    assert "a red fish: on the left" in outcome.err
    found = recipe("painting.png")
    assert (found.canvas, found.wish, found.planner) == (CANVAS, "a fish and a boat", "mini-omost")


def test_a_picture_is_painted_again_bit_for_bit(gesso: Gesso, picture: str) -> None:
    outcome = gesso("paint", picture, "--out", "again.png")
    assert outcome.code == 0
    assert "the same picture, bit for bit" in outcome.err
    assert np.array_equal(pixels("again.png"), pixels(picture))
    assert recipe("again.png") == recipe(picture)


def test_where_pixels_differ_it_says_why(gesso: Gesso, picture: str) -> None:
    found = recipe(picture)
    older = replace(found, made_with=replace(found.made_with, torch="1.0"))
    Painting.of(scene(), older).save("older.png")
    outcome = gesso("paint", "older.png", "--out", "again.png")
    assert outcome.code == 0
    assert "of other pixels; what is different now: torch" in outcome.err
    assert np.array_equal(pixels("again.png"), pixels(picture))


def test_options_paint_the_same_canvas_in_another_way(gesso: Gesso, picture: str) -> None:
    assert gesso("paint", picture, "--seed", "8", "--out", "other.png").code == 0
    old, new = recipe(picture), recipe("other.png")
    assert new.settings == replace(old.settings, seed=8)
    assert (new.canvas, new.painter) == (old.canvas, old.painter)
    assert new.pixels != old.pixels


def test_a_batch_is_numbered_and_each_of_it_known(gesso: Gesso) -> None:
    outcome = paint(gesso, "sea.py", "--batch", "2", "--seed", "5", "--out", "a.png")
    assert outcome.out.split() == ["a-1.png", "a-2.png"]
    assert not Path("a.png").exists()
    assert "bit for bit" in gesso("paint", "a-2.png").err
    assert gesso("paint", "a-2.png", "--steps", "1", "--out", "b.png").code == 0
    assert (recipe("b.png").settings.seed, recipe("b.png").settings.batch) == (6, 1)
    assert gesso("repaint", "a-2.png", "--region", "2", "--out", "c.png").code == 0
    assert recipe("c.png").settings.seed == 7


def test_a_region_is_painted_anew_and_the_rest_stays(gesso: Gesso, picture: str) -> None:
    outcome = gesso("repaint", picture, "--region", "2", "--feather", "2", "--out", "new.png")
    assert (outcome.code, outcome.out) == (0, "new.png\n")
    old, new = open_painting(picture).image, open_painting("new.png").image
    assert np.array_equal(outside(new, BOAT), outside(old, BOAT))
    assert not np.array_equal(np.asarray(new), np.asarray(old))
    assert recipe("new.png").before == recipe(picture)
    assert "bit for bit" in gesso("paint", "new.png", "--out", "again.png").err


def test_a_wish_changes_what_it_names(gesso: Gesso, picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = put_planner(monkeypatch, "gesso.cli.plan", program("red fish", "green boat"))
    assert gesso("repaint", picture, "--wish", "make the boat green", "--out", "new.png").code == 0
    assert writer.asked[0][-1].text == "make the boat green"
    assert "blue boat" in writer.asked[0][-2].text
    found = recipe("new.png")
    assert (found.canvas, found.boxes) == (canvas("red fish", "green boat"), (BOAT,))
    assert (found.wish, found.planner) == ("make the boat green", "mini-omost")
    assert found.settings.seed == recipe(picture).settings.seed


def test_an_edited_canvas_changes_what_is_different(gesso: Gesso, picture: str) -> None:
    Path("edited.py").write_text(canvas("red fish").to_source(), "utf-8")
    assert gesso("repaint", picture, "--canvas", "edited.py", "--out", "new.png").code == 0
    assert recipe("new.png").boxes == (BOAT,)
    assert recipe("new.png").canvas == canvas("red fish")


def test_regions_and_what_came_new_go_together(gesso: Gesso, picture: str) -> None:
    Path("edited.py").write_text(canvas("red fish", "blue boat", "pink cat").to_source(), "utf-8")
    assert gesso("repaint", picture, "--canvas", "edited.py", "--region", "1", "--out", "new.png").code == 0
    cat = canvas("red fish", "blue boat", "pink cat").regions[2]
    assert recipe("new.png").boxes == (CANVAS.regions[0].box, cat.box)


def test_styles_bring_their_negative_prompt(gesso: Gesso, picture: str) -> None:
    paint(gesso, "sea.py", "--style", "pony", "--out", "pony.png")
    assert recipe("pony.png").style == "pony"
    assert recipe("pony.png").settings.negative_prompt == "score_6, score_5, score_4"
    assert "bit for bit" in gesso("paint", "pony.png").err
    gesso("paint", "pony.png", "--negative", "rain", "--out", "rain.png")
    assert (recipe("rain.png").style, recipe("rain.png").settings.negative_prompt) == ("pony", "rain")
    gesso("repaint", picture, "--region", "1", "--style", "tags", "--out", "tags.png")
    assert recipe("tags.png").style == "tags"
    assert recipe("tags.png").settings.negative_prompt == NEGATIVE_PROMPT


def test_painting_begins_from_colours_or_a_picture(gesso: Gesso) -> None:
    paint(gesso, "sea.py", "--strength", "0.5", "--out", "colours.png")
    assert recipe("colours.png").start == "canvas"
    assert "bit for bit" in gesso("paint", "colours.png", "--out", "again.png").err
    scene((40, 40)).save("sketch.png")
    paint(gesso, "sea.py", "--strength", "0.5", "--from", "sketch.png", "--out", "begun.png")
    assert recipe("begun.png").source == pixel_digest(scene((40, 40)))
    for options in ((), ("--seed", "2")):
        outcome = gesso("paint", "begun.png", *options, "--out", "again.png")
        assert outcome.code == 2
        assert "began from another one" in outcome.err
    assert "bit for bit" in gesso("paint", "begun.png", "--from", "sketch.png", "--out", "again.png").err
    assert gesso("paint", "begun.png", "--strength", "1", "--out", "again.png").code == 0


def test_loras_are_noted_and_added_again(gesso: Gesso, place: Path) -> None:
    lora = lora_file(place / "ink.safetensors")
    assert paint(gesso, "sea.py", "--lora", f"{lora}:0.5", "--out", "ink.png").code == 0
    assert recipe("ink.png").loras == ((str(lora), 0.5),)
    assert "bit for bit" in gesso("paint", "ink.png", "--out", "again.png").err
    assert gesso("repaint", "ink.png", "--region", "1", "--out", "new.png").code == 0
    assert recipe("new.png").loras == ((str(lora), 0.5),)


def test_other_weights_are_refused(gesso: Gesso, picture: str, place: Path) -> None:
    lora = str(lora_file(place / "ink.safetensors"))
    for verb in (("paint", picture), ("repaint", picture, "--region", "1")):
        outcome = gesso(*verb, "--lora", lora, "--out", "new.png")
        assert outcome.code == 2
        assert "load the same model and LoRAs" in outcome.err
    assert gesso("paint", picture, "--lora", lora, "--seed", "1", "--out", "new.png").code == 0


def test_previews_lie_beside_the_picture(gesso: Gesso) -> None:
    paint(gesso, "sea.py", "--previews", "1", "--batch", "2", "--out", "a.png")
    names = {path.name for path in Path().glob("a-first-*.png")}
    assert names == {f"a-first-{step:03d}-{number}.png" for step in (1, 2) for number in (1, 2)}
    with Pictures.open("a-first-001-1.png") as preview:
        assert preview.size == (24, 16)


def test_an_interrupt_leaves_no_file(gesso: Gesso, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Painter, "preview", press)
    outcome = paint(gesso, "sea.py", "--previews", "1")
    assert (outcome.code, outcome.out) == (130, "")
    assert "Traceback" not in outcome.err
    assert list(Path().iterdir()) == [Path("sea.py")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sea.py", "--size", "12"), "size is '12'; give width and height in pixels, as 896x1152"),
        (("sea.py", "--size", "33x32"), "both sides must be multiples of 2"),
        (("sea.py", "--steps", "0"), "steps is 0"),
        (("sea.py", "--steps", "5000"), "steps is 5000; it must be 1 to 1000"),
        (("sea.py", "--guidance", "gradiant"), "did you mean gradient"),
        (("sea.py", "--style", "poni"), "did you mean pony"),
        (("sea.py", "--out", "a.jpg"), "only PNG keeps every pixel and the recipe"),
        (("sea.py", "--out", "folder.png"), "folder.png is a folder"),
        (("sea.py", "--from", "plain.png"), "strength is 1, which paints over all of it"),
        (("sea.py", "--planner", "mini-omost"), "--planner is of a planner, and no wish is to be planned"),
        (("sea.py", "--dtype", "float32"), "--dtype is of a planner"),
        (("sea.py", "--endpoint", "http://127.0.0.1:9/v1"), "--endpoint is of a planner"),
        (("a fish", "--endpoint", "http://127.0.0.1:9/v1"), "give it with --planner"),
        (("see.py",), "there is no file 'see.py'"),
        (("frist.PNG",), "there is no file 'frist.PNG'"),
        (("plain.png",), "carries no recipe"),
        (("sea.py", "--painter", "mini-sdxxl"), "did you mean mini-sdxl"),
    ],
)
def test_wrong_usage_says_what_is_allowed(gesso: Gesso, arguments: tuple[str, ...], told: str) -> None:
    scene().save("plain.png")
    Path("folder.png").mkdir()
    quick = ("--painter", str(painter_folder())) if "--painter" not in arguments else ()
    outcome = gesso("paint", *arguments, *quick)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing is to change; say --region N, --wish or --canvas"),
        (("--region", "3"), "there is no region 3; give one of 1 to 2"),
        (("--wish", "a", "--canvas", "sea.py"), "both --wish and --canvas say what is to change"),
        (("--canvas", "sea.py"), "nothing is to change"),
        (("--region", "1", "--planner", "x"), "--planner is of a planner"),
        (("--region", "1", "--feather", "99"), "feather is 99; it must be 0 to 32 pixels"),
        (("--region", "1", "--size", "32x32"), "at the picture's size, (48, 32)"),
        (("--region", "1", "--batch", "2"), "one picture at a time"),
    ],
)
def test_repainting_says_what_is_allowed(
    gesso: Gesso, picture: str, arguments: tuple[str, ...], told: str
) -> None:
    outcome = gesso("repaint", picture, *arguments, "--out", "new.png")
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert not Path("new.png").exists()


def test_what_is_broken_or_missing_ends_with_1(
    gesso: Gesso, picture: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("cut.png").write_bytes(Path(picture).read_bytes()[:-100])
    for arguments in (("paint", "cut.png"), ("repaint", "cut.png", "--region", "1"), ("repaint", "no.png")):
        outcome = gesso(*arguments)
        assert outcome.code == 1
        assert "cannot be" in outcome.err
    monkeypatch.setattr(catalog, "MINIS", place)
    outcome = gesso("paint", "sea.py")
    assert outcome.code == 1
    assert "weights of mini-sdxl are not part of this installation" in outcome.err


@pytest.mark.parametrize("verb", ["paint", "repaint"])
def test_help_imports_no_torch(verb: str) -> None:
    code = PROBE.format(arguments=[verb, "--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "False False"
    assert "if left out, mini-" in " ".join(done.stdout.replace("│", " ").split())


@pytest.fixture(autouse=True, scope="module")
def models_are_let_go() -> Iterator[None]:
    yield
    LOADED.clear()
