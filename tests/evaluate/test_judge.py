from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny
from evaluate.judged import LABELS, SIDE, judge_of, tiny_judge
from gesso.core.errors import CheckpointError, UsageError
from gesso.evaluate import judge as module
from gesso.evaluate.judge import Judge, Verdict, compare, judge_folder, looked_at, read_verdicts
from gesso.storybook.draw import draw
from gesso.storybook.judging import JUDGED, crop, empty_boxes
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)
SCENE = Scene(0, "sea", (FISH, TREE))
NOTHING = Verdict("nothing", "red", "plain", "none")
FISH_SEEN = Verdict("fish", "red", "striped", "blue")
TREE_SEEN = Verdict("tree", "green", "plain", "none")


def verdicts(first: Verdict, second: Verdict, *rest: Verdict) -> list[Verdict]:
    empty = len(empty_boxes(SCENE))
    return [first, second, *rest, *[NOTHING] * (empty - len(rest))]


def logits(*answers: tuple[str, ...]) -> torch.Tensor:
    """Logits that are highest at the given answers."""
    rows = torch.zeros(len(answers), len(LABELS))
    for row, said in zip(rows, answers, strict=True):
        for what, answer in zip(JUDGED, said, strict=True):
            row[next(n for n, label in LABELS.items() if label == f"{what}={answer}")] = 1
    return rows


def test_the_likeliest_answers_are_read() -> None:
    assert read_verdicts(logits(FISH_SEEN, TREE_SEEN), LABELS) == [FISH_SEEN, TREE_SEEN]


def test_the_order_of_the_labels_does_not_matter() -> None:
    turned = {len(LABELS) - 1 - number: label for number, label in LABELS.items()}
    assert read_verdicts(logits(FISH_SEEN).flip(1), turned) == [FISH_SEEN]


def test_labels_of_other_models_are_refused() -> None:
    with pytest.raises(CheckpointError, match="label 'tabby cat' is none of a judge"):
        read_verdicts(torch.zeros(1, 1), {0: "tabby cat"})
    with pytest.raises(CheckpointError, match="labels for pattern, second_colour, too"):
        read_verdicts(torch.zeros(1, 2), {0: "kind=cat", 1: "colour=red"})


def test_a_true_picture_is_right_in_everything() -> None:
    score = compare(SCENE, verdicts(FISH_SEEN, TREE_SEEN))
    assert score.right == 1
    assert score.figures() == {
        "right": 1, "exact": 1, "kind": 1, "colour": 1, "pattern": 1, "stray": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (FISH_SEEN._replace(kind="cat"), {"kind", "right", "exact"}),
        (FISH_SEEN._replace(colour="blue"), {"colour", "right", "exact"}),
        (FISH_SEEN._replace(pattern="dotted"), {"pattern", "exact"}),
        (FISH_SEEN._replace(second_colour="pink"), {"pattern", "exact"}),
        (NOTHING, {"kind", "colour", "pattern", "right", "exact"}),
    ],
)
def test_what_is_wrong_is_counted_by_name(seen: Verdict, wrong: set[str]) -> None:
    figures = compare(SCENE, verdicts(seen, TREE_SEEN)).figures()
    assert {name for name, share in figures.items() if share == 0.5} == wrong
    assert all(share in (1, 0.5) for name, share in figures.items() if name != "stray")


def test_the_second_colour_of_a_plain_thing_does_not_matter() -> None:
    score = compare(SCENE, verdicts(FISH_SEEN, TREE_SEEN._replace(second_colour="pink")))
    assert score.figures()["exact"] == 1


def test_things_where_none_should_be_are_stray() -> None:
    score = compare(SCENE, verdicts(FISH_SEEN, TREE_SEEN, FISH_SEEN, TREE_SEEN))
    assert (score.empty, score.stray) == (len(empty_boxes(SCENE)), 2)
    assert score.figures()["stray"] == 2 / score.empty
    assert score.right == 1


def test_a_full_scene_has_no_stray_things() -> None:
    things = tuple(
        replace(FISH, location=name, size="large")
        for name in ("on the left", "on the right", "on the top", "on the bottom", "in the center")
    )
    scene = Scene(0, "sea", things)
    squares = len(looked_at(scene))
    assert squares == 5 + len(empty_boxes(scene))
    assert compare(scene, [FISH_SEEN] * squares).figures()["right"] == 1


def test_where_no_place_is_empty_nothing_is_said_of_stray_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "empty_boxes", lambda _: [])
    assert "stray" not in compare(SCENE, [FISH_SEEN, TREE_SEEN]).figures()


def test_verdicts_as_logs_have_them() -> None:
    assert [str(seen) for seen in (FISH_SEEN, TREE_SEEN, NOTHING)] == [
        "red fish striped blue",
        "green tree plain",
        "nothing",
    ]
    assert (Verdict.of(FISH), Verdict.of(TREE)) == (FISH_SEEN, TREE_SEEN)
    assert [thing.seen for thing in compare(SCENE, verdicts(TREE_SEEN, NOTHING)).things] == [
        TREE_SEEN,
        NOTHING,
    ]


def test_verdicts_of_another_number_are_refused() -> None:
    with pytest.raises(UsageError, match="2 verdicts came; this scene has"):
        compare(SCENE, [FISH_SEEN, TREE_SEEN])


def test_a_judge_that_knows_some_pictures_scores_them_fully(tmp_path: Path) -> None:
    """A tiny judge learns the squares of two true renders by heart, and then scores other pictures lower."""
    scenes = [scene_at("train", 3, number, sign_rate=0.0) for number in range(2)]
    pictures = [draw(scene, SIDE) for scene in scenes]
    judge = Judge.load(judge_of(scenes, tmp_path / "judge"))
    assert [score.figures()["exact"] for score in judge.score(pictures, scenes)] == [1, 1]
    assert [score.stray for score in judge.score(pictures, scenes)] == [0, 0]
    swapped = judge.score(pictures[::-1], scenes)
    assert max(score.right for score in swapped) < 1
    blank = [Image.new("RGB", (SIDE, SIDE), "gray")] * 2
    assert max(score.figures()["exact"] for score in judge.score(blank, scenes)) < 1


def test_a_judge_is_loaded_from_its_folder(tmp_path: Path) -> None:
    tiny_judge().save_pretrained(tmp_path / "judge")
    judge = Judge.load(tmp_path / "judge")
    picture = draw(SCENE, 96)
    boxes = looked_at(SCENE)
    seen = judge.verdicts([crop(picture, box) for box in boxes])
    assert len(seen) == len(boxes)
    assert all(verdict.kind in JUDGED["kind"] for verdict in seen)
    assert judge.score([picture], [SCENE]) == [compare(SCENE, seen)]


def test_a_folder_without_a_judge_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tiny.llama_folder(tmp_path / "llama")):
        with pytest.raises(CheckpointError, match="holds no judge; train one with: gesso train mini/judge"):
            Judge.load(folder)


def test_the_judge_of_the_package_is_the_one_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MINIS", tmp_path)
    with pytest.raises(CheckpointError, match="mini-judge is not part of this installation"):
        judge_folder()
    tiny_judge().save_pretrained(tmp_path / "mini-judge")
    assert judge_folder() == judge_folder("mini-judge") == tmp_path / "mini-judge"
    assert Judge.load().name == "mini-judge"


def test_pictures_and_scenes_must_match() -> None:
    with pytest.raises(UsageError, match="1 pictures and 2 scenes came"):
        Judge(tiny_judge()).score([draw(SCENE, 64)], [SCENE, SCENE])
