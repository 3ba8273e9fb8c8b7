import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image as Picture

import tiny
from gesso.core.errors import CheckpointError, UnsupportedError, UsageError
from gesso.core.messages import Audio, Image, assistant, user
from gesso.core.registry import import_target
from gesso.core.sampling import Sampling
from gesso.engines import builders
from gesso.engines.builders import (
    GIVES,
    build_instruct,
    build_llava,
    build_megrez,
    build_mgm,
    build_text_chat,
    builder_for,
    device_of,
    dtype_of,
    is_small,
)
from gesso.engines.chat import Chat
from gesso.engines.options import LoadOptions
from gesso.models.clip import ClipEncoder
from gesso.models.templates import storybook_jinja
from models.megrez import originals as megrez
from models.mgm import originals as mgm

OPTIONS = LoadOptions()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    makers = {"llava": tiny.llava_folder, "llama": tiny.llama_folder, "clip": tiny.clip_folder}
    return {name: maker(tmp_path_factory.mktemp(name)) for name, maker in makers.items()}


def test_a_llava_folder_says_what_the_model_said_before_it_was_saved(folders: dict[str, Path]) -> None:
    chat, before = build_llava(folders["llava"], OPTIONS), tiny.llava()
    picture = Picture.effect_noise((40, 30), 80).convert("RGB")
    messages = [user(Image(picture), "what is this?")]
    sampling = Sampling(max_new_tokens=10)
    assert chat.chat(messages, sampling) == Chat(before, before.processor).chat(messages, sampling)
    assert not chat.model.module.training


def test_llava_refuses_sound(folders: dict[str, Path]) -> None:
    with pytest.raises(UnsupportedError, match="Audio"):
        build_llava(folders["llava"], OPTIONS).chat([user(Audio(b""), "what is this?")])


def test_a_second_turn_with_a_picture_says_the_same_with_and_without_memory(folders: dict[str, Path]) -> None:
    chat = build_llava(folders["llava"], OPTIONS)
    picture = Image(Picture.effect_noise((40, 30), 80).convert("RGB"))
    first = [user(picture, "what is this?")]
    sampling = Sampling(max_new_tokens=10)
    reply = chat.chat(first, sampling).text
    second = [*first, assistant(reply), user("how many?")]
    assert chat.chat(second, sampling) == build_llava(folders["llava"], OPTIONS).chat(second, sampling)


def test_a_language_model_chats_under_the_storybook_template(folders: dict[str, Path]) -> None:
    chat = build_text_chat(folders["llama"], OPTIONS)
    assert chat.chat([user("how many birds?")], Sampling(max_new_tokens=5)).usage.completion_tokens <= 5
    with pytest.raises(UnsupportedError, match="reads text alone"):
        chat.chat([user(Image(Picture.new("RGB", (9, 9))), "what?")])


@pytest.mark.parametrize(("name", "kind"), [("llava", Chat), ("llama", Chat), ("clip", ClipEncoder)])
def test_the_builder_of_a_folder_follows_from_its_config(
    folders: dict[str, Path], name: str, kind: type
) -> None:
    builder = import_target(builder_for(folders[name]))
    assert isinstance(builder(folders[name], OPTIONS), kind)


def test_a_mini_gemini_folder_answers_and_is_known_by_its_config(tmp_path: Path) -> None:
    mgm.chat().save_pretrained(tmp_path)
    builder = import_target(builder_for(tmp_path))
    assert builder is build_mgm
    picture = Image(Picture.effect_noise((40, 30), 80).convert("RGB"))
    answer = builder(tmp_path, OPTIONS).chat([user(picture, "what is this?")], Sampling(max_new_tokens=5))
    assert answer.usage.completion_tokens <= 5
    (tmp_path / "config.json").write_text(json.dumps(mgm.FLAT))
    assert import_target(builder_for(tmp_path)) is build_mgm


def test_megrez_folders_are_found_published_and_saved(tmp_path: Path) -> None:
    published = megrez.write(tmp_path / "published")
    assert import_target(builder_for(published)) is build_megrez
    chat = build_megrez(published, OPTIONS)
    message = user(Audio(megrez.sound(0.2)), Image(Picture.new("RGB", (40, 30))), "what is this?")
    answer = chat.chat([message], Sampling(max_new_tokens=5))
    assert answer.usage.completion_tokens <= 5
    chat.model.save_pretrained(tmp_path / "saved")
    assert import_target(builder_for(tmp_path / "saved")) is build_megrez
    with pytest.raises(UsageError, match="no adapter"):
        build_megrez(published, LoadOptions(base="a/b"))


def test_language_models_chat_under_their_own_template(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["llama"], tmp_path, dirs_exist_ok=True)
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(template)
    chat = build_instruct(tmp_path, OPTIONS)
    assert chat.chat([user("how many?")], Sampling(max_new_tokens=5)).usage.completion_tokens <= 5
    with pytest.raises(UnsupportedError, match="reads text alone"):
        chat.chat([user(Audio(b""), "what?")])


def test_other_folders_are_refused_by_their_type(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="config"):
        builder_for(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UnsupportedError, match="of type 'bert'"):
        builder_for(tmp_path)


@pytest.mark.parametrize(
    ("name", "fields", "template", "builder"),
    [
        ("model", {}, None, "builders:build_text_chat"),
        ("model", {GIVES: "canvas"}, None, "plan_build:build_planner"),
        ("model", {GIVES: "canvas"}, "{{ messages }}", "plan_build:build_omost"),
        ("model", {}, "{{ messages }}", "plan_build:build_planner"),
        ("model", {}, storybook_jinja(), "builders:build_text_chat"),
        ("omost-llama-3-8b", {}, "{{ messages }}", "plan_build:build_omost"),
        ("models--me--Omost-awq/snapshots/1a2b", {}, "{{ messages }}", "plan_build:build_omost"),
        ("omost/models/mine", {}, None, "builders:build_text_chat"),
        ("my-omost", {"model_type": "phi3"}, None, "plan_build:build_planner"),
        ("model", {"model_type": "qwen2"}, "{{ messages }}", "plan_build:build_planner"),
    ],
)
@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_planners_are_told_from_other_language_models(
    tmp_path: Path, name: str, fields: dict[str, str], template: str | None, builder: str, file: str
) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"} | fields))
    if template is not None:
        text = json.dumps({"chat_template": template}) if file.endswith("json") else template
        (folder / file).write_text(text)
    assert builder_for(folder) == f"gesso.engines.{builder}"


@pytest.mark.parametrize("name", ["llama", "clip"])
def test_a_base_for_what_is_no_adapter_is_refused(folders: dict[str, Path], name: str) -> None:
    builder = import_target(builder_for(folders[name]))
    with pytest.raises(UsageError, match="no adapter"):
        builder(folders[name], LoadOptions(base="lmsys/vicuna-7b-v1.5"))


def test_small_models_compute_in_float32_on_a_cpu(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = LoadOptions(device="cpu")
    assert dtype_of(folders["llava"], cpu) is torch.float32
    assert dtype_of(folders["llava"], LoadOptions(dtype="float16")) is torch.float16
    monkeypatch.setattr(builders, "SMALL", 1)
    assert dtype_of(folders["llava"], cpu) is torch.bfloat16


def test_an_adapter_is_never_small(tmp_path: Path) -> None:
    assert is_small(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')
    assert not is_small(tmp_path)


def test_a_device_this_machine_lacks_is_refused() -> None:
    assert device_of(LoadOptions(device="cpu")) == torch.device("cpu")
    with pytest.raises(UsageError, match="gesso doctor"):
        device_of(LoadOptions(device="cuda:99"))
