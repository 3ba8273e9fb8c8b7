import json

import pytest
import torch

from gesso.core.errors import CheckpointError, UsageError
from gesso.models.mgm.convert import load_mgm
from models.mgm import originals

GEMMA = {"model_type": "mgm_gemma", "architectures": [], "hidden_act": "gelu", "head_dim": 8}
MIXTRAL = {"model_type": "mgm_mixtral", "architectures": [], "num_local_experts": 4, "num_experts_per_tok": 2}


def same(chat, module):
    for (name, one), (other_name, other) in zip(
        chat.module.named_parameters(), module.named_parameters(), strict=True
    ):
        assert name == other_name
        assert torch.equal(one, other), name


def split(tensors):
    """A checkpoint's weights without its towers."""
    towers = originals.towers_of(tensors)
    return {key: tensor for key, tensor in tensors.items() if key not in towers}


def test_a_checkpoint_with_its_towers_needs_the_shape_of_an_unknown_clip_alone(tmp_path):
    tensors = originals.weights()
    originals.write(tmp_path / "mgm", tensors)
    originals.write_clip(tmp_path / originals.CLIP)
    chat = load_mgm(tmp_path / "mgm")
    same(chat, originals.module())
    assert chat.settings == originals.settings()
    assert load_mgm(tmp_path / "mgm", dtype=torch.bfloat16, device="cpu").module.dtype == torch.bfloat16


@pytest.mark.parametrize("place", ["beside", "within", "given"])
def test_missing_towers_come_from_folders_of_their_own(tmp_path, place):
    tensors = originals.weights()
    folder = originals.write(tmp_path / "mgm", split(tensors))
    home = {"beside": tmp_path, "within": folder, "given": tmp_path / "elsewhere"}[place]
    originals.write_clip(home / originals.CLIP, tensors)
    originals.write_openclip(home / originals.OPENCLIP, tensors)
    given = {"tower": home / originals.CLIP, "tower_aux": home / originals.OPENCLIP}
    same(load_mgm(folder, **(given if place == "given" else {})), originals.module())


def test_a_first_stage_is_joined_with_its_base(tmp_path):
    tensors = originals.weights()
    names = ("model.layers", "model.embed", "model.norm", "lm_head")
    language = {key: tensor for key, tensor in tensors.items() if key.startswith(names)}
    folder = originals.write(tmp_path / "first", {})
    torch.save({key: t for key, t in tensors.items() if key not in language}, folder / "mm_projector.bin")
    originals.write_clip(tmp_path / originals.CLIP)
    base = originals.write(tmp_path / "base", language)
    same(load_mgm(folder, base=base), originals.module())
    with pytest.raises(UsageError, match="give base"):
        load_mgm(folder)


def test_a_gemma_shares_its_head_and_ends_answers_at_its_turn(tmp_path):
    tensors = originals.weights(family="gemma")
    originals.write(tmp_path / "mgm", {k: t for k, t in tensors.items() if k != "lm_head.weight"}, **GEMMA)
    originals.write_clip(tmp_path / originals.CLIP)
    chat = load_mgm(tmp_path / "mgm")
    same(chat, originals.module(family="gemma"))
    assert chat.module.config.text_config.hidden_act == "gelu"
    assert chat.settings.template == "gemma"
    assert chat.module.lm_head.weight is chat.module.get_input_embeddings().weight


def test_experts_of_a_mixtral_find_their_places(tmp_path):
    tensors = {}
    for key, tensor in originals.weights(family="mixtral").items():
        if key.startswith("model.layers."):
            key = key.replace(".mlp.", ".block_sparse_moe.")
        if key.endswith("gate_up_proj"):
            for e, both in enumerate(tensor):
                gate, up = both.chunk(2)
                tensors[key.replace("gate_up_proj", f"{e}.w1.weight")] = gate.clone()
                tensors[key.replace("gate_up_proj", f"{e}.w3.weight")] = up.clone()
        elif key.endswith("experts.down_proj"):
            for e, down in enumerate(tensor):
                tensors[key.replace("down_proj", f"{e}.w2.weight")] = down.clone()
        else:
            tensors[key] = tensor
    originals.write(tmp_path / "mgm", tensors, **MIXTRAL)
    originals.write_clip(tmp_path / originals.CLIP)
    same(load_mgm(tmp_path / "mgm"), originals.module(family="mixtral"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"model.extra": torch.ones(1)}, "no place for: model.extra"),
        (
            lambda t: {k: v for k, v in t.items() if "vlm_uni_val" not in k},
            r"missing: .*detail_mining\.value",
        ),
    ],
)
def test_every_key_is_accounted_for(tmp_path, change, message):
    originals.write(tmp_path / "mgm", change(originals.weights()))
    originals.write_clip(tmp_path / originals.CLIP)
    with pytest.raises(CheckpointError, match=message):
        load_mgm(tmp_path / "mgm")


def test_folders_of_other_kinds_and_useless_arguments_are_refused(tmp_path):
    originals.chat().save_pretrained(tmp_path / "saved")
    with pytest.raises(UsageError, match="is complete"):
        load_mgm(tmp_path / "saved", tower="x")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": {}}))
    with pytest.raises(CheckpointError, match="of type llava"):
        load_mgm(tmp_path)
    originals.write(tmp_path / "empty", {})
    with pytest.raises(CheckpointError, match="neither weights"):
        load_mgm(tmp_path / "empty")
    originals.write(tmp_path / "whole", originals.weights())
    with pytest.raises(UsageError, match="leave out base"):
        load_mgm(tmp_path / "whole", base=tmp_path / "empty")
