from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetForImageClassification

from gesso.core.errors import CheckpointError, UsageError
from gesso.evaluate.judge import Judge, Verdict, compare, looked_at, read_verdicts
from gesso.storybook.draw import draw
from gesso.storybook.judging import CROP_SIDE, JUDGED, UNJUDGED, crop, empty_boxes, labels_of
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.splits import scene_at

FISH = Thing("fish", "red", "striped", "blue", "small", "on the left", "no offset", 2.0)
TREE = Thing("tree", "green", "plain", None, "large", "on the right", "no offset", 3.0)
SCENE = Scene(0, "sea", (FISH, TREE))
LABELS = dict(enumerate(f"{what}={answer}" for what, answers in JUDGED.items() for answer in answers))
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


def test_verdicts_of_another_number_are_refused() -> None:
    with pytest.raises(UsageError, match="2 verdicts came; this scene has"):
        compare(SCENE, [FISH_SEEN, TREE_SEEN])


def tiny_judge(seed: int = 0) -> ResNetForImageClassification:
    torch.manual_seed(seed)
    return ResNetForImageClassification(
        ResNetConfig(
            layer_type="basic", embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1],
            num_labels=len(LABELS), id2label=LABELS, label2id={name: n for n, name in LABELS.items()},
        )
    )  # fmt: skip


def test_a_judge_that_knows_some_pictures_scores_them_fully() -> None:
    """A tiny judge learns the squares of two true renders by heart, and then scores other pictures lower."""
    scenes = [scene_at("train", 3, number, sign_rate=0.0) for number in range(2)]
    pictures = [draw(scene, 128) for scene in scenes]
    model = tiny_judge()
    labels = [
        labels_of(thing) for scene in scenes for thing in [*scene.things, *[None] * len(empty_boxes(scene))]
    ]
    crops = [crop(p, box) for p, s in zip(pictures, scenes, strict=True) for box in looked_at(s)]
    _learn(model, crops, torch.tensor(labels))
    judge = Judge(model)
    assert [score.figures()["exact"] for score in judge.score(pictures, scenes)] == [1, 1]
    assert [score.stray for score in judge.score(pictures, scenes)] == [0, 0]
    swapped = judge.score(pictures[::-1], scenes)
    assert max(score.right for score in swapped) < 1
    blank = [Image.new("RGB", (128, 128), "gray")] * 2
    assert max(score.figures()["exact"] for score in judge.score(blank, scenes)) < 1


def _learn(model: ResNetForImageClassification, crops: list[Image.Image], labels: torch.Tensor) -> None:
    rows = [torch.frombuffer(bytearray(one.tobytes()), dtype=torch.uint8) for one in crops]
    pixels = torch.stack(rows).view(-1, CROP_SIDE, CROP_SIDE, 3).permute(0, 3, 1, 2).float() / 127.5 - 1
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(40):
        parts = model(pixels).logits.split([len(names) for names in JUDGED.values()], dim=1)
        losses = [
            torch.nn.functional.cross_entropy(part, labels[:, n], ignore_index=UNJUDGED)
            for n, part in enumerate(parts)
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()


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
    with pytest.raises(CheckpointError, match="holds no judge; train one with: gesso train mini/judge"):
        Judge.load(tmp_path)


def test_pictures_and_scenes_must_match() -> None:
    with pytest.raises(UsageError, match="1 pictures and 2 scenes came"):
        Judge(tiny_judge()).score([draw(SCENE, 64)], [SCENE, SCENE])
