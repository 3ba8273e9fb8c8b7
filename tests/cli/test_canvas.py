import json
from pathlib import Path

import pytest

from canvas.examples import BOAT, CANVAS, PROGRAM, TOWER, fenced
from cli.run import Gesso, Outcome
from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import read_canvas
from gesso.canvas.subjects import with_subjects
from gesso.engines.canvas_files import canvas_json, read_canvas_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A canvas program with a boat (region 2) and a tower (region 1), in a folder to stand in."""
    monkeypatch.chdir(tmp_path)
    Path("canvas.py").write_text(CANVAS.to_source(), "utf-8")
    return "canvas.py"


def changed(outcome: Outcome) -> Canvas:
    assert outcome.code == 0, outcome.err
    return read_canvas(outcome.out).canvas


def test_show_draws_and_lists(gesso: Gesso, file: str) -> None:
    outcome = gesso("canvas", "show", file, "--out", "a.png", "--out", "a.svg", "--out", "a.json")
    assert outcome.code == 0
    assert "│ 2 A boat." in outcome.out
    assert "on the right, slightly to the upper" in outcome.out
    assert "saved to a.svg" in outcome.err
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert read_canvas_file("a.json") == CANVAS


def test_a_dash_is_standard_input(gesso: Gesso) -> None:
    assert "A boat." in gesso("canvas", "show", "-", stdin=fenced(PROGRAM)).out
    assert gesso("canvas", "diff", "-", "-", stdin=PROGRAM).code == 2


def test_show_tells_which_regions_have_subjects(gesso: Gesso, file: str) -> None:
    assert "subject" not in gesso("canvas", "show", file).out
    edited = gesso("canvas", "edit", file, "--region", "2", "--subject", "boat.png", "--out", "own.py")
    assert edited.code == 0, edited.err
    assert "subject='boat.png'" in edited.out
    assert "~ 'A boat.': subject none -> 'boat.png'" in edited.err
    shown = gesso("canvas", "show", "own.py").out
    assert "[boat.png]" in shown
    assert shown.splitlines()[-1].endswith("boat.png")
    assert gesso("canvas", "diff", "own.py", file).out.strip() == "~ 'A boat.': subject 'boat.png' -> none"
    away = gesso("canvas", "edit", "own.py", "--region", "2", "--subject", "")
    assert changed(away) == CANVAS
    whole = gesso("canvas", "edit", "own.py", "--subject", "boat.png")
    assert "the background has no subject" in whole.err
    assert "plain name" in gesso("canvas", "edit", file, "--region", "2", "--subject", "../boat.png").err


def test_check_tells_a_subject_that_is_missing(gesso: Gesso, file: str, picture: str) -> None:
    own = with_subjects(CANVAS, ["boat.png", None])
    Path("own.py").write_text(own.to_source(), "utf-8")
    Path("own.json").write_text(canvas_json(own), "utf-8")
    for name in ("own.py", "own.json"):
        outcome = gesso("canvas", "check", name)
        assert outcome.code == 1
        assert f"{name}, the subject of region 1 of the program ('A boat.') is boat.png, which is not in" in (
            " ".join(outcome.err.split())
        )
    Path("boat.png").write_bytes(Path(picture).read_bytes())
    assert gesso("canvas", "check", "own.py", "own.json").code == 0
    piped = gesso("canvas", "check", "-", stdin=own.to_source())
    assert piped.code == 1
    assert "no folder to look for it" in " ".join(piped.err.split())
    reply = gesso("canvas", "check", "-", stdin=fenced(own.to_source()))
    assert reply.code == 1
    assert "a subject names a file" in " ".join(reply.err.split())


def test_check_tells_canvases_and_corrections(gesso: Gesso, file: str) -> None:
    Path("reply.txt").write_text("Here:\n" + fenced(PROGRAM.replace("on the left", "on the lefft")), "utf-8")
    outcome = gesso("canvas", "check", file, "reply.txt")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "canvas.py: a canvas with 2 regions",
        "reply.txt: a canvas with 1 region",
        "  corrected, line 5: location 'on the lefft' was read as 'on the left'",
    ]


def test_check_tells_line_cause_and_remedy_of_every_bad_file(gesso: Gesso, file: str) -> None:
    Path("bad.py").write_text(PROGRAM.replace("4.5", "-1"), "utf-8")
    outcome = gesso("canvas", "check", "bad.py", file)
    assert outcome.code == 1
    assert "bad.py, line 3: distance_to_viewer is -1; write a number above 0" in outcome.err
    assert "canvas.py: a canvas with 2 regions" in outcome.out


def test_check_by_the_published_rules(gesso: Gesso, file: str) -> None:
    assert gesso("canvas", "check", file).code == 0
    assert gesso("canvas", "check", file, "--published").code == 1
    assert gesso("canvas", "check", "-", "--published", stdin=fenced(PROGRAM)).code == 0


def test_a_file_that_is_not_there_is_wrong_usage(gesso: Gesso) -> None:
    outcome = gesso("canvas", "show", "nowhere.py")
    assert outcome.code == 2
    assert "no file 'nowhere.py'" in outcome.err


def test_diff_says_what_changed(gesso: Gesso, file: str) -> None:
    Path("b.json").write_text(canvas_json(read_canvas(PROGRAM.replace("firebrick", "gold")).canvas), "utf-8")
    outcome = gesso("canvas", "diff", file, "b.json")
    assert outcome.out.splitlines() == ["~ 'A boat.': colour firebrick -> gold", "- 'A tower.'"]
    assert gesso("canvas", "diff", file, file).out == "no changes\n"


def test_edit_places_a_region(gesso: Gesso, file: str) -> None:
    arguments = ("--region", "1", "--to", "in the center", "--area", "a small square area", "--distance", "2")
    outcome = gesso("canvas", "edit", file, *arguments)
    tower = changed(outcome).regions[1]
    # the offset was one from the old place
    assert (tower.location, tower.offset, tower.area) == ("in the center", "no offset", "a small square area")
    assert tower.distance_to_viewer == 2
    assert "~ 'A tower.'" in outcome.err


def test_edit_shifts_and_recolours_a_region(gesso: Gesso, file: str) -> None:
    arguments = ("--region", "2", "--offset", "slightly to the lower", "--color", "gold")
    boat = changed(gesso("canvas", "edit", file, *arguments)).regions[0]
    assert (boat.location, boat.offset, boat.colour) == ("on the left", "slightly to the lower", "gold")


def test_edit_writes_other_texts(gesso: Gesso, file: str) -> None:
    arguments = ("--region", "2", "--description", "A ship.", "--detail", "One.", "--detail", "Two.",
                 "--quality", "Fine.")  # fmt: skip
    boat = changed(gesso("canvas", "edit", file, *arguments)).regions[0]
    assert (boat.description, boat.detailed_descriptions) == ("A ship.", ("One.", "Two."))
    assert (boat.quality_meta, boat.tags) == ("Fine.", BOAT.tags)


def test_edit_without_a_region_changes_the_background(gesso: Gesso, file: str) -> None:
    ground = changed(gesso("canvas", "edit", file, "--colour", "black", "--tags", "night")).background
    assert (ground.colour, ground.tags, ground.description) == ("black", "night", "A harbour.")


def test_edit_deletes_adds_and_reorders(gesso: Gesso, file: str) -> None:
    assert changed(gesso("canvas", "edit", file, "--region", "2", "--delete")).regions == (TOWER,)
    assert changed(gesso("canvas", "edit", file, "--order", "1,2")).regions == (TOWER, BOAT)
    arguments = (
        "--to",
        "on the top",
        "--area",
        "a small square area",
        "--distance",
        "20",
        "--colour",
        "gold",
    )
    added = changed(gesso("canvas", "edit", file, "--add", "--description", "A sun.", *arguments)).regions[2]
    assert (added.description, added.offset, added.style) == ("A sun.", "no offset", "")


def test_edit_gives_json_and_files_and_can_be_chained(gesso: Gesso, file: str) -> None:
    arguments = ("--region", "2", "--delete", "--json", "--out", "b.py")
    outcome = gesso("canvas", "edit", file, *arguments)
    assert len(json.loads(outcome.out)["regions"]) == 1
    assert len(read_canvas_file("b.py").regions) == 1
    assert changed(gesso("canvas", "edit", "-", "--region", "1", "--delete", stdin=outcome.out)).regions == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "nothing to do"),
        ("--region 1", "nothing to do"),
        ("--delete --order 1,2", "order and delete at once"),
        ("--region 1 --delete --colour gold", "delete and change at once"),
        ("--delete", "which region"),
        ("--region 3 --delete", "no region 3; give one of 1 to 2"),
        ("--region 1 --order 1,2", "leave --region out"),
        ("--order 1,x", "give the regions' numbers"),
        ("--area large", "the background has no area"),
        ("--add --colour gold", "lacks location, area"),
        ("--region 1 --colour gold --out a.gif", "ends in .gif"),
    ],
)
def test_what_cannot_be_done_is_wrong_usage(gesso: Gesso, file: str, arguments: str, told: str) -> None:
    outcome = gesso("canvas", "edit", file, *arguments.split())
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert outcome.out == ""


def test_an_unknown_name_is_told_with_its_neighbours(gesso: Gesso, file: str) -> None:
    outcome = gesso("canvas", "edit", file, "--region", "1", "--colour", "golden")
    assert outcome.code == 1
    assert "did you mean gold" in outcome.err
