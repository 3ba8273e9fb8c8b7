import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel, PreTrainedTokenizerFast

from gesso.storybook.tell import caption
from gesso.train.objectives.contrastive import ContrastiveObjective
from gesso.train.objectives.dense import FEATURE_LAYER, DenseObjective
from train.conftest import MakeRecipe
from train.learning import learn


@pytest.fixture
def objective(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> ContrastiveObjective:
    torch.manual_seed(0)
    return ContrastiveObjective(make_recipe("contrastive", "data.chinese=0"), tokenizer)


def test_captions_belong_to_their_pictures(objective: ContrastiveObjective) -> None:
    batch = objective.batch([5, 2], 0)
    for row, mask, example in zip(batch.ids, batch.mask, (5, 2), strict=True):
        text = str(objective.tokenizer.decode(row[mask.bool()], skip_special_tokens=True))
        assert text
        assert caption(objective.pictures.scene(example)).startswith(text)
        assert row[mask.bool()][-1] == objective.tokenizer.eos_token_id
    assert batch.pixels.shape == (2, 3, 32, 32)


def test_a_batch_follows_from_its_number(make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast) -> None:
    objective = ContrastiveObjective(make_recipe("contrastive", "data.chinese=0.5"), tokenizer)
    batches = [objective.batch(list(range(8)), number) for number in (3, 3, 4)]
    assert torch.equal(batches[0].ids, batches[1].ids)
    assert batches[0].ids.shape != batches[2].ids.shape or not torch.equal(batches[0].ids, batches[2].ids)


@torch.no_grad()
def test_the_loss_is_clips_own(objective: ContrastiveObjective) -> None:
    batch = objective.batch([0, 1, 2], 0)
    loss, figures = objective.loss(batch)
    clip = objective.clip(
        input_ids=batch.ids, pixel_values=batch.pixels, attention_mask=batch.mask, return_loss=True
    )
    assert float(loss) == pytest.approx(float(clip.loss), rel=1e-5)
    right = (clip.logits_per_image.argmax(-1) == torch.arange(3)).float().mean()
    assert figures == {"match": pytest.approx(float(right)), "tokens": float(batch.mask.sum())}


@torch.no_grad()
def test_similarities_are_not_rounded_under_autocast(
    objective: ContrastiveObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def keep(logits: torch.Tensor, *_: object) -> torch.Tensor:
        seen.append(logits)
        return logits.sum()

    monkeypatch.setattr(functional, "cross_entropy", keep)
    with torch.autocast("cpu", torch.bfloat16):
        objective.loss(objective.batch([0, 1, 2], 0))
    assert seen[0].dtype == torch.float32
    assert not torch.equal(seen[0], seen[0].bfloat16().float())


@torch.no_grad()
def test_the_scale_stays_below_a_hundred(objective: ContrastiveObjective) -> None:
    batch = objective.batch([0, 1], 0)
    losses = []
    for scale in (100.0, 1e4):
        objective.clip.logit_scale.fill_(math.log(scale))
        losses.append(float(objective.loss(batch)[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@torch.no_grad()
def test_a_text_is_read_at_its_end(objective: ContrastiveObjective) -> None:
    batch = objective.batch([0, 1, 2], 0)
    texts = objective.clip.text_model(batch.ids, attention_mask=batch.mask)
    ends = batch.mask.sum(1) - 1
    assert torch.equal(texts.pooler_output, texts.last_hidden_state[torch.arange(3), ends])


def test_pictures_and_texts_are_told_apart_after_some_steps(objective: ContrastiveObjective) -> None:
    batch = objective.batch([0, 1, 2, 3], 0)
    told = learn(objective, batch, 20, 3e-3)
    assert told[-1]["loss"] < 0.8 * told[0]["loss"]


def test_every_weight_has_a_part_and_the_features_come_first(
    objective: ContrastiveObjective,
) -> None:
    parts = {name: set(map(id, part.parameters())) for name, part in objective.parts.items()}
    assert list(parts) == ["features", "vision", "text"]
    assert set.union(*parts.values()) == set(map(id, objective.module.parameters()))
    tower = objective.clip.vision_model
    states = tower(objective.batch([0], 0).pixels, output_hidden_states=True).hidden_states
    states[FEATURE_LAYER].sum().backward()
    reached = {id(p) for p in objective.module.parameters() if p.grad is not None}
    assert parts["features"] == reached  # what a LLaVA reads depends on these and no others


def test_a_tower_can_come_from_the_dense_stage(
    make_recipe: MakeRecipe, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    dense = DenseObjective(make_recipe("dense"))
    dense.save(tmp_path / "tower")
    clip = ContrastiveObjective(make_recipe("contrastive", f"model.vision={tmp_path}/tower"), tokenizer).clip
    for name, weight in dense.tower.state_dict().items():
        assert torch.equal(weight, clip.vision_model.state_dict()[name])


@torch.no_grad()
def test_what_is_saved_is_a_clip_with_its_tokenizer(objective: ContrastiveObjective, tmp_path: Path) -> None:
    objective.save(tmp_path / "clip")
    clip = CLIPModel.from_pretrained(tmp_path / "clip").eval()
    batch = objective.batch([0, 1], 0)
    features = clip.get_image_features(batch.pixels).pooler_output
    own = objective.clip.visual_projection(objective.clip.vision_model(batch.pixels).pooler_output)
    assert functional.cosine_similarity(features, own).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    again = AutoTokenizer.from_pretrained(tmp_path / "clip")
    assert again("a red fish")["input_ids"] == objective.tokenizer("a red fish")["input_ids"]
    assert "green" in objective.show(0)
