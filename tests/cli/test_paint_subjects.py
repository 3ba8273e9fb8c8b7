import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from engines.planning import canvas
from engines.subjects import moma_folder, reference
from gesso.canvas.edit import recolour, set_subject
from gesso.canvas.subjects import with_subjects
from gesso.engines.canvas_files import canvas_json
from gesso.engines.paint_recipe import Painting

HERE = with_subjects(canvas("red boat", "blue fish"), ["boat.png", "fish=photo.png"])


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return str(moma_folder(tmp_path_factory.mktemp("moma")))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a canvas that names two subjects, and these; another one to work in."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "sea.py").write_text(HERE.to_source(), "utf-8")
    (own / "sea.json").write_text(canvas_json(HERE), "utf-8")
    reference((64, 64)).save(own / "boat.png")
    reference((64, 48), "RGBA").save(own / "photo.png")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return own


QUICK = ("--steps", "2", "--size", "32x32")


@pytest.fixture
def paint(gesso, adapter):
    def run(*arguments, verb="paint", quick=QUICK):
        outcome = gesso(verb, *map(str, arguments), *quick, "--adapter", adapter, "--device", "cpu")
        return outcome.code, " ".join(outcome.err.split())

    return run


def notes(name="painting.png"):
    return [(note.region, note.noun, note.file) for note in Painting.open(name).recipe.subjects]


@pytest.mark.parametrize("name", ["sea.py", "sea.json"])
def test_a_canvas_is_painted_with_the_subjects_beside_it(paint, place, name):
    code, err = paint(place / name)
    assert code == 0, err
    assert notes() == [(1, "boat", "boat.png"), (2, "fish", "photo.png")]
    assert Painting.open("painting.png").recipe.canvas == HERE
    recipe = Path("painting.png").read_bytes()
    assert str(place).encode() not in recipe.replace(b"\\/", b"/")


def test_the_command_line_stands_above_the_canvas(paint, place):
    other = place.parent / "other_fish.png"
    shutil.copy(place / "boat.png", other)
    code, err = paint(place / "sea.py", "--subject", f"2:fish={other}")
    assert code == 0, err
    assert notes() == [(1, "boat", "boat.png"), (2, "fish", "other_fish.png")]
    painted = Painting.open("painting.png").recipe.canvas
    assert [region.subject for region in painted.regions] == ["boat.png", "fish=other_fish.png"]
    code, err = paint(place / "sea.py", "--subject", f"2:fish={other}", "--subject", f"2:fish={other}")
    assert code == 2
    assert "region 2 is given two subjects" in err


def test_references_may_lie_in_another_folder(paint, place):
    shutil.move(place / "sea.py", "sea.py")
    code, err = paint("sea.py")
    assert code == 2
    assert "boat.png, which is not in" in err
    code, err = paint("sea.py", "--references", place)
    assert code == 0, err
    code, err = paint("sea.py", "--references", place / "none")
    assert "is no folder" in err


def test_nothing_a_model_sends_opens_a_file(gesso, paint, place, monkeypatch):
    (place / "reply.txt").write_text(f"Here you are:\n{HERE.to_source(fenced=True)}", "utf-8")
    code, err = paint(place / "reply.txt")
    assert code == 1
    assert "a subject names a file" in err
    monkeypatch.chdir(place)
    piped = gesso("paint", "-", "--device", "cpu", stdin=HERE.to_source())
    assert piped.code == 2
    assert "there is no folder to look for it in" in " ".join(piped.err.split())
    (place / "sea.py").write_text(HERE.to_source().replace("boat.png", "../boat.png"), "utf-8")
    code, err = paint("sea.py")
    assert code == 1
    assert "plain name" in err
    os.remove("boat.png")
    os.symlink(place / "photo.png", "inner.png")
    os.symlink("/dev/null", "boat.png")
    (place / "sea.py").write_text(HERE.to_source(), "utf-8")
    assert "is not in" in paint("sea.py")[1]


def test_a_region_has_to_name_its_subject(paint, place):
    (place / "sea.py").write_text(with_subjects(HERE, ["photo.png", None]).to_source(), "utf-8")
    code, err = paint(place / "sea.py")
    assert code == 2
    assert "does not say 'photo'" in err
    assert "as cat=photo.png" in err


@pytest.fixture
def picture(paint, place):
    """A picture with both subjects, beside copies of these."""
    code, err = paint(place / "sea.py", "--subject-strength", "0.7")
    assert code == 0, err
    for name in ("boat.png", "photo.png"):
        shutil.copy(place / name, name)
    return Painting.open("painting.png")


