import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from engines.painting import canvas, painter_folder
from engines.subjects import disc_mask, ip_adapter_file, moma_folder, reference
from gesso.api import Model
from gesso.canvas.edit import set_subject
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.diffusion.memory import MemoryPlan, Residence
from gesso.engines.paint_build import PaintLoading
from gesso.engines.paint_recipe import Painting
from gesso.engines.personalize_build import SubjectLoading, load_personalizer
from gesso.engines.subject_eyes import MomaEyes
from gesso.models.moma.adapter_file import ADAPTER_FILES

PROMPT = "a red boat on the sea"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return moma_folder(tmp_path_factory.mktemp("moma"))


@pytest.fixture(scope="module")
def moma(folder):
    return load_personalizer(str(folder), SubjectLoading(paint=PaintLoading(device="cpu")))


def test_its_language_model_may_lie_in_a_folder_of_its_own(folder, moma, tmp_path):
    home = tmp_path / "moma"
    shutil.copytree(folder, home)
    shutil.copytree(folder.parent / "painter", tmp_path / "painter")
    language = [path for path in home.iterdir() if path.name not in ("moma.json", ADAPTER_FILES[0])]
    (home / "language").mkdir()
    for path in language:
        path.rename(home / "language" / path.name)
    (home / "moma.json").write_text('{"language": "language", "painter": "painter"}')
    apart = load_personalizer(str(home), SubjectLoading(paint=PaintLoading(device="cpu")))
    pictures = []
    for each in (moma, apart):
        seen = each.look(reference(), disc_mask(), "boat")
        pictures += each.paint(seen, PROMPT, quick(each))
    assert (pixels(pictures[0]) == pixels(pictures[1])).all()


def quick(moma, **changes):
    return moma.engine.settings({"steps": 3, "size": (32, 32), **changes})


def pixels(painting):
    return np.asarray(painting.image).astype(int)


@pytest.fixture(scope="module")
def boat(moma):
    return moma.look(reference(), disc_mask(), "boat")


def test_the_reference_changes_the_picture(moma, boat):
    (picture,) = moma.paint(boat, PROMPT, quick(moma))
    (weak,) = moma.paint(boat, PROMPT, quick(moma), strength=0.1)
    other = moma.look(reference((40, 60)), disc_mask((40, 60)), "boat")
    (another,) = moma.paint(other, PROMPT, quick(moma))
    assert (pixels(picture) != pixels(weak)).any()
    assert (pixels(picture) != pixels(another)).any()


def test_pictures_of_a_batch_are_those_painted_alone(moma, boat):
    together = moma.paint(boat, PROMPT, quick(moma, batch=2, seed=5))
    alone = [moma.paint(boat, PROMPT, quick(moma, seed=seed))[0] for seed in (5, 6)]
    for one, other in zip(together, alone, strict=True):
        assert abs(pixels(one) - pixels(other)).max() <= 1


@pytest.mark.parametrize("size", [(48, 32), (32, 64)])
def test_any_shape_is_painted(moma, boat, size):
    assert moma.paint(boat, PROMPT, quick(moma, size=size))[0].image.size == size


