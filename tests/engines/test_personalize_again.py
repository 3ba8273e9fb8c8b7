from dataclasses import replace

import numpy as np
import pytest

from engines.painting import painter_folder
from engines.planning import canvas
from engines.subjects import disc_mask, ip_adapter_file, moma_folder, reference
from gesso.canvas.edit import recolour, set_subject
from gesso.core.errors import UsageError
from gesso.engines.paint_build import PaintLoading
from gesso.engines.paint_recipe import Painting
from gesso.engines.personalize_again import look_again, remake_with_subjects, repaint_with_subjects
from gesso.engines.personalize_build import SubjectLoading, load_personalizer
from gesso.engines.references import ReferenceFile

HERE = set_subject(canvas("red boat", "blue fish"), 0, "boat.png")
CPU = PaintLoading(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return moma_folder(tmp_path_factory.mktemp("moma"))


@pytest.fixture(scope="module", params=["moma", "ip-adapter", "ip-adapter for SDXL"])
def personalizer(request, folder, tmp_path_factory):
    if request.param == "moma":
        return load_personalizer(str(folder), SubjectLoading(paint=CPU))
    xl = request.param.endswith("SDXL")
    painter = painter_folder() if xl else folder.parent / "painter"
    file = ip_adapter_file(tmp_path_factory.mktemp("ip"), painter)
    return load_personalizer(str(file), SubjectLoading(painter=str(painter), paint=CPU))


@pytest.fixture
def here(tmp_path):
    reference().save(tmp_path / "boat.png")
    disc_mask().save(tmp_path / "mask.png")
    return tmp_path


def quick(personalizer, **changes):
    return personalizer.engine.settings({"steps": 2, "size": (48, 32), "seed": 3, **changes})


def painted(personalizer, folder, **changes):
    """A picture with a subject, as it comes from its file."""
    origin = ReferenceFile(file=folder / "boat.png", mask=folder / "mask.png", threshold=9)
    seen = personalizer.look_at(origin, "boat", seed=5)
    pictures = personalizer.paint_canvas(HERE, [(1, seen)], quick(personalizer, **changes), strength=0.8)
    pictures[-1].save(folder / "sea.png")
    return Painting.open(folder / "sea.png")


def test_a_picture_with_subjects_is_painted_again_bit_for_bit(personalizer, here):
    old = painted(personalizer, here)
    (note,) = old.recipe.subjects
    assert (note.file, note.mask_file, note.threshold, note.seed) == ("boat.png", "mask.png", 9, 5)
    again = remake_with_subjects(personalizer, old.recipe, here)
    assert again.recipe.pixels == old.recipe.pixels
    assert again.recipe == old.recipe


def test_of_a_batch_the_same_one_comes_again(personalizer, here):
    old = painted(personalizer, here, batch=2)
    assert old.recipe.number == 1
    assert remake_with_subjects(personalizer, old.recipe, here).recipe.pixels == old.recipe.pixels


def test_one_region_is_painted_anew_with_its_subject(personalizer, here):
    old = painted(personalizer, here)
    box = HERE.regions[0].box
    seen = look_again(personalizer, old.recipe.subjects[0], here)
    settings = replace(old.part_settings(), seed=11)
    part = personalizer.engine.part_recipe(old, [box], settings, canvas=HERE)
    new = repaint_with_subjects(personalizer, old, part, [(1, seen)], strength=0.8)
    inside = np.zeros((32, 48), bool)
    top, bottom, left, right = box
    inside[int(top * 32 / 90) : -(-bottom * 32 // 90), int(left * 48 / 90) : -(-right * 48 // 90)] = True
    changed = (np.asarray(new.image) != np.asarray(old.image)).any(-1)
    assert changed[inside].any()
    assert not changed[~inside].any()
    assert new.recipe.before == old.recipe
    assert new.recipe.subjects == old.recipe.subjects
    # by its history: both layers, each with its subject
    assert remake_with_subjects(personalizer, new.recipe, here).recipe.pixels == new.recipe.pixels
    with pytest.raises(UsageError, match="which was not looked at"):
        repaint_with_subjects(personalizer, old, part, [])


def test_a_part_in_words_lies_on_a_picture_with_subjects(personalizer, here):
    old = painted(personalizer, here)
    now = set_subject(recolour(HERE, 1, "red"), 0, None)
    new = personalizer.engine.repaint(old, canvas=now)
    assert new.recipe.subjects == ()
    assert remake_with_subjects(personalizer, new.recipe, here).recipe.pixels == new.recipe.pixels


def test_another_reference_is_not_taken_for_the_same(personalizer, here, tmp_path):
    old = painted(personalizer, here)
    reference((40, 60)).save(here / "boat.png")
    with pytest.raises(UsageError, match=r"is not the picture that 'boat' was painted from.*--subject"):
        remake_with_subjects(personalizer, old.recipe, here)
    reference().save(here / "boat.png")
    disc_mask().transpose(0).rotate(30).save(here / "mask.png")
    with pytest.raises(UsageError, match=r"the mask of .*boat\.png is not the one"):
        remake_with_subjects(personalizer, old.recipe, here)
    (here / "boat.png").unlink()
    with pytest.raises(UsageError, match=r"the reference of 'boat' is boat\.png, which is not in"):
        remake_with_subjects(personalizer, old.recipe, here)
    with pytest.raises(UsageError, match="no folder to look for it"):
        remake_with_subjects(personalizer, old.recipe, None)


def test_a_recipe_opens_no_file_elsewhere(personalizer, here, tmp_path):
    old = painted(personalizer, here)
    (tmp_path / "inner").mkdir()
    for name in ("../boat.png", str(here / "boat.png"), "boat.png/../boat.png"):
        (note,) = old.recipe.subjects
        forged = replace(old.recipe, subjects=(replace(note, file=name),))
        with pytest.raises(UsageError, match="write the plain name"):
            remake_with_subjects(personalizer, forged, tmp_path / "inner")


def test_pictures_from_memory_and_other_adapters_are_told(personalizer, here):
    seen = personalizer.look(reference(), disc_mask(), "boat")
    (memory,) = personalizer.paint_canvas(HERE, [(1, seen)], quick(personalizer))
    with pytest.raises(UsageError, match="was a picture in memory"):
        remake_with_subjects(personalizer, memory.recipe, here)
    old = painted(personalizer, here)
    other = replace(old.recipe, subjects=(replace(old.recipe.subjects[0], weights="x"),))
    with pytest.raises(UsageError, match="choose the same with --adapter"):
        remake_with_subjects(personalizer, other, here)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"region": 3}, "region is 3"),
        ({"region": -1}, "region is -1"),
        ({"strength": float("nan")}, "strength"),
    ],
)
def test_recipes_hold_subjects_that_can_be(personalizer, here, change, said):
    old = painted(personalizer, here).recipe
    with pytest.raises(UsageError, match=said):
        replace(old, subjects=(replace(old.subjects[0], **change),))
    whole = replace(old.subjects[0], region=0)
    with pytest.raises(UsageError, match="one of them for the whole picture"):
        replace(old, subjects=(whole, old.subjects[0]))
