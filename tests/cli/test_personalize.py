import numpy as np
import pytest
from PIL import Image as Pictures

from engines.planning import canvas
from engines.subjects import disc_mask, moma_folder, reference
from gesso.engines.paint_recipe import Painting
from gesso.media.images import load_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return moma_folder(tmp_path_factory.mktemp("moma"))


QUICK = ("--steps", "2", "--size", "32x32", "--device", "cpu")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with references: with a mask beside it, with transparency, and bare."""
    monkeypatch.chdir(tmp_path)
    reference((64, 64)).save("boat.png")
    disc_mask((64, 64)).save("mask.png")
    reference((64, 48), "RGBA").save("clear.png")
    return tmp_path


def personalize(gesso, folder, *arguments):
    return gesso("personalize", *arguments, "--adapter", str(folder), *QUICK)


def test_a_subject_is_painted(gesso, folder, files):
    outcome = personalize(gesso, folder, "--subject", "boat", "--reference", "boat.png", "--mask", "mask.png",
                          "a boat in the snow", "--out", "snow.png")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == "snow.png"
    recipe = Painting.open("snow.png").recipe
    assert recipe.subjects[0].noun == "boat"
    assert recipe.subjects[0].strength == 1
    assert recipe.canvas.background.description == "a boat in the snow"


def test_masks_are_found(gesso, folder, files):
    for source in ("boat.png", "clear.png"):
        outcome = personalize(gesso, folder, "--subject", "boat", "--reference", source, "a boat at night",
                              "--keep-mask", "found.png")  # fmt: skip
        assert outcome.code == 0, outcome.err
        found = np.asarray(load_image("found.png").convert("L")) > 127
        wanted = np.asarray(disc_mask(found.shape[::-1])) > 127
        assert (found & wanted).sum() / (found | wanted).sum() > 0.85


def test_several_prompts_and_samples_are_numbered(gesso, folder, files):
    outcome = personalize(gesso, folder, "--subject", "boat", "--reference", "clear.png", "--batch", "2",
                          "a boat at night", "a wooden boat", "--texture")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out.split() == [f"painting-{n}.png" for n in range(1, 5)]
    recipes = [Painting.open(name).recipe for name in outcome.out.split()]
    told = [recipe.subjects[0].prompt for recipe in recipes]
    assert told == ["a boat at night"] * 2 + ["a wooden boat"] * 2
    assert [recipe.number for recipe in recipes] == [0, 1, 0, 1]
    assert recipes[0].subjects[0].strength == 0.4


def test_high_strengths_are_warned_of(gesso, folder, files):
    outcome = personalize(gesso, folder, "--subject", "boat", "--reference", "clear.png", "a wooden boat",
                          "--texture", "--subject-strength", "0.8")  # fmt: skip
    assert outcome.code == 0
    assert "above 0.6" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--reference", "boat.png", "a fish in the sea"), "does not contain the subject 'boat'"),
        (("--reference", "none.png", "a boat"), "none.png"),
        (("--reference", "boat.png", "--mask", "black.png", "a boat"), "mask is empty"),
        (("--reference", "black.png", "a boat"), "no subject stands out"),
        (("--reference", "boat.png", "a boat", "--subject-strength", "-1"), "subject strength is -1"),
        (("--reference", "boat.png", "a boat", "--size", "33x32"), "multiples of"),
    ],
)
def test_what_is_wrong_is_told(gesso, folder, files, arguments, said):
    Pictures.new("L", (64, 64)).save("black.png")
    outcome = gesso("personalize", "--subject", "boat", "--adapter", str(folder), *QUICK, *arguments)
    assert outcome.code != 0
    assert said in " ".join(outcome.err.split())


def test_subjects_stand_in_the_regions_of_a_canvas(gesso, folder, files):
    (files / "sea.py").write_text(canvas("red boat", "blue fish").to_source(), "utf-8")
    rest = ("--adapter", str(folder), *QUICK)
    outcome = gesso("paint", "sea.py", "--subject", "1=boat.png", "--subject", "2:fish=clear.png", *rest)
    assert outcome.code == 0, outcome.err
    notes = Painting.open("painting.png").recipe.subjects
    assert [(note.region, note.noun) for note in notes] == [(1, "boat"), (2, "fish")]
    for given, said in (
        ("3=boat.png", "the canvas has 2"),
        ("2=boat.png", "2:cat="),
        ("boat.png", "2=cat.png"),
    ):
        outcome = gesso("paint", "sea.py", "--subject", given, *rest)
        assert outcome.code != 0
        assert said in " ".join(outcome.err.split())
    outcome = gesso("paint", "sea.py", "--texture")
    assert "--texture came without a --subject" in " ".join(outcome.err.split())
