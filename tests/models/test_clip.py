import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import processors
from transformers import CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

import tiny
from gesso.core.errors import CheckpointError
from gesso.models.clip import ClipEncoder, PictureEncoder

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP whose tokenizer writes the beginning of a text only, as the minis' does."""
    path = tiny.clip_folder(tmp_path_factory.mktemp("clip"))
    _tokenizer("<s> $A").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClipEncoder:
    return ClipEncoder.from_folder(folder)


def _tokenizer(template: str) -> PreTrainedTokenizerFast:
    """The tiny tokenizer, framing texts as the template says."""
    backend = type(tiny.tokenizer()._tokenizer).from_str(tiny.tokenizer()._tokenizer.to_str())
    special = [("<s>", 0), ("</s>", 1)]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def _picture(width: int = 28, height: int = 28, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _normalised(picture: Image.Image) -> torch.Tensor:
    scaled = torch.from_numpy(np.array(picture)).float() / 255
    return ((scaled - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]  # [1, 3, S, S]


def test_embeddings_are_unit_vectors_of_one_space(encoder: ClipEncoder) -> None:
    images = encoder.embed_images([_picture(), _picture(seed=1)])
    texts = encoder.embed_texts(["the sea", "a red fish swims in the sea", "你好"])
    assert images.shape == (2, encoder.model.config.projection_dim)
    assert texts.shape == (3, encoder.model.config.projection_dim)
    assert torch.allclose(torch.cat([images, texts]).norm(dim=-1), torch.ones(5), atol=1e-5)


def test_pictures_are_embedded_as_transformers_does(encoder: ClipEncoder) -> None:
    picture = _picture()
    with torch.no_grad():
        expected = encoder.model.get_image_features(_normalised(picture)).pooler_output[0]
    assert torch.allclose(encoder.embed_images([picture])[0], expected / expected.norm(), atol=1e-5)


def test_larger_pictures_are_resized_bicubic_and_cut_in_the_middle(encoder: ClipEncoder) -> None:
    large = _picture(112, 56)
    small = large.resize((56, 28), Image.Resampling.BICUBIC).crop((14, 0, 42, 28))
    assert torch.allclose(encoder.embed_images([large]), encoder.embed_images([small]), atol=1e-5)


def test_texts_are_embedded_between_both_ends_as_transformers_does(encoder: ClipEncoder) -> None:
    ids = torch.tensor([[0, *tiny.tokenizer().encode("the red fish"), 1]])
    with torch.no_grad():
        expected = encoder.model.get_text_features(ids).pooler_output[0]
    assert torch.allclose(encoder.embed_texts(["the red fish"])[0], expected / expected.norm(), atol=1e-5)


def test_company_does_not_change_a_text(encoder: ClipEncoder) -> None:
    alone = encoder.embed_texts(["the sea"])[0]
    beside = encoder.embed_texts(["a blue house stands on the meadow", "the sea"])[1]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_a_tokenizer_that_writes_both_ends_is_used_as_it_is(encoder: ClipEncoder) -> None:
    full = ClipEncoder(encoder.model, _tokenizer("<s> $A </s>"))
    for texts in (["the sea", "a blue house"], ["how many birds are there? " * 40]):
        assert torch.allclose(full.embed_texts(texts), encoder.embed_texts(texts), atol=1e-6)


def test_long_texts_are_cut_and_keep_their_end(encoder: ClipEncoder) -> None:
    long = "how many birds are there? " * 40
    longest = encoder.model.config.text_config.max_position_embeddings
    ids = torch.tensor([[0, *tiny.tokenizer().encode(long)[: longest - 2], 1]])
    with torch.no_grad():
        expected = encoder.model.get_text_features(ids).pooler_output[0]
    found = encoder.embed_texts([long, long + "three"])
    assert torch.allclose(found[0], expected / expected.norm(), atol=1e-5)
    assert torch.allclose(found[0], found[1], atol=1e-6)


def test_a_folder_may_bring_its_own_normalisation(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path)
    flat = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=28, **flat).save_pretrained(tmp_path)
    encoder = ClipEncoder.from_folder(tmp_path)
    pixels = torch.from_numpy(np.array(_picture())).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        expected = encoder.model.get_image_features(pixels).pooler_output[0]
    assert torch.allclose(encoder.embed_images([_picture()])[0], expected / expected.norm(), atol=1e-5)


def test_half_precision_gives_float32_close_to_the_whole(folder: Path, encoder: ClipEncoder) -> None:
    half = ClipEncoder.from_folder(folder, dtype=torch.bfloat16, name="half")
    assert half.name == "half"
    assert encoder.name == folder.name
    vectors = half.embed_images([_picture()])
    assert vectors.dtype == torch.float32
    assert float(vectors[0] @ encoder.embed_images([_picture()])[0]) > 0.99


def test_folders_that_hold_no_clip_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        ClipEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(CheckpointError, match="holds a llama model"):
        ClipEncoder.from_folder(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match="cannot load the CLIP"):
        ClipEncoder.from_folder(tmp_path)


def test_missing_weights_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 weights, text_projection\.weight"):
        ClipEncoder.from_folder(tmp_path)


def test_what_transformers_saves_is_what_is_loaded(encoder: ClipEncoder, tmp_path: Path) -> None:
    encoder.model.save_pretrained(tmp_path)
    again = CLIPModel.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), encoder.model.parameters(), strict=True))


def _copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())


def test_the_picture_side_alone_embeds_as_the_whole(folder: Path, tmp_path: Path) -> None:
    whole = CLIPModel.from_pretrained(folder).eval()
    image = Image.effect_noise((50, 40), 60).convert("RGB")
    encoder = PictureEncoder.from_folder(folder)
    pixels = encoder.pixels([image])
    with torch.no_grad():
        pooled = whole.vision_model(pixels).pooler_output
        expected = whole.visual_projection(pooled)  # not of unit length
        torch.testing.assert_close(encoder.embed(pixels), expected)
    assert encoder.width == expected.shape[1]
    # as it is published beside IP-Adapters: one folder for the picture side
    encoder.model.save_pretrained(tmp_path)
    again = PictureEncoder.from_folder(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again.embed(again.pixels([image])), expected)


def test_a_folder_without_a_picture_side_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip_text_model"}))
    with pytest.raises(CheckpointError, match="holds a clip_text_model model; a CLIP is needed"):
        PictureEncoder.from_folder(tmp_path)
