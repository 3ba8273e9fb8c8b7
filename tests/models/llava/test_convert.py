import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText, LlavaForConditionalGeneration

import tiny
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.core.messages import Image, user
from gesso.models.llava.convert import load_llava
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.processor import LlavaProcessor
from models.llava import originals

UNPAD = {
    "image_aspect_ratio": "anyres",
    "patch_merge_type": "spatial_unpad",
    "image_grid_pinpoints": ((28, 56), (56, 28)),
}
TOWER_KEYS = "model.vision_tower.vision_tower.vision_model."


def tower_weight(chat):
    """A weight of the loaded tower; transformers 5 has no `vision_model` level in memory."""
    return chat.module.state_dict()["model.vision_tower.encoder.layers.0.mlp.fc1.weight"]


def logits(chat, *content):
    with torch.inference_mode():
        embeddings = chat.embed(chat.processor.encode([user(*content)]))
        return chat.language_model(inputs_embeds=embeddings[None]).logits[0]


def test_flat_config_is_not_taken_for_transformers_nested_one(tmp_path):
    folder = originals.checkpoint(tmp_path)
    assert AutoConfig.from_pretrained(folder).text_config.hidden_size == 4096  # the trap
    chat = load_llava(folder)
    assert type(chat.module) is LlavaForConditionalGeneration
    assert chat.module.config.text_config.hidden_size == 32
    assert chat.settings == originals.settings()


def test_vocabulary_stays_and_pictures_get_an_id_no_text_gives(tmp_path):
    chat = load_llava(originals.checkpoint(tmp_path))
    assert len(chat.module.get_input_embeddings().weight) == len(tiny.tokenizer())
    assert chat.module.config.image_token_index == 0


def test_tower_keys_of_the_file_are_ignored_without_the_flag(tmp_path):
    folder = originals.checkpoint(tmp_path)
    outside = load_file(folder / "tower" / "model.safetensors")
    wanted = outside["vision_model.encoder.layers.0.mlp.fc1.weight"]
    assert torch.equal(tower_weight(load_llava(folder)), wanted)


def test_tower_keys_of_the_file_are_used_with_the_flag(tmp_path):
    folder = originals.checkpoint(tmp_path, unfreeze_mm_vision_tower=True)
    wanted = load_file(folder / "model.safetensors")[f"{TOWER_KEYS}encoder.layers.0.mlp.fc1.weight"]
    assert torch.equal(tower_weight(load_llava(folder)), wanted)


def test_flag_without_tower_keys_is_refused(tmp_path):
    tensors = {k: t for k, t in originals.weights().items() if not k.startswith(TOWER_KEYS)}
    folder = originals.checkpoint(tmp_path, tensors, unfreeze_mm_vision_tower=True)
    with pytest.raises(CheckpointError, match="unfreeze_mm_vision_tower is true"):
        load_llava(folder)


def test_missing_tower_is_refused_and_can_be_given(tmp_path):
    folder = originals.write(tmp_path / "model", originals.weights())
    with pytest.raises(CheckpointError, match="tower is neither a folder nor a repository"):
        load_llava(folder)
    originals.write_tower(tmp_path / "elsewhere")
    assert load_llava(folder, tower=tmp_path / "elsewhere").settings.grid_side == 4


def test_tower_of_a_whole_clip_is_its_vision_half(tmp_path):
    folder = originals.checkpoint(tmp_path)
    whole = {"model_type": "clip", "vision_config": originals.TOWER, "text_config": {}}
    (folder / "tower" / "config.json").write_text(json.dumps(whole))
    assert load_llava(folder).module.config.vision_config.hidden_size == 16


