import json
from pathlib import Path

import pytest
import torch

from diffusion.tiny_paint import sd15, sdxl
from engines.subjects import MLLM, disc_mask, reference
from gesso.core.errors import ConfigError
from gesso.diffusion.save import save_folder
from gesso.engines.paint_build import PaintLoading
from gesso.engines.personalize_build import SubjectLoading, load_personalizer
from gesso.models.moma.modules import SubjectMapping
from gesso.models.moma.stage_file import write_mapping
from gesso.train.loop import train
from gesso.train.objectives.subject_attention import SubjectAttentionObjective
from gesso.train.recipes import build_objective
from parity.moma_reader import write_llava
from train.conftest import MakeRecipe
from train.learning import learn


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """A tiny LLaVA, a first stage, and a painter of SD 1.5's shape."""
    for name in ("llava", "stage"):
        (tmp_path / name).mkdir()
    write_llava(MLLM, tmp_path / "llava")
    torch.manual_seed(1)
    write_mapping(tmp_path / "stage", SubjectMapping(48, 16))
    save_folder(sd15(), tmp_path / "painter")
    places = {"language": "llava", "features": "stage", "init": "painter"}
    return [f"model.{name}={(tmp_path / place).as_posix()}" for name, place in places.items()]


def make(make_recipe: MakeRecipe, parts: list[str], *overrides: str) -> SubjectAttentionObjective:
    torch.manual_seed(0)
    objective = build_objective(make_recipe("subject-attention", *parts, *overrides))
    assert isinstance(objective, SubjectAttentionObjective)
    return objective


def test_a_batch_is_the_same_every_time(make_recipe, parts):
    objective = make(make_recipe, parts)
    one, again, other = objective.batch([2, 0], 4), objective.batch([2, 0], 4), objective.batch([2, 0], 5)
    for name in ("references", "nouns", "places"):
        assert torch.equal(getattr(one, name), getattr(again, name))
    for name in ("pixels", "noise", "timesteps", "texts", "places"):
        assert torch.equal(getattr(one.pictures, name), getattr(again.pictures, name))
    assert torch.equal(one.pictures.pixels, other.pictures.pixels)
    assert not torch.equal(one.pictures.noise, other.pictures.noise)
    assert one.pictures.noise.shape == one.draws[0].shape == (2, 4, 16, 16)
    assert one.places.shape == (2, 16, 16)
    assert float(one.pictures.shown.mean()) == pytest.approx(1)


def test_a_subject_may_count_everywhere(make_recipe, parts):
    usual, loose = (make(make_recipe, parts, f"diffusion={{follows: {each}}}") for each in ("true", "false"))
    examples = list(range(4))
    assert usual.batch(examples, 1).places.mean() < 1
    assert (loose.batch(examples, 1).places == 1).all()


def test_only_the_adapter_and_the_projection_learn(make_recipe, parts):
    objective = make(make_recipe, parts, "diffusion={dropout: 0}")
    batch = objective.batch(list(range(4)), 1)
    learned = [p for part in objective.parts.values() for p in part.parameters()]
    told = learn(objective, batch, 40, 1e-2, learned)
    assert told[-1]["loss"] < 0.95 * told[0]["loss"]
    assert set(objective.parts) == {"attention", "projection"}
    assert all(p.grad is not None for p in learned)
    assert all(p.grad is None for p in objective.painter.model.unet.parameters())
    assert told[0]["scale"] != told[-1]["scale"]


def test_dropped_examples_do_not_see_their_subject(make_recipe, parts):
    objective = make(make_recipe, parts, "diffusion={dropout: 1}")
    batch = objective.batch([0, 1], 0)
    assert batch.pictures.dropped.all()
    assert torch.equal(batch.pictures.texts[0], batch.pictures.texts[1])


def test_what_is_trained_paints(make_recipe, parts):
    recipe = make_recipe("subject-attention", *parts, "run.steps=2")
    train(recipe, lambda: build_objective(recipe))
    final = Path(recipe.run.out) / "final"
    assert set(json.loads((final / "moma.json").read_text())) == {"language", "painter", "opening", "follows"}
    moma = load_personalizer(str(final), SubjectLoading(paint=PaintLoading(device="cpu")))
    seen = moma.look(reference(), disc_mask(), "boat")
    settings = moma.engine.settings({"steps": 2, "size": (32, 32)})
    assert moma.paint(seen, "a boat at sea", settings)[0].image.size == (32, 32)


def test_an_adapter_learns_on_from_where_it_was(make_recipe, parts, tmp_path):
    objective = make(make_recipe, parts)
    for part in objective.parts.values():
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    objective.save(tmp_path / "adapter")
    rest = [part for part in parts if not part.startswith("model.features=")]
    again = make(make_recipe, [*rest, f"model.features={(tmp_path / 'adapter').as_posix()}"])
    batch = objective.batch([0, 1], 0)
    assert torch.equal(again.loss(batch)[0], objective.loss(batch)[0])
    assert all(p.requires_grad for part in again.parts.values() for p in part.parameters())


def test_missing_parts_are_named(make_recipe, parts):
    for name, said in (("features", "model.features is missing"), ("init", "model.init None is no folder")):
        rest = [part for part in parts if not part.startswith(f"model.{name}=")]
        with pytest.raises(ConfigError, match=said):
            make(make_recipe, rest)


def test_an_sdxl_is_refused(make_recipe, parts, tmp_path):
    save_folder(sdxl(), tmp_path / "sdxl")
    with pytest.raises(ConfigError, match="is an SDXL"):
        make(make_recipe, parts, f"model.init={(tmp_path / 'sdxl').as_posix()}")
