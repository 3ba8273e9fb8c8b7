"""Checks of MoMA's language model against the original's: adapter file, embedding, positions of a subject."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from PIL import Image as Pictures
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from gesso.core.errors import UsageError
from gesso.diffusion.encode import PromptEncoder
from gesso.diffusion.subject_adapter import SubjectAdapter, attention_layers
from gesso.diffusion.subjects import subject_positions
from gesso.media.subjects import prepare_reference
from gesso.models.llava.convert import load_llava
from gesso.models.llava.towers import TOWER_PREFIX
from gesso.models.moma.adapter_file import AdapterFile, read_adapter, write_adapter
from gesso.models.moma.model import SubjectReader, SubjectWish, moma_prompt
from gesso.models.moma.modules import PictureProjection, SubjectMapping

__all__ = ["CHECKS", "write_llava"]

TOLERANCE: Final = 1e-4
"""Largest difference, as a share of the largest value."""


def check_adapter_file(case: Path) -> None:
    """Every tensor of the nested file, each layer's place in the UNet, and the way through our own file."""
    settings, expected = _json(case / "case.json"), _json(case / "expected.json")
    tensors = load_file(case / "expected.safetensors")
    file = read_adapter(case / "attn_adapters_projectors.th")
    unet = UNet2DConditionModel(**settings["config"]["unet"], norm_num_groups=2, attention_head_dim=2)
    adapter = SubjectAdapter.of_tensors(unet, file.attention)
    places = {name.removesuffix(".processor"): row for name, row in expected["processors"].items()}
    layers = attention_layers(unet)
    assert [places[name]["index"] for name in layers] == list(range(len(layers)))
    for number, (name, attn) in enumerate(layers.items()):
        layer = adapter.reference(attn) if places[name]["kind"] == "self" else adapter.pictures(attn)
        found = layer.state_dict()
        assert {key: list(t.shape) for key, t in found.items()} == places[name]["keys"]
        for key, tensor in found.items():
            assert torch.equal(tensor, tensors[f"self_cross_attentions/{number}.{key}"].float())
    _check_round_trip(file, tensors)


