import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from gesso.core.errors import CheckpointError
from gesso.evaluate.likeness import DinoEncoder, Likeness
from gesso.evaluate.tasks.subject import StorybookSubject
from gesso.storybook.draw import draw
from gesso.storybook.subjects import subject_pair

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}


@pytest.fixture(params=["vit", "dinov2"])
def dino(request, tmp_path):
    torch.manual_seed(0)
    if request.param == "vit":
        ViTModel(ViTConfig(**SIZES, intermediate_size=16, patch_size=14), add_pooling_layer=False) \
            .save_pretrained(tmp_path)  # fmt: skip
    else:
        Dinov2Model(Dinov2Config(**SIZES, patch_size=14)).save_pretrained(tmp_path)
    return tmp_path


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 30, 3), dtype=np.uint8))


def test_a_picture_is_most_like_itself(dino):
    measures = Likeness.load("mini-clip", str(dino))
    pair = subject_pair("test", 4, 0)
    true, other = draw(pair.target, 96), draw(subject_pair("test", 4, 9).target, 96)
    same = measures.figures(true, true, pair.prompt)
    assert set(same) == {"clip-i", "clip-t", "dino"}
    assert same["clip-i"] == pytest.approx(1, abs=1e-5)
    assert same["dino"] == pytest.approx(1, abs=1e-5)
    different = measures.figures(other, true, pair.prompt)
    assert different["clip-i"] < 0.99
    assert different["clip-t"] < same["clip-t"]
    assert different["dino"] < same["dino"]


def test_dino_reads_the_class_token_of_the_middle(dino):
    encoder = DinoEncoder.from_folder(dino)
    assert encoder.embed(picture(1)).shape == (16,)
    assert encoder.embed(picture(1)).norm() == pytest.approx(1, abs=1e-5)
    tall = picture(2)
    squashed = tall.resize((30, 30))
    assert not torch.allclose(encoder.embed(tall), encoder.embed(squashed))


def test_what_has_no_weights_is_left_out_by_name(dino):
    assert set(Likeness.load("mini-clip", None).figures(picture(1), picture(2), "a boat")) == {
        "clip-i",
        "clip-t",
    }
    assert "--dino" in StorybookSubject().left_out["dino"]
    assert StorybookSubject().settings()["left_out"] == ["dino"]
    told = StorybookSubject(dino=str(dino))
    assert not told.left_out
    assert len(told.settings()["dino"]) == 16


def test_other_models_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    with pytest.raises(CheckpointError, match="holds a resnet model; DINO is a vit or dinov2"):
        DinoEncoder.from_folder(tmp_path)
