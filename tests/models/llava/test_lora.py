import json

import pytest
import torch

from gesso.core.errors import CheckpointError, UnsupportedError
from gesso.models.llava.convert import load_llava
from gesso.models.llava.lora import is_lora, merge_lora, read_trained
from models.llava import originals

WEIGHT = "model.layers.0.self_attn.q_proj.weight"
BASE = {WEIGHT: torch.ones(4, 4), "model.mm_projector.0.bias": torch.zeros(2)}
CONFIG = {"r": 2, "lora_alpha": 6, "bias": "none"}


def pair(stem, down, up):
    return {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}


def write(folder, adapter=None, trained=None, **config):
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **config}))
    if adapter is None:
        stem = f"base_model.model.{WEIGHT.removesuffix('.weight')}"
        adapter = pair(stem, torch.ones(2, 4), torch.full((4, 2), 0.5))
    torch.save(adapter, folder / "adapter_model.bin")
    if trained is None:
        trained = {"base_model.model.model.mm_projector.0.bias": torch.full((2,), 7.0)}
    torch.save(trained, folder / "non_lora_trainables.bin")
    return folder


@pytest.mark.parametrize(("extra", "scale"), [({}, 3.0), ({"use_rslora": True}, 6 / 2**0.5)])
def test_adapters_are_added_at_their_scale(tmp_path, extra, scale):
    merged = merge_lora(BASE, write(tmp_path, **extra))
    torch.testing.assert_close(merged[WEIGHT], torch.full((4, 4), 1 + scale))  # B A is all ones
    assert BASE[WEIGHT].eq(1).all()


def test_half_precision_weights_stay_so(tmp_path):
    merged = merge_lora({**BASE, WEIGHT: BASE[WEIGHT].half()}, write(tmp_path))
    assert merged[WEIGHT].dtype == torch.float16


@pytest.mark.parametrize("prefix", ["base_model.model.model.", "base_model.model.", "model."])
def test_weights_trained_in_full_replace_the_bases(tmp_path, prefix):
    folder = write(tmp_path, trained={f"{prefix}mm_projector.0.bias": torch.full((2,), 7.0)})
    assert list(read_trained(folder)) == ["model.mm_projector.0.bias"]
    assert merge_lora(BASE, folder)["model.mm_projector.0.bias"].tolist() == [7, 7]


def test_checkpoint_from_the_middle_of_a_run_is_refused(tmp_path):
    folder = write(tmp_path)
    assert is_lora(folder)
    (folder / "non_lora_trainables.bin").unlink()
    with pytest.raises(CheckpointError, match="from the middle of a LoRA run"):
        merge_lora(BASE, folder)


@pytest.mark.parametrize("config", [{"r": None}, {"r": 0}, {"lora_alpha": "six"}])
def test_a_config_without_a_scale_is_refused(tmp_path, config):
    with pytest.raises(CheckpointError, match=r"r .* and lora_alpha .*; both must be numbers"):
        merge_lora(BASE, write(tmp_path, **config))


@pytest.mark.parametrize("config", [{"use_dora": True}, {"bias": "all"}, {"rank_pattern": {"q_proj": 4}}])
def test_other_adapters_are_refused(tmp_path, config):
    with pytest.raises(UnsupportedError, match=next(iter(config))):
        merge_lora(BASE, write(tmp_path, **config))


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ({"base_model.model.x.lora_A.weight": torch.ones(2, 4)}, "only one of lora_A and lora_B"),
        ({"base_model.model.x.weight": torch.ones(1)}, "no lora_A or lora_B"),
        (
            pair("base_model.model.x", torch.ones(2, 4), torch.ones(4, 2)),
            r"x\.weight, which the base lacks",
        ),
    ],
)
def test_adapters_that_do_not_fit(tmp_path, adapter, message):
    with pytest.raises(CheckpointError, match=message):
        merge_lora(BASE, write(tmp_path, adapter))


def test_adapter_of_another_width(tmp_path):
    with pytest.raises(CheckpointError, match="give the adapter's own base"):
        merge_lora({**BASE, WEIGHT: torch.ones(5, 4)}, write(tmp_path))


def test_adapter_on_the_tower_of_its_base(tmp_path):
    """Runs on a base with its own tower (LLaVA 1.6) put adapters into it as well."""
    weights = originals.weights()
    base = originals.checkpoint(tmp_path / "base", unfreeze_mm_vision_tower=True)
    folder = originals.checkpoint(tmp_path / "lora", {}, unfreeze_mm_vision_tower=True)
    name = "model.vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"
    write(folder, pair(f"base_model.model.{name}", torch.ones(2, 16), torch.ones(16, 2)), {})
    loaded = load_llava(folder, base=base).module.model.vision_tower.encoder.layers[0].self_attn.q_proj.weight
    torch.testing.assert_close(loaded, weights[f"{name}.weight"] + 6)