def test_unknown_and_missing_keys_are_named(tmp_path):
    tensors = originals.weights()
    folder = originals.checkpoint(tmp_path, {**tensors, "model.resampler.weight": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"no place for: model\.resampler\.weight"):
        load_llava(folder)
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: model\.language_model\.norm\.weight"):
        load_llava(folder)


def test_derived_buffers_are_dropped(tmp_path):
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
        f"{TOWER_KEYS}embeddings.position_ids": torch.arange(17)[None],
    }
    folder = originals.checkpoint(tmp_path, {**originals.weights(), **extra}, unfreeze_mm_vision_tower=True)
    plain = originals.checkpoint(tmp_path / "plain", unfreeze_mm_vision_tower=True)
    assert torch.equal(logits(load_llava(folder), "hello"), logits(load_llava(plain), "hello"))


@pytest.mark.parametrize("form", ["bin", "safetensors"])
def test_shards_load_like_one_file(tmp_path, form):
    tensors = originals.weights()
    folder = originals.checkpoint(tmp_path / "a", {})
    half = len(tensors) // 2
    stem, write = ("pytorch_model", torch.save) if form == "bin" else ("model", save_file)
    parts = [dict(list(tensors.items())[:half]), dict(list(tensors.items())[half:])]
    names = [f"{stem}-0000{n}-of-00002.{form}" for n in (1, 2)]
    for name, part in zip(names, parts, strict=True):
        write(part, folder / name)
    index = {"weight_map": {key: name for name, part in zip(names, parts, strict=True) for key in part}}
    (folder / f"{stem}.{form}.index.json").write_text(json.dumps(index))
    whole = load_llava(originals.checkpoint(tmp_path / "b")).module.state_dict()
    for name, tensor in load_llava(folder).module.state_dict().items():
        assert torch.equal(tensor, whole[name]), name
    (folder / names[1]).unlink()
    with pytest.raises(CheckpointError, match=names[1]):
        load_llava(folder)


def test_dtype_is_the_checkpoints_unless_asked(tmp_path):
    halved = {key: tensor.half() for key, tensor in originals.weights().items()}
    folder = originals.checkpoint(tmp_path, halved)
    assert {p.dtype for p in load_llava(folder).module.parameters()} == {torch.float16}
    single = load_llava(folder, dtype=torch.float32)
    assert {p.dtype for p in single.module.parameters()} == {torch.float32}
    assert logits(single, "hi").dtype == torch.float32


def test_anyres_checkpoint_becomes_llava_next_with_transposed_canvases(tmp_path):
    tensors = originals.weights(originals.settings(**UNPAD))
    assert "model.image_newline" in tensors
    chat = load_llava(originals.checkpoint(tmp_path, tensors, **originals.ANYRES))
    assert chat.module.config.model_type == "llava_next"
    assert chat.module.config.image_grid_pinpoints == [[56, 28], [28, 56], [56, 56]]
    assert chat.settings.image_grid_pinpoints == ((28, 56), (56, 28), (56, 56))


def test_newline_is_required_for_unpadding_and_dropped_otherwise(tmp_path):
    with pytest.raises(CheckpointError, match=r"missing: model\.image_newline"):
        load_llava(originals.checkpoint(tmp_path / "a", **originals.ANYRES))
    extra = {**originals.weights(), "model.image_newline": torch.ones(32)}
    chat = load_llava(originals.checkpoint(tmp_path / "b", extra))
    assert not hasattr(chat.module.model, "image_newline")


def test_pinpoints_may_be_text(tmp_path):
    changes = {"mm_patch_merge_type": "flat", "image_grid_pinpoints": "[(28, 56), (56, 28)]"}
    tensors = originals.weights(originals.settings(**{**UNPAD, "patch_merge_type": "flat"}))
    chat = load_llava(originals.checkpoint(tmp_path, tensors, **{**originals.ANYRES, **changes}))
    assert chat.settings.image_grid_pinpoints == ((28, 56), (56, 28))


