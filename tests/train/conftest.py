"""What the tests of the trainer share: one tokenizer, and recipes of tiny models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accelerate.state import AcceleratorState
from torch.multiprocessing import start_processes
from transformers import PreTrainedTokenizerFast

from gesso.config.load import load_recipe
from gesso.config.schema import Recipe
from gesso.train import launch
from gesso.train.texts import train_tokenizer

RECIPE = """
objective: {objective}
model:
  vocabulary: 400
  attention: eager
  shape:
    language: {{hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2,
                num_key_value_heads: 1, max_position_embeddings: 4096}}
    vision: {{hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2,
              image_size: 32, patch_size: 8}}
    text: {{hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2,
            max_position_embeddings: 77}}
    joint: {{projection_dim: 16}}
data: {{count: 8, things: 2, length: 200, size: 32, cache: "{folder}/cache"}}
optim: {{lr: 1e-2, warmup: 0.2}}
run: {{out: "{folder}/out", steps: 3, batch: 2, precision: fp32, log_every: 1}}
"""

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(400, seed=1, count=20)


@pytest.fixture
def make_recipe(tmp_path: Path) -> MakeRecipe:
    """A recipe of a tiny model that writes below `tmp_path`: `make_recipe("language", "run.steps=6")`."""

    def make(objective: str, *overrides: str) -> Recipe:
        path = tmp_path / f"{objective}.yaml"
        path.write_text(RECIPE.format(objective=objective, folder=tmp_path.as_posix()), encoding="utf-8")
        return load_recipe(str(path), overrides)

    return make


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes as copies of this one, which saves them the imports."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def fork(*given: Any, **settings: Any) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # a copy would believe that it is alone
        start_processes(*given, **settings, start_method="fork")

    monkeypatch.setattr(launch, "spawn", fork)
