"""What vLLM's transformers backend asks of a model folder (its `models/transformers/multimodal.py`), offline.

vLLM itself needs a GPU; here the same questions are put to tiny folders of LLaVA and Mini-Gemini that gesso
saved.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pictures
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedTokenizerFast,
)

import tiny
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.mgm.model import MgmChat
from gesso.models.mgm.processor import MgmProcessor
from models.llava import originals as llava
from models.mgm import originals as mgm

TEXT = "USER: <image>\nwhat? ASSISTANT:"
PICTURES = [Pictures.effect_noise(size, 80).convert("RGB") for size in ((40, 30), (20, 50))]


def with_image_token() -> PreTrainedTokenizerFast:
    """The tests' tokenizer with a token that stands for pictures, in place of one no text gives."""
    plain = tiny.tokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer,
        bos_token=plain.bos_token, eos_token=plain.eos_token,
        pad_token=plain.pad_token, unk_token=plain.unk_token,
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip


def save(folder: Path, family: str) -> Path:
    tokenizer = with_image_token()
    index = tokenizer.convert_tokens_to_ids("<image>")
    if family == "llava":
        of = llava.settings(template="storybook")
        chat: Any = LlavaChat(llava.module(of), LlavaProcessor(tokenizer, of))
    else:
        hd = {"image_size_aux": 64, "image_grid": 2, "image_global": True} if family == "mgm-hd" else {}
        of = mgm.settings(template="storybook", **hd)
        chat = MgmChat(mgm.module(of), MgmProcessor(tokenizer, of))
    chat.module.config.image_token_index = chat.module.config.image_token_id = index
    rows = chat.module.get_input_embeddings().weight.shape[0]
    if index >= rows:
        chat.module.resize_token_embeddings(index + 1, mean_resizing=False)
    chat.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llava", "mgm", "mgm-hd"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    return AutoProcessor.from_pretrained(folder)


def test_auto_classes_find_config_base_and_whole(folder: Path, model: Any) -> None:
    assert type(model.config) is type(AutoConfig.from_pretrained(folder))
    base: Any = AutoModel.from_pretrained(folder, dtype=torch.float32)
    # what vLLM builds, and puts a head of its own on
    assert type(base) is type(model.model)
    pairs = zip(base.state_dict().values(), model.model.state_dict().values(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_attention_can_be_another_s(model: Any) -> None:
    assert model._supports_attention_backend
    # attention of every part goes by name through transformers' table
    model.set_attn_implementation("eager")
    assert model.config.get_text_config()._attn_implementation == "eager"


def test_language_model_and_encoder_are_where_they_are_looked_for(model: Any) -> None:
    language = model.model.language_model
    assert language is model.get_decoder()
    assert len([child for child in language.children() if isinstance(child, nn.ModuleList)]) == 1
    assert model.get_encoder("image") is model.model.vision_tower


def test_the_processor_says_how_many_tokens_pictures_take(processor: Any, model: Any) -> None:
    assert processor.image_token_id == model.config.image_token_id
    sizes = [picture.size[::-1] for picture in PICTURES]
    told = processor._get_num_multimodal_tokens(image_sizes=sizes)
    assert told.num_image_patches == [1, 1]
    inputs = processor(text=[TEXT], images=PICTURES[:1], return_tensors="pt")
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == told.num_image_tokens[0]
    features = model.get_image_features(inputs["pixel_values"], return_dict=True).pooler_output
    assert [len(each) for each in features] == told.num_image_tokens[:1]


def test_replaced_tokens_are_pointed_at(processor: Any) -> None:
    inputs = processor(
        text=[TEXT], images=PICTURES[:1], return_tensors="pt",
        return_mm_token_type_ids=True, return_text_replacement_offsets=True,
    )  # fmt: skip
    pictured = inputs["input_ids"] == processor.image_token_id
    assert torch.equal(inputs["mm_token_type_ids"].bool(), pictured)
    (offset,) = inputs["text_replacement_offsets"][0]
    assert TEXT[slice(*offset["span"])] == processor.image_token
    count = processor._get_num_multimodal_tokens(image_sizes=[(30, 40)]).num_image_tokens[0]
    assert offset["replacement"] == processor.image_token * count
    assert set(processor.image_processor.model_input_names) <= set(inputs)


def test_a_picture_is_the_same_alone_and_among_others(processor: Any, model: Any) -> None:
    together = processor(text=[TEXT, TEXT], images=PICTURES, return_tensors="pt", padding=True)[
        "pixel_values"
    ]
    alone = [processor(text=[TEXT], images=[p], return_tensors="pt")["pixel_values"] for p in PICTURES]
    assert torch.equal(together, torch.cat(alone))
    both = model.get_image_features(together, return_dict=True).pooler_output
    for features, pixels in zip(both, alone, strict=True):
        single = model.get_image_features(pixels, return_dict=True).pooler_output[0]
        assert torch.allclose(features, single, atol=1e-5)


def test_generate_reads_pictures_by_itself(processor: Any, model: Any) -> None:
    inputs = processor(text=[TEXT], images=PICTURES[:1], return_tensors="pt")
    inputs.pop("token_type_ids", None)
    said = model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 3


def test_another_process_finds_the_classes_by_the_entry_point(folder: Path) -> None:
    """vLLM starts processes that import nothing of gesso but what the entry point names."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    named = tomllib.loads(project.read_text())["project"]["entry-points"]["vllm.general_plugins"]["gesso"]
    module, _, function = named.partition(":")
    code = (
        f"import {module}; {module}.{function}()\n"
        "from transformers import AutoConfig, AutoProcessor\n"
        f"AutoConfig.from_pretrained({str(folder)!r}); AutoProcessor.from_pretrained({str(folder)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
