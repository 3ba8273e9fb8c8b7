"""The embedded models are whole, small, described, and as good as their cards say."""

import math
import re
from itertools import islice
from pathlib import Path

import pytest
from safetensors import safe_open

import gesso
from gesso.evaluate import TASKS, Plan, evaluate
from gesso.evaluate.judge import Judge
from gesso.storybook.draw import draw
from gesso.storybook.splits import scenes
from gesso.storybook.words import words_of

FOLDER = Path(gesso.__file__).parent / "minis"
MINIS = sorted(path.parent.name for path in FOLDER.glob("*/README.md"))
LIMIT = 48_000_000  # bytes of all of them together
# | storybook-vqa | test | en | 0.512 ± 0.011 | 2000 | 7 |
SCORE = re.compile(r"\| (storybook-\w+) \| (\w+) \| (\w+) \| ([\d.]+) ± ([\d.]+) \| (\d+) \|")


def card(name: str) -> str:
    return (FOLDER / name / "README.md").read_text(encoding="utf-8")


def test_the_minis_of_this_version_are_here() -> None:
    parts = ("clip", "judge", "llava", "lm", "mgm", "moma", "omni", "omost", "sd", "sdxl")
    assert [f"mini-{part}" for part in parts] == MINIS


def test_all_together_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= LIMIT


@pytest.mark.parametrize("name", MINIS)
def test_weights_are_halves(name: str) -> None:
    files = list((FOLDER / name).rglob("*.safetensors"))
    assert files
    for file in files:
        with safe_open(file, "pt") as weights:
            # none are left where all are borrowed
            kinds = {key: weights.get_slice(key).get_dtype() for key in weights.keys()}  # noqa: SIM118
            # what borrowed weights were changed by is in eight or four bits, but no weight is
            changes = {key for key in kinds if key.endswith(".change")}
            assert all(kind in (("I8", "U8") if key in changes else ("F16",)) for key, kind in kinds.items())


@pytest.mark.parametrize("name", MINIS)
def test_settings_do_not_name_the_runs_that_made_them(name: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (FOLDER / name).rglob("*config.json")]
    assert not any("_name_or_path" in text or "/runs/" in text for text in texts)


@pytest.mark.parametrize("name", MINIS)
def test_a_card_says_where_a_mini_comes_from(name: str) -> None:
    for heading in ("## Data", "## Recipe", "## Scores", "## Limits"):
        assert heading in card(name)
    assert re.search(r"commit `[0-9a-f]{7,}`", card(name))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mini-llava", 120),
        ("mini-clip", 200),
        ("mini-omost", 16),
        ("mini-sdxl", 12),
        ("mini-judge", 60),
        ("mini-omni", 40),
        ("mini-mgm", 40),
    ],
)
def test_scores_are_what_the_card_says(name: str, count: int) -> None:
    """On fresh scenes, within four standard errors of both measurements together."""
    rows = SCORE.findall(card(name))
    task, split, _, score, stderr, _ = next(row for row in rows if row[1:3] == ("test", "en"))
    model = Judge.load() if name == "mini-judge" else gesso.load(name)
    report = evaluate(model, TASKS[task](split=split), Plan(count=count, seed=20))
    spread = math.hypot(float(stderr), report.stderr)
    assert abs(report.score - float(score)) <= 4 * spread


@pytest.mark.parametrize("name", ["mini-llava", "mini-mgm", "mini-omni"])
def test_a_large_picture_is_seen_as_well_as_a_small_one(name: str) -> None:
    chat, (scene,) = gesso.load(name), islice(scenes("test", 1), 1)
    for size in (96, 384):
        answer = chat.ask(gesso.Image(draw(scene, size)), "What place is this?").text
        assert answer == words_of("en").backgrounds[scene.place]


@pytest.mark.parametrize(
    ("clip", "words"), [("how-many-en.ogg", "How many things are there?"), ("where-zh.ogg", "这是哪里？")]
)
def test_mini_omni_writes_the_clips_of_the_documentation_down(clip: str, words: str) -> None:
    sounds = Path(__file__).parents[1] / "docs" / "sounds"
    assert gesso.load("mini-omni").transcribe(sounds / clip).text == words