def _check_round_trip(file: AdapterFile, tensors: dict[str, Tensor]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "adapter.safetensors"
        write_adapter(path, file)
        written = load_file(path)
    assert set(written) == set(tensors)
    for key, tensor in tensors.items():
        assert torch.equal(written[key].float(), tensor.float()), key


def check_mllm(case: Path) -> None:
    """From picture, mask, noun and prompt to picture tokens, by way of every state of the language model."""
    settings, expected = _json(case / "case.json")["config"], load_file(case / "expected.safetensors")
    weights = load_file(case / "weights.safetensors")
    image, mask = (Pictures.open(case / name) for name in ("reference.png", "reference_mask.png"))
    reference = prepare_reference(image, mask, fit="squash")
    assert np.array_equal(reference.mask, np.asarray(Pictures.open(case / "mask_512.png")))
    assert int(reference.mask.sum()) == int(expected["mask_sum"])
    white = reference.on_white()
    assert np.array_equal(np.asarray(white), np.asarray(Pictures.open(case / "white_background_512.png")))
    means = torch.from_numpy(np.asarray(reference.image, np.float32)).permute(2, 0, 1).mean(dim=2)
    _close(means[None] / 127.5 - 1, expected["image_row_means"], "image_row_means")
    reader = _reader(case, settings, weights)
    projection = PictureProjection(settings["mapping"][1], settings["cross_attention_dim"])
    projection.load_state_dict(_under(weights, "projectors/"))
    _check_reader(reader, projection, white, _json(case / "expected.json"), expected)


def _check_reader(
    reader: SubjectReader,
    projection: PictureProjection,
    white: Pictures.Image,
    rows: list[dict[str, Any]],
    expected: dict[str, Tensor],
) -> None:
    wishes = [SubjectWish(white, row["subject"], row["prompt"]) for row in rows]
    with torch.no_grad():
        together = reader.embed([reader.encode(wish) for wish in wishes])
        for number, (row, wish) in enumerate(zip(rows, wishes, strict=True)):
            assert moma_prompt(row["subject"], row["prompt"]) == row["mllm_prompt"]
            encoded = reader.encode(wish)
            assert list(encoded.ids) == row["input_ids"]
            _close(encoded.images[0].pixels, expected["pixel_values"], "pixel_values")
            states = reader.states([encoded])[0]
            assert len(states) == row["sequence_length"]
            _close(states[None], expected[f"{number}.last_hidden"], "last_hidden")
            _close(reader.embed([encoded]), expected[f"{number}.embedding"], "embedding")
            _close(together[number : number + 1], expected[f"{number}.embedding"], "embedding in a batch")
            _close(projection(together[number : number + 1]), expected[f"{number}.tokens"], "tokens")
        _close(projection(torch.zeros_like(together[:1])), expected["tokens_uncond"], "tokens_uncond")


def _reader(case: Path, settings: dict[str, Any], weights: dict[str, Tensor]) -> SubjectReader:
    with tempfile.TemporaryDirectory() as place:
        write_llava(case, Path(place))
        chat = load_llava(place)
    mapping = SubjectMapping(*settings["mapping"])
    mapping.load_state_dict(_under(weights, "llm_mapping/mapping."))
    return SubjectReader(chat, mapping)


def write_llava(case: Path, folder: Path) -> None:
    """The language model of a case as a folder in the original's form, with its tower beside."""
    settings = _json(case / "case.json")["config"]
    for path in (case / "tokenizer").iterdir():
        shutil.copyfile(path, folder / path.name)
    config = {
        **settings["llava"],
        "model_type": "llava",
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_vision_tower": "tower",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    language = _under(load_file(case / "weights.safetensors"), "mllm.")
    save_file(language, folder / "model.safetensors")
    tower = folder / "tower"
    tower.mkdir()
    vision = {**settings["vision"], "model_type": "clip_vision_model"}
    (tower / "config.json").write_text(json.dumps(vision), encoding="utf-8")
    side = settings["vision"]["image_size"]
    pixels = {"size": {"shortest_edge": side}, "crop_size": side, "resample": 3,
              "image_mean": settings["image_mean"], "image_std": settings["image_std"]}  # fmt: skip
    (tower / "preprocessor_config.json").write_text(json.dumps(pixels), encoding="utf-8")
    own = {key: tensor.contiguous() for key, tensor in _under(language, TOWER_PREFIX).items()}
    save_file(own, tower / "model.safetensors")


def check_subject_index(case: Path) -> None:
    """The text's ids, and where in them the subject is named; what the original fails at works."""
    tokenizer = AutoTokenizer.from_pretrained(case / "tokenizer")
    expected = _json(case / "expected.json")
    size = len(tokenizer)
    encoder = CLIPTextModel(CLIPTextConfig(vocab_size=size, hidden_size=8, intermediate_size=8,
                                           num_hidden_layers=1, num_attention_heads=1))  # fmt: skip
    prompts = PromptEncoder((tokenizer,), (encoder,))
    for row in expected["rows"]:
        assert f"photo of a {row['subject']}. {row['prompt']}" == row["text"]
        ids = prompts.plain(row["text"], torch.ones(1, 1)).ids
        assert ids.tolist() == row["input_ids"]
        assert subject_positions(tokenizer, ids, row["subject"]).tolist() == row["subject_indices"]
    ids = prompts.plain("photo of an old car. in the snow", torch.ones(1, 1)).ids
    for subject, _ in expected["reference_errors"]:
        plain = " ".join(subject.split())
        found = subject_positions(tokenizer, ids, subject)
        assert torch.equal(found, subject_positions(tokenizer, ids, plain))
    try:
        subject_positions(tokenizer, ids, " ")
    except UsageError:
        return
    raise AssertionError("a subject without a name was taken")


def _close(found: Tensor, expected: Tensor, what: str) -> None:
    assert found.shape == expected.shape, what
    largest = float((found - expected).abs().max())
    assert largest <= TOLERANCE * float(expected.abs().max()), f"{what} differs by {largest}"


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


CHECKS: Final[dict[str, Callable[[Path], None]]] = {
    "moma/adapter-file": check_adapter_file,
    "moma/mllm": check_mllm,
    "moma/subject-index": check_subject_index,
}
