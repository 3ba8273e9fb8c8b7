import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import PreTrainedTokenizerFast

from diffusion.tiny_paint import sd15, sdxl
from engines.subjects import disc_mask, reference
from gesso.api import load
from gesso.core.errors import CheckpointError, ConfigError
from gesso.diffusion.save import save_folder
from gesso.evaluate.tasks.subject import StorybookSubject
from gesso.models.moma.ip_adapter_file import read_ip_adapter, write_ip_adapter
from gesso.train.loop import train
from gesso.train.objectives.ip_adapter import IpAdapterObjective
from gesso.train.recipes import build_objective
from train.conftest import MakeRecipe
from train.learning import learn
from train.painting import clip_folder


@pytest.fixture
def parts(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """A tiny CLIP, and a painter of SD 1.5's shape."""
    clip_folder(tmp_path / "clip", tokenizer)
    save_folder(sd15(), tmp_path / "painter")
    return [f"model.{name}={(tmp_path / place).as_posix()}" for name, place in
            {"vision": "clip", "init": "painter"}.items()]  # fmt: skip


def make(make_recipe: MakeRecipe, parts: list[str], *overrides: str) -> IpAdapterObjective:
    torch.manual_seed(0)
    objective = build_objective(make_recipe("ip-adapter", *parts, *overrides))
    assert isinstance(objective, IpAdapterObjective)
    return objective


def test_a_batch_is_the_same_every_time(make_recipe, parts):
    objective = make(make_recipe, parts)
    one, again, other = objective.batch([2, 0], 4), objective.batch([2, 0], 4), objective.batch([2, 0], 5)
    assert one.references.shape == (2, 3, 28, 28)
    assert torch.equal(one.references, again.references)
    assert torch.equal(one.pictures.noise, again.pictures.noise)
    assert not torch.equal(one.pictures.noise, other.pictures.noise)


def test_it_learns_and_the_painter_does_not(make_recipe, parts):
    objective = make(make_recipe, parts, "diffusion={dropout: 0}")
    learned = [p for part in objective.parts.values() for p in part.parameters()]
    told = learn(objective, objective.batch(list(range(4)), 1), 25, 1e-2, learned)
    assert told[-1]["loss"] < 0.95 * told[0]["loss"]
    assert all(p.grad is not None for p in learned)
    frozen = [*objective.painter.model.unet.parameters(), *objective.eyes.model.parameters()]
    assert all(p.grad is None for p in frozen)


def test_what_is_trained_loads_here_and_in_diffusers_and_is_evaluated(make_recipe, parts, tmp_path):
    recipe = make_recipe("ip-adapter", *parts, "run.steps=2")
    train(recipe, lambda: build_objective(recipe))
    final = Path(recipe.run.out) / "final"
    said = json.loads((final / "ip-adapter.json").read_text())
    assert {Path(place).name for place in said.values()} == {"clip", "painter"}
    file = read_ip_adapter(final / "ip-adapter.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "painter")
    pipeline.load_ip_adapter(
        str(final), subfolder="", weight_name="ip-adapter.safetensors", image_encoder_folder=None
    )
    theirs = pipeline.unet.encoder_hid_proj.image_projection_layers[0]
    assert torch.equal(theirs.image_embeds.weight, file.projection.proj.weight)
    keys = [each.to_k_ip[0].weight for each in pipeline.unet.attn_processors.values()
            if hasattr(each, "to_k_ip")]  # fmt: skip
    ours = [t for name, t in file.attention.items() if "to_k" in name]
    assert len(keys) == len(ours)
    assert all(any(torch.equal(key, each) for each in ours) for key in keys)

    model = load(str(final), device="cpu")
    assert model.engine.kind == "ip-adapter"
    seen = model.engine.look(reference(), disc_mask(), "boat")
    settings = model.engine.engine.settings({"steps": 2, "size": (32, 32)})
    weak, strong = (model.engine.paint(seen, "a boat at sea", settings, strength=each)[0].image
                    for each in (0.0, 1.0))  # fmt: skip
    assert weak.tobytes() != strong.tobytes()

    task = StorybookSubject(adapter="ip-adapter", adapter_from=str(final), steps=2)
    task.check(model, 1)
    (samples,) = task.rounds(0, 1, 1)
    (record,) = task.ask(model, samples, 1)
    assert {"subject", "context", "clip-i", "clip-t"} <= set(record.extras)
    assert task.settings()["adapter_from"] != StorybookSubject().settings()["adapter_from"]
    # without a place, the model's own folder is looked into
    stranger = Mock(kind="moma", engine=model.engine.engine)
    stranger.name = str(tmp_path / "painter")
    with pytest.raises(CheckpointError, match="holds no IP-Adapter"):
        StorybookSubject(adapter="ip-adapter").check(SimpleNamespace(name="x", engine=stranger), 1)


def test_an_adapter_learns_on(make_recipe, parts, tmp_path):
    before = make(make_recipe, parts)
    before.save(tmp_path / "adapter")
    file = f"model.features={(tmp_path / 'adapter').as_posix()}"
    after = make(make_recipe, parts, file)
    batch = after.batch([0, 1], 0)
    with torch.no_grad():
        assert after.loss(batch)[1]["error"] == pytest.approx(before.loss(batch)[1]["error"], rel=1e-3)
    after.loss(batch)[0].backward()
    assert all(p.grad is not None for part in after.parts.values() for p in part.parameters())
    narrow = read_ip_adapter(tmp_path / "adapter" / "ip-adapter.safetensors")
    (tmp_path / "narrow").mkdir()
    narrow.projection.proj = torch.nn.Linear(8, narrow.projection.proj.out_features)
    write_ip_adapter(tmp_path / "narrow" / "ip-adapter.safetensors", narrow)
    with pytest.raises(ConfigError, match=r"reads embeddings of 8 numbers.*the CLIP it was trained with"):
        make(make_recipe, parts, f"model.features={(tmp_path / 'narrow').as_posix()}")


def test_missing_parts_are_named(make_recipe, parts):
    for name, said in (("vision", "model.vision None is no folder"), ("init", "model.init None is no")):
        rest = [part for part in parts if not part.startswith(f"model.{name}=")]
        with pytest.raises(ConfigError, match=said):
            make(make_recipe, rest)


def test_an_sdxl_learns_as_well(make_recipe, parts, tmp_path):
    save_folder(sdxl(), tmp_path / "sdxl")
    objective = make(make_recipe, parts, f"model.init={(tmp_path / 'sdxl').as_posix()}")
    loss, _ = objective.loss(objective.batch([0, 1], 0))
    loss.backward()
    assert objective.projection.proj.weight.grad.abs().max() > 0