@pytest.mark.parametrize("kind", ["linear", "mlp1x_gelu", "mlp3x_gelu"])
def test_projectors_that_transformers_lacks(tmp_path, kind):
    of = originals.settings(projector_type=kind)
    chat = load_llava(originals.checkpoint(tmp_path / "a", originals.weights(of), mm_projector_type=kind))
    expected = originals.weights(of)
    for key, tensor in chat.module.model.multi_modal_projector.state_dict().items():
        assert torch.equal(tensor, expected[f"model.mm_projector.{key}"])
    chat.save_pretrained(tmp_path / "b")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "b")
    assert type(again) is type(chat.module)
    assert load_llava(tmp_path / "b").settings == chat.settings


def test_missing_projector_type_means_linear(tmp_path):
    of = originals.settings(projector_type="linear")
    folder = originals.checkpoint(tmp_path, originals.weights(of), mm_projector_type=...)
    assert load_llava(folder).settings.projector_type == "linear"


def test_picture_tokens_are_added_by_default_with_mean_embeddings(tmp_path):
    tensors = originals.weights()
    rows = len(tensors["lm_head.weight"])
    folder = originals.checkpoint(tmp_path, tensors, mm_use_im_patch_token=..., mm_use_im_start_end=True)
    chat = load_llava(folder)
    tokenizer = chat.processor.tokenizer
    added = ["<im_patch>", "<im_start>", "<im_end>"]
    assert tokenizer.convert_tokens_to_ids(added) == [rows, rows + 1, rows + 2]
    for name, module in (
        ("model.embed_tokens.weight", chat.module.get_input_embeddings()),
        ("lm_head.weight", chat.module.get_output_embeddings()),
    ):
        assert module.weight.shape[0] == chat.module.config.text_config.vocab_size == rows + 3
        assert torch.equal(module.weight[:rows], tensors[name])
        torch.testing.assert_close(module.weight[-1], tensors[name].mean(0))
    assert chat.settings.use_im_start_end


def test_rows_beyond_the_tokenizer_are_kept(tmp_path):
    tensors = originals.weights()
    for key in ("model.embed_tokens.weight", "lm_head.weight"):
        tensors[key] = torch.cat([tensors[key], torch.zeros(4, 32)])
    rows = len(tensors["lm_head.weight"])
    chat = load_llava(originals.checkpoint(tmp_path, tensors, vocab_size=rows))
    assert len(chat.module.get_output_embeddings().weight) == rows


@pytest.mark.parametrize(
    ("changes", "length"),
    [({}, 256), ({"tokenizer_model_max_length": ...}, 2048),
     ({"tokenizer_model_max_length": None, "max_sequence_length": 128}, 128)],
)  # fmt: skip
def test_longest_sequence(tmp_path, changes, length):
    assert load_llava(originals.checkpoint(tmp_path, **changes)).settings.max_length == length


@pytest.mark.parametrize("window", [None, 16])
def test_mistral_keeps_its_sliding_window(tmp_path, window):
    changes = {"model_type": "llava_mistral", "architectures": ["LlavaMistralForCausalLM"]}
    chat = load_llava(originals.checkpoint(tmp_path, **changes, sliding_window=window, rope_theta=1e6))
    text = chat.module.config.text_config
    assert (text.model_type, text.sliding_window) == ("mistral", window)
    assert text.rope_parameters["rope_theta"] == 1e6
    assert chat.settings.template == "mistral_instruct"


def test_projector_alone_needs_its_base(tmp_path):
    tensors = originals.weights()
    base = originals.write(tmp_path / "base", originals.language_only(tensors))
    folder = originals.checkpoint(tmp_path / "projector", {})
    projector = {k: t + 1 for k, t in tensors.items() if "mm_projector" in k}
    torch.save(projector, folder / "mm_projector.bin")
    with pytest.raises(UsageError, match="give base"):
        load_llava(folder)
    chat = load_llava(folder, base=base)
    loaded = chat.module.model.multi_modal_projector.linear_2.weight
    assert torch.equal(loaded, projector["model.mm_projector.2.weight"])