def test_a_picture_with_subjects_is_painted_again_bit_for_bit(gesso, picture, place):
    again = gesso("paint", "painting.png", "--out", "again.png")
    assert again.code == 0, again.err
    assert "the same picture, bit for bit" in again.err
    assert Painting.open("again.png").recipe == picture.recipe
    shutil.copy("photo.png", "boat.png")
    changed = gesso("paint", "painting.png", "--out", "again.png")
    assert changed.code == 2
    assert "is not the picture that 'boat' was painted from" in " ".join(changed.err.split())
    there = gesso("paint", "painting.png", "--out", "again.png", "--references", str(place))
    assert "bit for bit" in there.err
    heeded = gesso("paint", "painting.png", "--texture")
    assert "--texture came for a picture that is painted by its recipe" in " ".join(heeded.err.split())


def test_another_seed_keeps_the_subjects(gesso, picture):
    outcome = gesso("paint", "painting.png", "--seed", "9", "--out", "other.png")
    assert outcome.code == 0, outcome.err
    recipe = Painting.open("other.png").recipe
    assert recipe.subjects == picture.recipe.subjects
    assert recipe.settings.seed == 9


def test_what_gesso_personalize_painted_is_painted_again(gesso, paint, place):
    shutil.copy(place / "photo.png", "boat.png")
    code, err = paint("a boat at sea", "--subject", "boat", "--reference", "boat.png", verb="personalize")
    assert code == 0, err
    again = gesso("paint", "painting.png", "--out", "again.png")
    assert "bit for bit" in again.err
    outcome = gesso("paint", "painting.png", "--out", "other.png", "--seed", "9")
    assert outcome.code == 0, outcome.err
    recipe = Painting.open("other.png").recipe
    assert (recipe.settings.seed, recipe.subjects[0].prompt) == (9, "a boat at sea")


def inside(name, box):
    mask = np.zeros((32, 32), bool)
    top, bottom, left, right = (edge * 32 / 90 for edge in box)
    mask[int(top) : int(-(-bottom // 1)), int(left) : int(-(-right // 1))] = True
    changed = (np.asarray(Painting.open(name).image) != np.asarray(Painting.open("painting.png").image)).any(
        -1
    )
    return changed[mask].any(), changed[~mask].any()


def test_one_region_is_repainted_with_its_subject(gesso, picture):
    outcome = gesso("repaint", "painting.png", "--region", "1", "--out", "new.png")
    assert outcome.code == 0, outcome.err
    assert inside("new.png", HERE.regions[0].box) == (True, False)
    assert notes("new.png") == notes()
    assert Painting.open("new.png").recipe.subjects[0].strength == 0.7
    again = gesso("paint", "new.png", "--out", "again.png")
    assert "bit for bit" in again.err


def test_a_subject_is_exchanged_or_taken_away(gesso, picture, place):
    shutil.copy("photo.png", "other.png")
    outcome = gesso("repaint", "painting.png", "--subject", "1:boat=other.png", "--out", "new.png")
    assert outcome.code == 0, outcome.err
    assert notes("new.png") == [(1, "boat", "other.png"), (2, "fish", "photo.png")]
    assert inside("new.png", HERE.regions[0].box)[1] is np.False_
    edited = set_subject(recolour(HERE, 1, "red"), 0, None)
    (place / "edited.py").write_text(edited.to_source(), "utf-8")
    outcome = gesso("repaint", "painting.png", "--canvas", str(place / "edited.py"), "--out", "new.png")
    assert outcome.code == 0, outcome.err
    assert notes("new.png") == [(2, "fish", "photo.png")]
    (place / "words.py").write_text(with_subjects(HERE, [None, None]).to_source(), "utf-8")
    outcome = gesso("repaint", "painting.png", "--canvas", str(place / "words.py"), "--out", "new.png")
    assert outcome.code == 0, outcome.err
    assert notes("new.png") == []


def test_an_edited_canvas_brings_a_subject_from_beside_it(gesso, paint, place):
    (place / "words.py").write_text(with_subjects(HERE, [None, None]).to_source(), "utf-8")
    code, err = paint(place / "words.py", "--subject", f"2:fish={place / 'photo.png'}")
    assert code == 0, err
    shutil.copy(place / "photo.png", "photo.png")
    code, err = paint(
        "painting.png", "--canvas", place / "sea.py", "--out", "new.png", verb="repaint", quick=()
    )
    assert code == 0, err
    assert notes("new.png") == [(1, "boat", "boat.png"), (2, "fish", "photo.png")]


def test_options_without_a_subject_are_refused(gesso, place):
    Path("words.py").write_text(with_subjects(HERE, [None, None]).to_source(), "utf-8")
    for given, said in (("--texture",), "--texture came"), (("--references", "."), "--references came"):
        outcome = gesso("paint", "words.py", *given)
        assert outcome.code == 2
        assert said in " ".join(outcome.err.split())
