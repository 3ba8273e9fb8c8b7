import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import chat_templates
import tiny
from gesso.canvas.grammar import ReplyShape
from gesso.core.errors import UsageError
from gesso.core.registry import import_target
from gesso.core.sampling import Sampling
from gesso.engines.catalog import find
from gesso.engines.options import LoadOptions
from gesso.engines.plan import Planner, PlanSettings
from gesso.engines.plan_build import STORYBOOK_SETTINGS, build_omost, build_planner, local_planner
from gesso.models.omost.prompts import GENERAL_PROMPT, OMOST_SAMPLING, SYSTEM_PROMPT
from models.bitsandbytes_packing import pack_state

OPTIONS = LoadOptions()
SMALL = ReplyShape(max_regions=2, max_details=1, max_text=4)


def template_folder(folder: Path, name: str = "llama3") -> Path:
    """A tiny language model with a chat template."""
    tokenizer = chat_templates.tokenizer(name)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(
        **sizes,
        vocab_size=len(tokenizer),
        max_position_embeddings=16_384,
        initializer_range=0.4,
        eos_token_id=4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def small(planner: Planner) -> Planner:
    """The same planner with bounds that end a reply soon."""
    settings = PlanSettings(
        system=planner.settings.system, shape=SMALL, sampling=Sampling(max_new_tokens=3000)
    )
    return local_planner(planner.writer.chat, settings, before=" " if planner.settings.system is None else "")


def test_published_models_get_their_own_prompt_and_settings(tmp_path: Path) -> None:
    planner = build_omost(template_folder(tmp_path), OPTIONS)
    assert planner.settings.system == SYSTEM_PROMPT
    assert planner.settings.sampling == OMOST_SAMPLING
    assert planner.settings.shape.layout == "free"
    assert planner.writer.context == 8192
    assert small(planner).plan("a fish").canvas.background


def test_other_models_are_told_at_length(tmp_path: Path) -> None:
    planner = build_planner(template_folder(tmp_path, "phi3-early"), OPTIONS)
    assert planner.settings.system == GENERAL_PROMPT
    assert planner.writer.context == 16_384


def test_models_without_a_template_are_asked_as_the_storybook_does(tmp_path: Path) -> None:
    planner = build_planner(tiny.llama_folder(tmp_path), OPTIONS)
    assert planner.settings == STORYBOOK_SETTINGS
    assert planner.settings.system is None
    assert planner.writer.context == 256


def test_any_causal_model_gives_a_canvas(tmp_path: Path) -> None:
    tiny.llama(positions=4096).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    planner = small(build_planner(tmp_path, OPTIONS))
    plan = planner.plan("a red fish in the sea")
    assert plan.corrections == ()
    edited = planner.plan("make it blue", history=plan.turns)
    assert edited.stats.forced > 0


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_checkpoints_plan_without_bitsandbytes(tmp_path: Path, bits: int) -> None:
    template_folder(tmp_path)
    state = LlamaForCausalLM.from_pretrained(tmp_path).state_dict()
    packed = {key: tensor.contiguous() for key, tensor in pack_state(state, bits=bits).items()}
    save_file(packed, tmp_path / "model.safetensors")
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": bits == 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert small(build_omost(tmp_path, OPTIONS)).plan("a fish").canvas.background


def test_a_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no adapter"):
        build_omost(tmp_path, LoadOptions(base="meta-llama/Meta-Llama-3-8B"))


@pytest.mark.parametrize(
    "name",
    [f"omost-{base}{bits}" for base in ("llama-3-8b", "dolphin-2.9-llama3-8b") for bits in ("", "-4bits")]
    + ["omost-phi-3-mini-128k", "omost-phi-3-mini-128k-8bits"],
)
def test_the_catalogue_runs_every_published_planner(name: str) -> None:
    row = find(name)
    assert row.runnable
    assert row.repository == f"lllyasviel/{name}"
    assert import_target(row.builder) is build_omost
