import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from PIL import Image as Pictures
from transformers import PreTrainedTokenizerFast

from gesso.core.digests import SHARED
from gesso.core.errors import CheckpointError, ConfigError, TrainingError
from gesso.core.messages import Audio, Image, user
from gesso.models.llava.convert import load_llava
from gesso.models.megrez.convert import load_megrez
from gesso.models.shared import borrow
from gesso.train import speech_store
from gesso.train.loop import train
from gesso.train.megrez import is_megrez, load_or_assemble
from gesso.train.objectives.speech import SpeechObjective
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.recipes import build_objective
from gesso.train.records import MegrezRecords
from gesso.train.saving import save_chat
from models.megrez import originals
from train.hearing import hum, llava_folder, recipe


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> str:
    return str(llava_folder(tmp_path_factory.mktemp("base") / "llava", tokenizer))


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_store, "say", hum)
    monkeypatch.setattr(speech_store, "speech_missing", lambda: None)
    monkeypatch.setattr(speech_store, "SHARD", 2)


def test_a_new_megrez_has_the_llava_s_language_model_and_reads_as_it_does(llava: str, tmp_path: Path) -> None:
    base = load_llava(Path(llava), dtype=torch.float32)
    chat = load_or_assemble(recipe(tmp_path, "distil", model={"init": llava, "vision": llava}))
    ids = torch.tensor([[7, 8, 9, 10, 11]])
    ours, theirs = chat.module(input_ids=ids).logits, base.module(input_ids=ids).logits
    torch.testing.assert_close(ours[..., : theirs.shape[-1]], theirs, atol=1e-4, rtol=1e-4)
    assert chat.processor.tokenizer.convert_tokens_to_ids("<|turn_end|>") == 2
    # words behind a mark are the tokens that the language model met behind a blank
    assert chat.processor.tokenizer.tokenize("<|role_end|>cat")[1].startswith("Ġ")
    assert chat.settings.clip_seconds == 2
    assert not is_megrez(llava)
    assert not is_megrez("nowhere")


def test_every_query_begins_at_its_own_cell(llava: str, tmp_path: Path) -> None:
    module: Any = load_or_assemble(recipe(tmp_path, "distil", model={"init": llava, "vision": llava})).module
    resampler = module.resampler
    patches = torch.randn(1, 16, 128, generator=torch.Generator().manual_seed(0))
    placed = resampler.ln_kv(resampler.kv_proj(patches)) + resampler._positions([(4, 4)], patches)
    _, weights = resampler.attn(resampler.ln_q(resampler.query)[None], placed, placed)
    assert weights[0].argmax(-1).tolist() == list(range(16))
    assert weights[0].diagonal().min() > 0.5


def test_eyes_learn_what_the_teacher_sees_and_only_their_adapters_move(llava: str, tmp_path: Path) -> None:
    lora = {"parts": ["vision"], "rank": 2, "alpha": 2, "train": ["embeddings", "norm"]}
    settings = recipe(
        tmp_path, "distil", model={"init": llava, "vision": llava}, lora=lora, run={"steps": 12, "batch": 4}
    )
    objective: Any = build_objective(settings)
    before = {name: value.clone() for name, value in objective.chat.module.state_dict().items()}
    folder = train(settings, lambda: objective)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    after = objective.chat.module.state_dict()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert not any(name.endswith("base_layer.weight") for name in moved)
    assert any("lora_B" in name for name in moved)
    assert not any(name.startswith(("language_model", "audio")) for name in moved)
    # what is saved has the adapters added in, and sees as the trained one does
    loaded = load_megrez(folder, dtype=torch.float32)
    picture = user(Image(Pictures.linear_gradient("L").resize((32, 32)).convert("RGB")), "?")
    for chat in (loaded, objective.chat):
        chat.module.eval()
    with torch.no_grad():
        expected, found = (chat.embed(chat.processor.encode([picture])) for chat in (objective.chat, loaded))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("spoken")
def test_ears_learn_which_words_are_spoken(llava: str, tmp_path: Path) -> None:
    settings = recipe(
        tmp_path, "speech", model={"init": llava}, run={"steps": 30, "batch": 4}, optim={"lr": 3e-3}
    )
    objective: Any = build_objective(settings)
    assert isinstance(objective, SpeechObjective)
    train(settings, lambda: objective)
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert "[green]" in objective.show(0)


@pytest.mark.usefixtures("spoken")
def test_questions_by_voice_train_as_if_each_stood_alone(llava: str, tmp_path: Path) -> None:
    start = train_once(recipe(tmp_path, "speech", model={"init": llava}, run={"steps": 1}))
    settings = recipe(
        tmp_path, "vision-language", model={"init": str(start), "audio": str(start), "shape": {}},
        data={"source": "storybook-speech", "length": 4000}, lora={"parts": ["language"], "rank": 2},
        run={"out": str(tmp_path / "tuned")},
    )  # fmt: skip
    objective: Any = build_objective(settings)
    assert isinstance(objective, VisionLanguageObjective)
    objective.module.eval()
    seen = set()
    for number in range(16):
        batch = objective.batch([0, 1], number)
        seen.add(len(batch.images))
        with torch.no_grad():
            loss, _ = objective.loss(batch)
        assert float(loss) == pytest.approx(_alone(objective, [0, 1], number), rel=1e-4)
    assert seen == {0, 1, 2}  # scenes are asked about, or only heard of
    folder = train_once(settings)
    assert (folder / "config.json").is_file()


