from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from engines.subjects import MLLM
from gesso.core.errors import CheckpointError, ConfigError
from gesso.models.clip import ClipEncoder
from gesso.models.llava.convert import load_llava
from gesso.models.moma.model import SubjectReader, SubjectWish
from gesso.models.moma.stage_file import read_mapping
from gesso.train.loop import train
from gesso.train.objectives.subject_feature import SubjectFeatureObjective
from gesso.train.recipes import build_objective
from parity.moma_reader import write_llava
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import clip_folder


@pytest.fixture
def parts(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """A tiny LLaVA and a tiny CLIP."""
    (tmp_path / "llava").mkdir()
    write_llava(MLLM, tmp_path / "llava")
    clip_folder(tmp_path / "clip", tokenizer)
    places = {"language": "llava", "vision": "clip"}
    return [f"model.{name}={(tmp_path / place).as_posix()}" for name, place in places.items()]


def make(make_recipe: MakeRecipe, parts: list[str], *overrides: str) -> SubjectFeatureObjective:
    torch.manual_seed(0)
    objective = build_objective(make_recipe("subject-feature", *parts, *overrides))
    assert isinstance(objective, SubjectFeatureObjective)
    return objective


def test_the_target_is_the_clips_embedding_of_the_picture(make_recipe, parts, tmp_path):
    objective = make(make_recipe, parts)
    batch = objective.batch([3, 1], 0)
    pictures = [objective.source.example(index).target for index in (3, 1)]
    expected = ClipEncoder.from_folder(tmp_path / "clip").embed_images(pictures)
    torch.testing.assert_close(batch.targets, expected)
    again = objective.batch([3, 1], 5)
    torch.testing.assert_close(again.targets, batch.targets)


def test_it_learns_the_mapping_and_nothing_else(make_recipe, parts):
    objective = make(make_recipe, parts)
    before = {name: p.clone() for name, p in objective.chat.module.named_parameters()}
    told = learn(objective, objective.batch(list(range(6)), 0), 40, 1e-2, objective.mapping.parameters())
    assert told[-1]["loss"] < 0.5 * told[0]["loss"]
    assert told[-1]["cosine"] > told[0]["cosine"]
    assert not any(p.requires_grad for p in objective.chat.module.parameters())
    for name, parameter in objective.chat.module.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


def test_the_language_model_learns_where_it_has_a_rate(make_recipe, parts):
    objective = make(make_recipe, parts, "tune={language: 1e-3}")
    loss, _ = objective.loss(objective.batch([0, 1], 0))
    loss.backward()
    moved = {
        name: any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
        for name, part in objective.parts.items()
    }
    assert moved == {"mapping": True, "language": True, "vision": False, "projector": False}


def test_adapters_where_nothing_learns_are_refused(make_recipe, parts):
    with pytest.raises(ConfigError, match=r"lora.parts names language.*set tune.language"):
        make(make_recipe, parts, "lora={parts: [language], rank: 2}")


@pytest.mark.parametrize("rates", [[], ["lora={parts: [language], rank: 2}"]])
def test_what_is_saved_embeds_alike(make_recipe, parts, tmp_path, rates):
    recipe = make_recipe("subject-feature", *parts, "tune={language: 1e-3}", *rates, "run.steps=2")
    train(recipe, lambda: build_objective(recipe))
    final = Path(recipe.run.out) / "final"
    objective = make(make_recipe, parts)
    example = objective.source.example(0)
    wish = SubjectWish(example.reference.on_white(), example.noun, example.prompt)
    reader = SubjectReader(load_llava(final, dtype=torch.float32), read_mapping(final))
    with torch.no_grad():
        trained = reader.embed([reader.encode(wish)])
        untrained = objective.reader.embed([objective.reader.encode(wish)])
    assert trained.shape == untrained.shape
    assert not torch.allclose(trained, untrained)


def test_missing_parts_are_named(make_recipe, parts, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.language None is no folder"):
        make(make_recipe, parts[1:])
    with pytest.raises(ConfigError, match=r"model\.vision None is no folder"):
        make(make_recipe, parts[:1])
    with pytest.raises(CheckpointError, match="train the first stage"):
        read_mapping(tmp_path)