def test_base_of_a_projector_may_be_a_llava_itself(tmp_path):
    base = originals.checkpoint(tmp_path / "base")
    folder = originals.checkpoint(tmp_path / "projector", {})
    projector = {k: t + 1 for k, t in originals.weights().items() if "mm_projector" in k}
    torch.save(projector, folder / "mm_projector.bin")
    loaded = load_llava(folder, base=base).module.model.multi_modal_projector.linear_1.bias
    assert torch.equal(loaded, projector["model.mm_projector.0.bias"])


def test_base_is_refused_where_nothing_needs_it(tmp_path):
    folder = originals.checkpoint(tmp_path / "a")
    with pytest.raises(UsageError, match="complete; leave out base"):
        load_llava(folder, base=folder)
    load_llava(folder).save_pretrained(tmp_path / "b")
    with pytest.raises(UsageError, match="complete; leave out base"):
        load_llava(tmp_path / "b", base=folder)


def test_folder_without_weights(tmp_path):
    folder = originals.checkpoint(tmp_path / "a", {})
    with pytest.raises(CheckpointError, match="has neither weights nor"):
        load_llava(folder, base=originals.checkpoint(tmp_path / "b"))
    torch.save({"model.mm_projector.0.bias": torch.ones(2)}, folder / "mm_projector.bin")
    with pytest.raises(CheckpointError, match="no weight files"):
        load_llava(folder, base=originals.checkpoint(tmp_path / "c", {}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"s2": True}, "multi-scale"), ({"model_type": "llava_qwen", "architectures": ["LlavaQwen"]}, "qwen")],
)
def test_unsupported_kinds_are_refused(tmp_path, changes, message):
    with pytest.raises(UnsupportedError, match=message):
        load_llava(originals.checkpoint(tmp_path, **changes))


def test_config_without_sizes_is_no_llava(tmp_path):
    with pytest.raises(CheckpointError, match="lacks hidden_size"):
        load_llava(originals.checkpoint(tmp_path, hidden_size=...))


def test_folder_without_tokenizer(tmp_path):
    folder = originals.checkpoint(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        load_llava(folder)


@pytest.mark.parametrize("tiled", [False, True])
def test_saved_folder_restores_everything(tmp_path, tiled, grey):
    of = originals.settings(template="storybook", **(UNPAD if tiled else {}))
    chat = LlavaChat(originals.module(of), LlavaProcessor(tiny.tokenizer(), of))
    chat.save_pretrained(tmp_path)
    again = load_llava(tmp_path)
    assert again.settings == chat.settings
    assert again.processor.pixels == replace(chat.processor.pixels, shortest_edge=chat.settings.image_size)
    assert type(again.module) is type(chat.module)
    content = (Image(grey(60, 40)), "what is it?")
    assert torch.equal(logits(again, *content), logits(chat, *content))


def test_transformers_folders_that_gesso_did_not_save(tmp_path):
    for tiled in (False, True):
        of = originals.settings(max_length=512, **(UNPAD if tiled else {}))
        module = originals.module(of)
        del module.config.gesso
        folder = tmp_path / str(tiled)
        module.save_pretrained(folder)
        tiny.tokenizer().save_pretrained(folder)
        assert load_llava(folder).settings == of


def test_transformers_folder_with_a_missing_weight_is_refused(tmp_path):
    chat = LlavaChat(originals.module(), LlavaProcessor(tiny.tokenizer(), originals.settings()))
    chat.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {key: tensor for key, tensor in tensors.items() if not key.endswith("model.norm.weight")}
    assert len(kept) == len(tensors) - 1
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing keys, such as model\.language_model\.norm\.weight"):
        load_llava(tmp_path)


def test_other_models_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "paligemma", "text_config": {}}))
    with pytest.raises(CheckpointError, match="type paligemma; allowed: llava"):
        load_llava(tmp_path)