def test_threads_do_not_mix(moma, boat):
    other = moma.look(reference((40, 60)), disc_mask((40, 60)), "boat", seed=9)
    jobs = [(boat, 1.0), (other, 0.4), (boat, 0.4), (other, 1.0)]
    run = lambda job: pixels(moma.paint(job[0], PROMPT, quick(moma), strength=job[1])[0])  # noqa: E731
    one_by_one = [run(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(run, jobs))
    for first, second in zip(one_by_one, at_once, strict=True):
        assert np.array_equal(first, second)


def test_the_painter_paints_as_before_without_subjects(moma, boat):
    before = moma.engine.paint(canvas("red fish"), quick(moma))[0]
    moma.paint(boat, PROMPT, quick(moma))
    assert np.array_equal(pixels(before), pixels(moma.engine.paint(canvas("red fish"), quick(moma))[0]))


def test_the_picture_carries_its_recipe(moma, boat, tmp_path):
    (picture,) = moma.paint(boat, PROMPT, quick(moma), strength=0.7)
    picture.save(tmp_path / "boat.png")
    recipe = Painting.open(tmp_path / "boat.png").recipe
    assert recipe == picture.recipe
    (note,) = recipe.subjects
    assert (note.noun, note.prompt, note.strength, note.region) == ("boat", PROMPT, 0.7, 0)
    assert note.reference
    assert note.weights == moma.weights
    assert note.file == ""
    with pytest.raises(UsageError, match="which a painter alone does not look at"):
        moma.engine.remake(recipe)


def test_subjects_stand_in_regions(moma, boat):
    here = canvas("red boat", "blue fish")
    settings = quick(moma, size=(48, 32))
    (picture,) = moma.paint_canvas(here, [(1, boat)], settings)
    (without,) = moma.engine.paint(here, settings)
    assert picture.recipe.subjects[0].region == 1
    assert (pixels(picture) != pixels(without)).any()
    fish = moma.look(reference((40, 60)), disc_mask((40, 60)), "fish")
    (both,) = moma.paint_canvas(here, [(1, boat), (2, fish)], settings)
    assert (pixels(picture) != pixels(both)).any()


def test_a_canvas_is_not_painted_without_the_subjects_it_names(moma, boat):
    here = set_subject(canvas("red boat", "blue fish"), 0, "boat.png")
    settings = quick(moma, size=(48, 32))
    assert moma.paint_canvas(here, [(1, boat)], settings)[0].recipe.canvas == here
    for paint in (
        lambda: moma.paint_canvas(here, [(2, replace(boat, noun="fish"))], settings),
        lambda: moma.engine.paint(here, settings),
    ):
        with pytest.raises(UsageError, match=r"region 1 of the canvas has the subject boat\.png"):
            paint()


def test_pictures_with_subjects_may_begin_from_the_canvas(moma, boat):
    here = canvas("red boat", "blue fish")
    (noise,) = moma.paint_canvas(here, [(1, boat)], quick(moma))
    (colours,) = moma.paint_canvas(here, [(1, boat)], quick(moma, strength=0.7))
    assert colours.recipe.start == "canvas"
    assert (pixels(noise) != pixels(colours)).any()


def test_what_cannot_be_is_refused(moma, boat):
    with pytest.raises(UsageError, match=r"does not contain the subject 'boat'"):
        moma.paint(boat, "a fish in the sea", quick(moma))
    with pytest.raises(UsageError, match="mask is empty"):
        moma.look(reference(), disc_mask().point(lambda _: 0), "boat")
    with pytest.raises(UsageError, match="no name"):
        moma.look(reference(), disc_mask(), "  ")
    with pytest.raises(UsageError, match="region 3, and the canvas has 2"):
        moma.paint_canvas(canvas("red boat", "blue fish"), [(3, boat)], quick(moma))
    with pytest.raises(UsageError, match="does not contain"):
        moma.paint_canvas(canvas("red boat", "blue fish"), [(2, boat)], quick(moma))
    with pytest.raises(UnsupportedError, match="MultiDiffusion"):
        moma.paint(boat, PROMPT, quick(moma, guidance="multidiffusion"))


def test_a_folder_says_whether_subjects_count_where_their_noun_is_attended_to(folder, moma, boat, tmp_path):
    home = tmp_path / "moma"
    shutil.copytree(folder, home)
    shutil.copytree(folder.parent / "painter", tmp_path / "painter")
    (home / "moma.json").write_text('{"painter": "painter", "follows": false}')
    loose = load_personalizer(str(home), SubjectLoading(paint=PaintLoading(device="cpu")))
    seen = loose.look(reference(), disc_mask(), "boat")
    pictures = [paints.paint(who, PROMPT, quick(paints))[0] for paints, who in ((moma, boat), (loose, seen))]
    assert (pixels(pictures[0]) != pixels(pictures[1])).any()


def test_moma_is_for_sd_15_only(folder):
    with pytest.raises(UnsupportedError, match=r"is an SDXL; choose a 1\.5"):
        load_personalizer(str(folder), SubjectLoading(painter=str(painter_folder())))


def test_an_ip_adapter_is_the_second_kind(folder, tmp_path):
    file = ip_adapter_file(tmp_path)
    with pytest.raises(UsageError, match="--painter"):
        load_personalizer(str(file))
    loading = SubjectLoading(painter=str(folder.parent / "painter"), paint=PaintLoading(device="cpu"))
    adapter = load_personalizer(str(file), loading)
    seen = adapter.look(reference(), disc_mask(), "boat")
    assert seen.features is None
    (picture,) = adapter.paint(seen, PROMPT, quick(adapter))
    other = adapter.look(reference((40, 60)), disc_mask((40, 60)), "boat")
    assert (pixels(picture) != pixels(adapter.paint(other, PROMPT, quick(adapter))[0])).any()


def test_a_language_model_that_comes_and_goes_tells_the_same(moma, boat):
    eyes = moma.eyes
    turns = MomaEyes(eyes.reader, eyes.projection, Residence(MemoryPlan("model"), "cpu"))
    asked = (boat.reference, boat.noun, PROMPT)
    assert torch.equal(turns.tokens(*asked), eyes.tokens(*asked))


def test_bits_are_refused_where_nothing_is_packed(folder, tmp_path):
    cpu = PaintLoading(device="cpu")
    with pytest.raises(UsageError, match="bits 4 came for the CPU"):
        load_personalizer(str(folder), SubjectLoading(bits=4, paint=cpu))
    with pytest.raises(UsageError, match="is an IP-Adapter, which has no language"):
        load_personalizer(str(ip_adapter_file(tmp_path)), SubjectLoading(bits=4, paint=cpu))


def test_wrong_parts_are_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="encoder x came"):
        load_personalizer(str(folder), SubjectLoading(encoder="x"))
    with pytest.raises(CheckpointError, match="no MoMA adapter"):
        load_personalizer(
            str(folder.parent / "painter"), SubjectLoading(painter=str(folder.parent / "painter"))
        )


