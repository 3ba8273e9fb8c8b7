import json
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gesso.core.errors import ConfigError, TrainingError
from gesso.models.base import IMAGE_INDEX
from gesso.models.llava.convert import load_llava
from gesso.models.mgm.convert import load_mgm
from gesso.train import recipes
from gesso.train.canvas_tokens import canvas_tokens
from gesso.train.loop import train
from gesso.train.objectives.language import LanguageObjective
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.recipes import build_objective
from gesso.train.texts import train_tokenizer
from train.conftest import MakeRecipe


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new tokenizers learn from 10 scenes instead of thousands."""
    monkeypatch.setattr(recipes, "train_tokenizer", partial(train_tokenizer, count=10))


def test_the_stages_of_the_minis_build_on_one_another(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Tower, language model, CLIP, projector, whole LLaVA: one step each, at tiny size."""
    stages = {
        "tower": ("dense",),
        "lm": ("language",),
        "clip": ("contrastive", "model.vision={}/tower/final", "model.tokenizer={}/lm/final"),
        "pretrain": (
            "vision-language", "model.vision={}/clip/final", "model.language={}/lm/final",
            "tune={vision: 0, language: 0}", "data.questions=1", "data.length=2000",
        ),
        "finetune": ("vision-language", "model.init={}/pretrain/final", "data.questions=2"),
    }  # fmt: skip
    for name, (objective, *overrides) in stages.items():
        filled = [override.replace("{}", tmp_path.as_posix()) for override in overrides]
        recipe = make_recipe(objective, "run.steps=1", *filled, f"run.out={tmp_path.as_posix()}/{name}")
        assert train(recipe, lambda recipe=recipe: build_objective(recipe)) == tmp_path / name / "final"
    chat = load_llava(tmp_path / "finetune" / "final")
    assert chat.settings.template == "storybook"
    assert chat.settings.image_size == 32
    own, shared = (AutoTokenizer.from_pretrained(tmp_path / name / "final") for name in ("finetune", "lm"))
    assert own.get_vocab() == shared.get_vocab()


def test_a_new_llava_has_the_weights_of_its_halves(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    tower = build_objective(make_recipe("dense"))
    language = build_objective(make_recipe("language"))
    tower.save(tmp_path / "tower")
    language.save(tmp_path / "lm")
    halves = (f"model.vision={tmp_path.as_posix()}/tower", f"model.language={tmp_path.as_posix()}/lm")
    objective = build_objective(make_recipe("vision-language", *halves))
    assert isinstance(objective, VisionLanguageObjective)
    assert isinstance(language, LanguageObjective)
    model = objective.chat.module.model
    embedded = language.module.get_input_embeddings().weight
    assert torch.equal(model.language_model.get_input_embeddings().weight, embedded)
    assert torch.equal(objective.chat.module.lm_head.weight, embedded)
    first = next(iter(tower.module["tower"].state_dict().values()))
    assert torch.equal(next(iter(model.vision_tower.state_dict().values())), first)
    batch = objective.batch([0, 1], 0)
    assert (batch.rows.ids == IMAGE_INDEX).sum(1).tolist() == [16, 16]
    assert [image.pixels.shape for image in batch.images] == [(1, 3, 32, 32)] * 2
    assert [image.size for image in batch.images] == [(32, 32)] * 2


@pytest.mark.parametrize(
    ("objective", "override", "message"),
    [
        ("contrastive", "model.tokenizer=nowhere", "model.tokenizer nowhere is no folder"),
        ("vision-language", "model.init=nowhere", "model.init is 'nowhere', which is no folder"),
        ("vision-language", "model.vision=.", "give model.init .*, or model.vision and model.language"),
    ],
)
def test_what_a_recipe_stands_on_must_be_there(
    make_recipe: MakeRecipe, objective: str, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_objective(make_recipe(objective, override))


def test_a_planner_is_tuned_and_then_learns_preferences(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """From a language model, over canvases, to pairs of a file: one step each, at tiny size."""
    said = [{"role": "user", "content": "a cat"}]
    answers = ([{"role": "assistant", "content": text}] for text in ("a canvas", "no canvas"))
    pair = {"prompt": said, **dict(zip(("chosen", "rejected"), answers, strict=True))}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair) + "\n", encoding="utf-8")
    stages = {
        "lm": ("language",),
        "sft": ("planning", "model.init={}/lm/final", "model.canvas_tokens=true", "data.length=900"),
        "dpo": ("preference", "model.init={}/sft/final", "data.source=messages", "data.path={}/pairs.jsonl"),
    }
    for name, (objective, *overrides) in stages.items():
        filled = [override.replace("{}", tmp_path.as_posix()) for override in overrides]
        recipe = make_recipe(objective, "run.steps=1", *filled, f"run.out={tmp_path.as_posix()}/{name}")
        assert train(recipe, lambda recipe=recipe: build_objective(recipe)) == tmp_path / name / "final"
    first, last = (AutoTokenizer.from_pretrained(tmp_path / name / "final") for name in ("lm", "dpo"))
    assert len(last) == len(first) + len(canvas_tokens())
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "dpo" / "final").config.vocab_size == len(last)


