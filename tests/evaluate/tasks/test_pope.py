from pathlib import Path

import pytest

from evaluate.official_files import Knows, picture, write_lines
from gesso.core.errors import UsageError
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.tasks.pope import Pope


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two questions in each category."""
    picture(tmp_path / "val2014" / "a.jpg")
    for category in ("random", "popular", "adversarial"):
        asked = (("a dog", "yes"), ("a cat", "no"))
        rows = [
            {"question_id": n, "image": "a.jpg", "text": f"Is there {thing} ({category})?", "label": label}
            for n, (thing, label) in enumerate(asked, start=1)
        ]
        write_lines(tmp_path / "coco" / f"coco_pope_{category}.json", rows)
    return tmp_path


def test_the_score_is_the_mean_f1(files: Path) -> None:
    model = Knows(lambda text: "Yes" if "dog" in text or "popular" in text else "No")
    report = evaluate(model, Pope(data=str(files)), Plan(count=100))
    assert report.n == 6
    assert report.score == report.scores["F1"].score == pytest.approx((1 + 2 / 3 + 1) / 3, abs=1e-6)
    assert report.scores["popular: precision"].score == 0.5
    assert report.scores["popular: recall"].score == 1.0
    assert report.scores["popular: yes"].score == 1.0
    assert report.scores["random"].score == 1.0  # accuracy by category
    assert model.asked[0].text.endswith("?\nAnswer the question using a single word or phrase.")


def test_nobody_who_always_denies_finds_anything(files: Path) -> None:
    report = evaluate(Knows("No."), Pope(data=str(files)), Plan(count=2))
    assert (report.score, report.scores["random: recall"].score) == (0.0, 0.0)
    assert "popular: F1" not in report.scores


def test_the_published_figure_stands_beside_it(files: Path) -> None:
    report = evaluate(Knows("No.", "llava-v1.5-7b"), Pope(data=str(files)), Plan(count=6))
    (theirs,) = report.published
    assert (theirs.figure, theirs.value, theirs.tolerance) == ("F1", 0.859, 0.005)


def test_broken_lines(files: Path) -> None:
    path = files / "coco" / "coco_pope_popular.json"
    for text, told in (
        ('{"question_id": 1}', "popular.json, line 1: it has no 'label'"),
        ('{"label": "maybe"}', "line 1: its label is 'maybe'; POPE's are yes and no"),
        ("\n[1]", "line 2: it is a list"),
        ("{", "line 1: it is no JSON"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=told):
            evaluate(Knows("No"), Pope(data=str(files)), Plan(count=9))
    path.unlink()
    with pytest.raises(UsageError, match=r"needs coco_pope_popular.json or coco/coco_pope_popular.json"):
        evaluate(Knows("No"), Pope(data=str(files)), Plan(count=9))
