from pathlib import Path

import pytest

from cli.run import Gesso

RECIPE = """
objective: language
model:
  vocabulary: 400
  attention: eager
  shape:
    language: {hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2,
               num_key_value_heads: 1, max_position_embeddings: 512}
data: {count: 4, things: 1, length: 200}
run: {out: run, steps: 2, batch: 1, precision: fp32}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe that is done at once, in an empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gesso.train.texts.QUESTIONS", 2)
    (tmp_path / "tiny.yaml").write_text(RECIPE, "utf-8")
    return "tiny.yaml"


def test_a_recipe_is_run_and_says_where_everything_lies(gesso: Gesso, recipe: str) -> None:
    outcome = gesso("train", recipe, "run.steps=1", "run.out=there")
    assert (outcome.code, outcome.out) == (0, "model: there/final\nlog: there/log.jsonl\n")
    for name in ("final/config.json", "final/tokenizer.json", "log.jsonl", "loss.png"):
        assert (Path("there") / name).is_file()


def test_a_dry_run_shows_an_example_and_writes_nothing(gesso: Gesso, recipe: str) -> None:
    outcome = gesso("train", recipe, "--dry-run", "data.chinese=0")
    assert outcome.code == 0
    assert "USER: " in outcome.out
    assert "ASSISTANT:" in outcome.out
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mini/llava-finetun",), "did you mean mini/llava-finetune"),
        (("tiny.yaml", "run.stops=3"), "unknown setting run.stops; did you mean steps?"),
        (("tiny.yaml", "run.steps"), "write key=value"),
    ],
)
def test_a_wrong_recipe_or_setting_is_wrong_usage(
    gesso: Gesso, recipe: str, arguments: tuple[str, ...], told: str
) -> None:
    outcome = gesso("train", *arguments)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert not Path("run").exists()
