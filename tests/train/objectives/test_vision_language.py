import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from rich.text import Text
from transformers import CLIPVisionConfig, LlamaConfig, LlavaNextProcessor, PreTrainedTokenizerFast

from gesso.config.schema import DataSettings, OptimSettings
from gesso.core.errors import UsageError
from gesso.core.messages import Image, assistant, user
from gesso.models.base import IGNORE_INDEX, IMAGE_INDEX, Encoded
from gesso.models.llava.export import write_processor
from gesso.models.llava.model import LlavaChat
from gesso.models.llava.modules import build_module, module_config
from gesso.models.llava.processor import LlavaProcessor
from gesso.models.llava.settings import LlavaSettings
from gesso.train.conversations import LlavaJson, StorybookConversations
from gesso.train.objectives.language import show_supervision
from gesso.train.objectives.vision_language import VisionLanguageObjective
from gesso.train.optim import build_optimizers
from gesso.train.pictures import PictureStore

MakeObjective = Callable[..., VisionLanguageObjective]


@pytest.fixture
def chat(tokenizer: PreTrainedTokenizerFast) -> LlavaChat:
    return tiny_chat(
        tokenizer, LlavaSettings(image_size=32, patch_size=8, template="storybook", max_length=2048)
    )


def tiny_chat(tokenizer: PreTrainedTokenizerFast, settings: LlavaSettings) -> LlavaChat:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    text = LlamaConfig(**sizes, vocab_size=len(tokenizer), tie_word_embeddings=True, initializer_range=0.2)
    vision = CLIPVisionConfig(**sizes, image_size=settings.image_size, patch_size=settings.patch_size)
    return LlavaChat(build_module(module_config(settings, vision, text)), LlavaProcessor(tokenizer, settings))


@pytest.fixture
def storybook(chat: LlavaChat, tmp_path: Path) -> MakeObjective:
    def make(**data: Any) -> VisionLanguageObjective:
        settings = DataSettings(count=4, size=32, **{"questions": 3, "length": 2000, **data})
        store = PictureStore(tmp_path, seed=1, count=4, size=32, patch=8)
        return VisionLanguageObjective(chat, StorybookConversations(store, settings), settings)

    return make


@torch.no_grad()
def loss_alone(chat: LlavaChat, conversations: list[Encoded]) -> float:
    """Mean over all learned tokens, each conversation run by itself with transformers' own loss."""
    total, learned = 0.0, 0
    for encoded in conversations:
        embeddings, labels, mask = chat.embed_batch([encoded])
        loss = chat.language_model(inputs_embeds=embeddings, attention_mask=mask, labels=labels).loss
        number = int((labels != IGNORE_INDEX).sum())
        total, learned = total + float(loss) * number, learned + number
    return total / learned


@torch.no_grad()
def test_packed_pictures_learn_what_conversations_learn_alone(storybook: MakeObjective) -> None:
    objective = storybook()
    loss, figures = objective.loss(objective.batch([0, 2, 3], 1))
    alone = [e for index in (0, 2, 3) for e in objective.source.encode(objective.chat.processor, index, 1)]
    assert float(loss) == pytest.approx(loss_alone(objective.chat, alone), rel=1e-5)
    assert figures["tokens"] == sum(sum(encoded.supervised) for encoded in alone)


