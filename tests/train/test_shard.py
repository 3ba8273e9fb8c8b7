import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image as Pictures
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gesso.config.schema import Recipe
from gesso.core.errors import ConfigError
from gesso.models.checkpoints import open_tensors, weight_files
from gesso.train.launch import launch
from gesso.train.log import read_log
from gesso.train.loop import train
from gesso.train.recipes import build_objective
from gesso.train.shard import check_launcher, check_shard, decoder_layers, make_whole, parted_like, whole
from train.conftest import MakeRecipe
from train.hearing import llava_folder, recipe


def weights(run: Path) -> dict[str, Tensor]:
    """Final weights but the keys' biases, whose gradient is noise (attention ignores them)."""
    tensors = open_tensors(weight_files(run / "final"))
    return {name: tensors[name] for name in tensors if not name.endswith("k_proj.bias")}


def assert_same(run: Path, expected: Path) -> None:
    found, wanted = weights(run), weights(expected)
    assert found.keys() == wanted.keys()
    for name, weight in found.items():
        torch.testing.assert_close(
            weight, wanted[name], rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.usefixtures("forked")
def test_a_spread_model_learns_what_a_whole_one_does_and_goes_on_in_any_form(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path / "tokens")
    common = ("run.steps=4", "run.save_every=2", "optim.lr=1e-3", f"model.tokenizer={tmp_path}/tokens")

    def run(name: str, *settings: str, begin: str | None = None) -> Path:
        out = tmp_path / name
        if begin is not None:
            shutil.copytree(tmp_path / begin / "step-0000002", out / "step-0000002")
        launch(make_recipe("language", *common, *settings, f"run.out={out.as_posix()}"))
        return out

    alone = run("alone", "run.accumulate=2")
    spread = run("fsdp", "run.processes=2", "run.shard=fsdp")
    assert_same(spread, alone)
    norms = [[line["norm"] for line in read_log(out / "log.jsonl")] for out in (spread, alone)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    # any number of processes goes on from it, however they divide the model
    assert_same(run("zero2", "run.processes=2", "run.shard=zero2", begin="fsdp"), alone)
    assert_same(run("again", "run.accumulate=2", begin="fsdp"), alone)
    assert [line["step"] for line in read_log(tmp_path / "again" / "log.jsonl")] == [3, 4]


@pytest.mark.usefixtures("forked")
def test_one_process_may_have_pictures_and_the_other_none(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Both wait for one another's gradients, of the tower as well."""
    base = llava_folder(tmp_path / "llava", tokenizer)
    Pictures.effect_noise((32, 32), 80).convert("RGB").save(tmp_path / "a.png")
    turns = [{"from": "human", "value": "what?"}, {"from": "gpt", "value": "a red fish"}]
    pictured = [{"from": "human", "value": "<image>\nwhat?"}, turns[1]]
    samples = [{"id": "0", "image": "a.png", "conversations": pictured}]
    samples += [{"id": str(n), "conversations": turns} for n in (1, 2, 3)]
    (tmp_path / "data.json").write_text(json.dumps(samples))
    data = {"source": "llava-json", "path": str(tmp_path / "data.json"), "images": str(tmp_path)}

    def run(name: str, **settings: object) -> Path:
        asked: Recipe = recipe(
            tmp_path, "vision-language", model={"init": str(base), "shape": {}}, data=data,
            optim={"lr": 1e-3}, run={"out": str(tmp_path / name), "steps": 2, "batch": 1, **settings},
        )  # fmt: skip
        return launch(asked).parent

    spread = run("spread", processes=2, shard="fsdp")
    assert_same(spread, run("copies", processes=2))
    moved = weights(spread)
    before = open_tensors(weight_files(base))
    towers = [name for name in moved if "vision_tower" in name]
    assert towers
    assert any(not torch.equal(moved[name], before[name]) for name in towers)


@pytest.mark.parametrize(
    ("objective", "settings", "processes", "said"),
    [
        ("language", (), 1, r"run.shard fsdp with one process; start several"),
        ("language", ("optim.muon=2",), 2, r"run.shard fsdp with optim.muon, which moves whole matrices"),
        # averages and losses of several models are not spread
        ("diffusion", (), 2, r"run.shard fsdp for a diffusion recipe; allowed for language, .*leave it out"),
        ("dense", (), 2, r"run.shard fsdp for a dense recipe"),
    ],
)
def test_what_cannot_be_spread_is_refused_by_name(
    make_recipe: MakeRecipe, objective: str, settings: tuple[str, ...], processes: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check_shard(make_recipe(objective, "run.shard=fsdp", *settings), processes)
    check_shard(make_recipe(objective, *settings), processes)


@pytest.mark.parametrize("option", ["deepspeed", "fsdp", "megatron_lm"])
def test_the_launcher_s_own_ways_are_refused_by_name(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    recipe = make_recipe("language")
    monkeypatch.setenv(f"ACCELERATE_USE_{option.upper()}", "true")
    with pytest.raises(ConfigError, match=rf"--use_{option} would change nothing.*set run.shard to zero2"):
        train(recipe, lambda: build_objective(recipe))
    monkeypatch.setenv(f"ACCELERATE_USE_{option.upper()}", "false")
    check_launcher()


def test_layers_of_language_models_alone_are_fetched_one_by_one(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    from gesso.models.llava.convert import load_llava

    module = load_llava(llava_folder(tmp_path, tokenizer)).module
    assert decoder_layers(module) == list(module.model.language_model.layers)
    assert decoder_layers(nn.Linear(2, 2)) == []


def test_what_is_whole_stays_as_it_is() -> None:
    model = LlamaForCausalLM(
        LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    weight = model.lm_head.weight
    state = {"a": [weight, 3], "b": {"c": "d"}}
    assert whole(state, keep=False)["a"][0] is weight
    assert whole(state, keep=True) == state
    assert parted_like(weight, torch.zeros_like(weight)) is weight
    make_whole(model, keep=True)
    assert model.lm_head.weight is weight