def test_the_facade_finds_the_subject_itself(moma, tmp_path):
    model = Model("tiny", moma)
    reference((60, 40), "RGBA").save(tmp_path / "boat.png")
    options = {"steps": 2, "size": (32, 32), "seed": 3}
    (by_alpha,) = model.personalize(tmp_path / "boat.png", "boat", PROMPT, **options)
    (by_mask,) = model.personalize(tmp_path / "boat.png", "boat", PROMPT, mask=disc_mask(), **options)
    assert np.array_equal(pixels(by_alpha), pixels(by_mask))
    (weak,) = model.personalize(reference(), "boat", PROMPT, strength=0.0, **options)
    assert (pixels(by_mask) != pixels(weak)).any()
    with pytest.raises(UnsupportedError, match="paints no given subjects"):
        Model("painter", moma.engine).personalize(reference(), "boat", PROMPT)


def test_the_facade_paints_the_subjects_that_a_canvas_names(moma, tmp_path):
    model = Model("tiny", moma)
    reference().save(tmp_path / "boat.png")
    here = set_subject(canvas("red boat", "blue fish"), 0, "boat.png")
    options = {"steps": 2, "size": (32, 32), "seed": 3}
    (picture,) = model.paint_subjects(here, tmp_path, **options)
    assert picture.recipe.canvas == here
    assert picture.recipe.subjects[0].file == "boat.png"
    (weak,) = model.paint_subjects(here, str(tmp_path), strength=0.1, **options)
    assert (pixels(picture) != pixels(weak)).any()
    with pytest.raises(UsageError, match="is not in"):
        model.paint_subjects(here, tmp_path / "none", **options)
    with pytest.raises(UsageError, match="names a subject"):
        model.paint_subjects(canvas("red boat"), tmp_path, **options)
    with pytest.raises(UnsupportedError, match="paints no given subjects"):
        Model("painter", moma.engine).paint_subjects(here, tmp_path)