@torch.no_grad()
def test_samples_with_and_without_pictures_learn_together(chat: LlavaChat, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A red fish."}]
    more = [{"from": "human", "value": "And now?"}, {"from": "gpt", "value": "A blue one."}]
    samples: list[dict[str, Any]] = []
    for number, conversation in enumerate((turns, more, turns + more)):
        samples.append({"conversations": conversation})
        if conversation is not more:
            noise = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
            PILImage.fromarray(noise).save(tmp_path / f"{number}.png")
            samples[-1]["image"] = f"{number}.png"
    (tmp_path / "data.json").write_text(json.dumps(samples), encoding="utf-8")
    source = LlavaJson(tmp_path / "data.json", tmp_path)
    objective = VisionLanguageObjective(chat, source, DataSettings())
    assert objective.examples == 3
    loss, _ = objective.loss(objective.batch([0, 1, 2], 0))
    alone = [e for index in range(3) for e in source.encode(chat.processor, index, 0)]
    assert float(loss) == pytest.approx(loss_alone(chat, alone), rel=1e-5)
    text_alone, _ = objective.loss(objective.batch([1], 0))
    assert float(text_alone) == pytest.approx(loss_alone(chat, alone[1:2]), rel=1e-5)


class Shapes:
    """A source of pictures of several shapes, each with two questions."""

    SIZES = ((32, 20), (16, 16), (11, 40), (20, 32))

    def __len__(self) -> int:
        return len(self.SIZES)

    def encode(self, processor: LlavaProcessor, example: int, number: int) -> list[Encoded]:
        image = Image(self.picture(example))
        pairs = (("What is it?", "A red fish."), ("Where is it?", "In the sea."))
        return processor.encode_group([(user(image, asked), assistant(said)) for asked, said in pairs])

    def picture(self, example: int) -> PILImage.Image:
        width, height = self.SIZES[example]
        noise = np.random.default_rng(example).integers(0, 255, (height, width, 3), np.uint8)
        return PILImage.fromarray(noise)


@pytest.fixture
def anyres(tokenizer: PreTrainedTokenizerFast) -> VisionLanguageObjective:
    """A LLaVA-NeXT of tiles of two by two patches, and pictures of one to four of them."""
    settings = LlavaSettings(
        image_size=16, patch_size=8, template="storybook", max_length=2048, image_aspect_ratio="anyres",
        patch_merge_type="spatial_unpad", image_grid_pinpoints=((16, 32), (32, 16), (32, 32), (16, 48)),
    )  # fmt: skip
    return VisionLanguageObjective(tiny_chat(tokenizer, settings), Shapes(), DataSettings())


def test_tiled_pictures_take_the_positions_that_transformers_counts(
    anyres: VisionLanguageObjective, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    write_processor(tmp_path, tokenizer, anyres.chat.settings, anyres.chat.processor.pixels)
    processor = LlavaNextProcessor.from_pretrained(tmp_path)
    batch = anyres.batch([0, 1, 2, 3], 0)
    assert [len(image.pixels) for image in batch.images] == [5, 3, 4, 5]
    counted = []
    for example in range(4):
        inputs = processor(images=[anyres.source.picture(example)], text="<image>")
        counted.append(sum(token == processor.image_token_id for token in inputs["input_ids"][0]))
    assert (batch.rows.ids == IMAGE_INDEX).sum(1).tolist() == counted
    assert len(set(counted)) == 4


@torch.no_grad()
def test_each_line_of_a_tiled_picture_ends_with_the_newline(anyres: VisionLanguageObjective) -> None:
    batch = anyres.batch([0, 1, 2, 3], 0)
    newline = anyres.chat.module.model.image_newline
    features = anyres.chat.features_of(batch.images)
    ends = [(picture == newline).all(1).nonzero().flatten().tolist() for picture in features]
    # behind the overview's 4 patches: 2 lines of 4 (the canvas has 2 more), 2 of 2, 6 of 2, and
    # 4 of 2 (the canvas is 2 columns wider)
    assert ends == [[8, 13], [6, 9], [6, 9, 12, 15, 18, 21], [6, 9, 12, 15]]
    assert [len(picture) - 1 for picture in features] == [line[-1] for line in ends]


@torch.no_grad()
def test_packed_tiled_pictures_learn_what_conversations_learn_alone(anyres: VisionLanguageObjective) -> None:
    loss, figures = anyres.loss(anyres.batch([0, 1, 2], 0))
    alone = [e for index in range(3) for e in anyres.source.encode(anyres.chat.processor, index, 0)]
    assert float(loss) == pytest.approx(loss_alone(anyres.chat, alone), rel=1e-5)
    assert figures["tokens"] == sum(sum(encoded.supervised) for encoded in alone)


def test_a_step_on_tiled_pictures_moves_every_part_and_lowers_the_loss(
    anyres: VisionLanguageObjective,
) -> None:
    (optimizer,) = build_optimizers(anyres.parts, OptimSettings(lr=1e-3), {})
    batch = anyres.batch([0, 1, 2], 0)
    before, _ = anyres.loss(batch)
    before.backward()
    for name in ("image_newline", "vision_tower.embeddings.patch_embedding.weight"):
        gradient = anyres.module.model.get_parameter(name).grad
        assert gradient is not None
        assert gradient.abs().sum() > 0
    optimizer.step()
    after, _ = anyres.loss(batch)
    assert float(after.detach()) < float(before.detach())


def test_features_without_a_position_are_not_swallowed(
    anyres: VisionLanguageObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anyres.chat, "feature_count", lambda image: 4)  # as if the overview were all
    with pytest.raises(UsageError, match="1 pictures have 14 features for 4 positions"):
        anyres.loss(anyres.batch([0], 0))


def test_rows_keep_to_the_length_of_the_recipe(storybook: MakeObjective) -> None:
    long, short = (storybook(length=length).batch([0, 1], 0).rows.ids for length in (2000, 100))
    assert short.shape[1] < long.shape[1]
    assert (short == IMAGE_INDEX).sum(1).tolist() == [16, 16]


def test_frozen_parts_stand_still_while_the_projector_learns(storybook: MakeObjective) -> None:
    objective = storybook()
    (optimizer,) = build_optimizers(objective.parts, OptimSettings(lr=1e-2), {"vision": 0, "language": 0})
    before = {name: weight.clone() for name, weight in objective.module.state_dict().items()}
    losses = []
    for _ in range(3):
        loss, _ = objective.loss(objective.batch([0, 1], 0))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    moved = {
        name
        for name, weight in objective.module.state_dict().items()
        if not torch.equal(weight, before[name])
    }
    assert moved
    assert all("multi_modal_projector" in name for name in moved)
    assert losses[-1] < losses[0]


def test_every_weight_belongs_to_a_part(storybook: MakeObjective) -> None:
    objective = storybook()
    parts = [set(map(id, part.parameters())) for part in objective.parts.values()]
    assert set.union(*parts) == set(map(id, objective.module.parameters()))


def test_what_is_learned_is_green_and_the_rest_dim(storybook: MakeObjective) -> None:
    objective = storybook()
    (encoded, *_) = objective.source.encode(objective.chat.processor, 0, 0)
    text = Text.from_markup(show_supervision(objective.chat.processor.tokenizer, encoded))
    shown = "".join(text.plain[span.start : span.end] for span in text.spans if span.style == "green")
    decode = objective.chat.processor.tokenizer.decode
    learned = [token for token, wanted in zip(encoded.ids, encoded.supervised, strict=True) if wanted]
    assert shown == "".join(str(decode([token])) for token in learned)
    assert shown.endswith("</s>")
    assert "<s>USER: <image>" in text.plain
    assert objective.show(0).count("</s>") == 4


def test_brackets_in_an_answer_are_no_markup(chat: LlavaChat) -> None:
    ids = tuple(chat.processor.tokenizer("[red]x[/red]")["input_ids"])
    shown = Text.from_markup(show_supervision(chat.processor.tokenizer, Encoded(ids, (True,) * len(ids))))
    assert shown.plain == "<s>[red]x[/red]"


def test_what_is_saved_can_be_loaded(storybook: MakeObjective, tmp_path: Path) -> None:
    objective = storybook()
    objective.save(tmp_path / "llava")
    assert (tmp_path / "llava" / "config.json").is_file()
    assert (tmp_path / "llava" / "tokenizer.json").is_file()