@pytest.mark.parametrize(
    ("objective", "source"),
    [
        ("language", "messages"),
        ("vision-language", "boxes"),
        ("preference", "boxes"),
        ("planning", "llava-json"),
    ],
)
def test_a_data_source_an_objective_would_ignore_is_refused(
    make_recipe: MakeRecipe, objective: str, source: str
) -> None:
    with pytest.raises(ConfigError, match=rf"data.source {source} for a {objective} recipe; allowed: "):
        build_objective(make_recipe(objective, f"data.source={source}", "data.path=a", "data.images=b"))


def test_settings_of_another_objective_are_refused(make_recipe: MakeRecipe) -> None:
    with pytest.raises(ConfigError, match="preference settings mean nothing to a planning recipe"):
        build_objective(make_recipe("planning", "preference.beta=0.2"))


@pytest.mark.parametrize("objective", ["dense", "judge", "planning"])
@pytest.mark.parametrize("setting", ["rare=0.5", "offsets=false"])
def test_some_scenes_are_for_painters(make_recipe: MakeRecipe, objective: str, setting: str) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"data.{name} is for .* means nothing to a {objective} recipe"):
        build_objective(make_recipe(objective, f"data.{setting}"))


@pytest.mark.parametrize("objective", ["dense", "contrastive", "language"])
def test_a_missing_shape_is_named(make_recipe: MakeRecipe, objective: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.shape"):
        build_objective(make_recipe(objective, "model.shape={}"))


@pytest.mark.parametrize("objective", ["dense", "language"])
def test_an_unknown_size_is_refused(make_recipe: MakeRecipe, objective: str) -> None:
    part = "vision" if objective == "dense" else "language"
    with pytest.raises((ConfigError, TrainingError), match="hiden_size"):
        build_objective(make_recipe(objective, f"model.shape.{part}.hiden_size=64"))


DETAIL = "model.shape={detail: {hidden_sizes: [48, 16, 16, 16], depths: [0, 1, 1, 1]}}"


def test_mini_gemini_grows_out_of_a_llava(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    """A tower that reads signs, then a LLaVA that mines it by adapters: one step each, at tiny size."""
    stages = {
        "tower": ("dense", "model.shape.vision.patch_size=4"),
        "lm": ("language",),
        "llava": ("vision-language", "model.vision={}/tower/final", "model.language={}/lm/final"),
        "signs": ("signs", DETAIL, "data.size=64"),
        "mining": (
            "signs", "model.init={}/llava/final", "model.detail={}/signs/final", "model.high=64",
            "data.size=64",
        ),
        "mgm": (
            "vision-language", "model.init={}/mining/final", "data.size=64", "data.read=true", "data.signs=1",
            "lora={parts: [language], rank: 2}",
            "tune={vision: 0, detail: 1e-3}",
        ),
        "hd": (
            "vision-language", "model.init={}/mgm/final", "data.size=128", "model.aspect=square",
            "model.high=128", "model.grid=2", "model.overview=true",
        ),
    }  # fmt: skip
    for name, (objective, *overrides) in stages.items():
        filled = [override.replace("{}", tmp_path.as_posix()) for override in overrides]
        recipe = make_recipe(objective, "run.steps=1", *filled, f"run.out={tmp_path.as_posix()}/{name}")
        assert train(recipe, lambda recipe=recipe: build_objective(recipe)) == tmp_path / name / "final"
    llava, mgm = load_llava(tmp_path / "llava" / "final"), load_mgm(tmp_path / "mgm" / "final")
    assert mgm.settings.image_size_aux == 64
    assert mgm.settings.template == llava.settings.template
    towers = (chat.module.model.vision_tower.state_dict() for chat in (llava, mgm))
    assert all(torch.equal(old, new) for old, new in zip(*(tower.values() for tower in towers), strict=True))
    first, last = (chat.module.model.language_model.layers[0].mlp.up_proj.weight for chat in (llava, mgm))
    assert torch.linalg.matrix_rank(last - first, atol=1e-6) <= 2
    assert not torch.equal(first, last)
    # what is not adapted stays
    assert torch.equal(llava.module.get_input_embeddings().weight, mgm.module.get_input_embeddings().weight)
    larger = load_mgm(tmp_path / "hd" / "final")
    assert larger.settings.image_aspect_ratio == "square"
    assert larger.module.config.image_seq_length == 5 * mgm.module.config.image_seq_length


def test_signs_are_mined_in_one_view_of_eight_tokens_along_a_side(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """The tiny LLaVA has four."""
    stages = {
        "tower": ("dense",),
        "lm": ("language",),
        "llava": ("vision-language", "model.vision={}/tower/final", "model.language={}/lm/final"),
        "signs": ("signs", DETAIL, "data.size=64"),
    }
    mining = (
        "signs",
        "model.init={}/llava/final",
        "model.detail={}/signs/final",
        "model.high=64",
        "data.size=64",
    )
    for name, (objective, *overrides) in {**stages, "mining": mining}.items():
        filled = [override.replace("{}", tmp_path.as_posix()) for override in overrides]
        recipe = make_recipe(objective, "run.steps=1", *filled, f"run.out={tmp_path.as_posix()}/{name}")
        if name == "mining":
            with pytest.raises(ConfigError, match="pictures have 1 views of 4 tokens"):
                build_objective(recipe)
        else:
            train(recipe, lambda recipe=recipe: build_objective(recipe))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.high=64", "model.high is for a Mini-Gemini"),
        ("model.detail=mini-lm", "model.detail alone is no Mini-Gemini"),
    ],
)
def test_halves_of_a_mini_gemini_are_refused(make_recipe: MakeRecipe, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_objective(make_recipe("vision-language", override))