@pytest.mark.usefixtures("spoken")
def test_what_is_only_heard_has_no_picture_and_comes_in_any_order(llava: str, tmp_path: Path) -> None:
    start = str(train_once(recipe(tmp_path, "speech", model={"init": llava}, run={"steps": 1})))
    for heard in (0, 1):
        data = {"source": "storybook-speech", "length": 4000, "heard": heard}
        model = {"init": start, "shape": {}}
        objective: Any = build_objective(recipe(tmp_path, "vision-language", model=model, data=data))
        assert len(objective.batch([0, 1, 2], 0).images) == 3 * (1 - heard)
    # of what does not fit into a row, it is not always the same that is left out
    groups = [objective.source.encode(objective.chat.processor, 1, number) for number in range(9)]
    assert len({group[0].ids[-3:] for group in groups}) > 1


def train_once(settings: Any) -> Path:
    return train(settings, lambda: build_objective(settings))


@torch.no_grad()
def _alone(objective: VisionLanguageObjective, examples: list[int], number: int) -> float:
    """Mean over all learned tokens, each conversation run by itself."""
    total, count = 0.0, 0
    for example in examples:
        for encoded in objective.source.encode(objective.chat.processor, example, number):
            embeddings, labels, mask = objective.chat.embed_batch([encoded])
            logits = objective.chat.language_model(inputs_embeds=embeddings, attention_mask=mask).logits
            wanted = labels[:, 1:].flatten()
            total += float(
                torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), wanted, reduction="sum")
            )
            count += int((wanted != -100).sum())
    return total / count


def _records(folder: Path) -> Path:
    Pictures.effect_noise((40, 30), 80).convert("RGB").save(folder / "a.png")
    soundfile.write(folder / "a.wav", originals.sound(0.5), 24_000)
    turns = [
        [{"text": "what?", "image": "a.png"}, {"text": "a fish"}],
        [{"text": "what is said?", "audio": "a.wav"}, {"text": "hello"}],
        [{"text": "both", "image": "a.png", "audio": "a.wav"}, {"text": "yes"}],
        [{"text": "say no"}, {"text": "no"}],
    ]
    lines = [
        {"conversations": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said in turns
    ]
    path = folder / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", "utf-8")
    return path


@pytest.mark.usefixtures("spoken")
def test_records_of_all_kinds_train_together(llava: str, tmp_path: Path) -> None:
    start = train_once(recipe(tmp_path, "speech", model={"init": llava}, run={"steps": 1}))
    path = _records(tmp_path)
    settings = recipe(
        tmp_path, "vision-language", model={"init": str(start), "shape": {}},
        data={"source": "records", "path": str(path), "images": str(tmp_path)},
        run={"out": str(tmp_path / "tuned"), "steps": 20, "batch": 4},
        tune={"vision": 0.0, "audio": 0.0},
    )  # fmt: skip
    train_once(settings)
    rows = [json.loads(line) for line in (tmp_path / "tuned" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.3 * rows[0]["loss"]


def test_records_name_what_is_wrong_with_their_line(tmp_path: Path) -> None:
    path = _records(tmp_path)
    records = MegrezRecords(path, tmp_path)
    assert len(records) == 4
    assert records.messages(2)[0] == user(Image(tmp_path / "a.png"), Audio(tmp_path / "a.wav"), "both")
    turn = '{"role": "user", "content": {"text": "a"}}'
    for line, said in (
        ("{", "line 1"),
        ("[]", "a list of two turns"),
        (f'{{"conversations": [{turn}, {turn}]}}', "no turn of the assistant"),
        (f'{{"conversations": [{turn}, {{"role": "bot", "content": "b"}}]}}', "role 'bot'"),
        (f'{{"conversations": [{turn}, {{"role": "user", "content": {{"image": 3}}}}]}}', "give a path"),
        ("", "holds no records"),
    ):
        path.write_text(line, "utf-8")
        with pytest.raises(TrainingError, match=said):
            MegrezRecords(path, tmp_path)
    with pytest.raises(TrainingError, match="cannot read"):
        MegrezRecords(tmp_path / "none.jsonl", tmp_path)


def test_settings_that_do_not_fit_are_refused(llava: str, tmp_path: Path) -> None:
    answers = partial(recipe, tmp_path, "vision-language", model={"init": llava})
    for settings, said in (
        (recipe(tmp_path, "distil", model={"vision": llava}), "model.init is missing"),
        (recipe(tmp_path, "distil", model={"init": llava}), "model.vision is missing"),
        (
            answers(data={"source": "storybook-speech"}),
            "ears",
        ),
        (
            recipe(tmp_path, "distil", model={"init": llava, "vision": llava}, lora={"parts": ["nose"]}),
            "lora.parts names nose",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            build_objective(settings)


def test_weights_of_another_folder_are_borrowed_and_read_back(llava: str, tmp_path: Path) -> None:
    lora = {"parts": ["vision", "language"], "rank": 2, "alpha": 2, "train": ["norm"]}
    chat = load_or_assemble(recipe(tmp_path, "distil", model={"init": llava, "vision": llava}, lora=lora))
    for name, parameter in chat.module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path / "models" / "ours"
    lender = tmp_path / "models" / "lender"
    save_chat(chat, folder)
    load_llava(Path(llava), dtype=torch.float16).save_pretrained(lender)
    whole = load_megrez(folder, dtype=torch.float32).module.state_dict()
    size = (folder / "model.safetensors").stat().st_size
    assert borrow(folder, lender / "model.safetensors") > 20
    assert (folder / "model.safetensors").stat().st_size < size / 3
    found = load_megrez(folder, dtype=torch.float32).module.state_dict()
    for name, value in whole.items():
        scale = max(1e-3, float(value.abs().max()))
        assert float((found[name] - value).abs().max()) < 3e-3 * scale, name
    (lender / "model.safetensors").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="missing or another file"):
        load_megrez(folder)
    assert (folder / SHARED).is_file()
