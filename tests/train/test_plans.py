import json
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from gesso.canvas.notes import note_of
from gesso.canvas.parse import read_canvas
from gesso.config.schema import DataSettings
from gesso.core.errors import TrainingError
from gesso.core.messages import assistant, user
from gesso.storybook.compose import canvas_program
from gesso.storybook.splits import scene_at, split_of
from gesso.train.plans import NOUNS, JsonLines, StorybookPlans, Task, plan_source

ANSWER = "```python\ncanvas = Canvas()\n```"


def storybook(**settings: float) -> StorybookPlans:
    return StorybookPlans(DataSettings(**settings))


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_request_is_answered_by_the_program_of_its_scene(language: str) -> None:
    scene = scene_at("train", 3, 5, counts=[2])
    task = Task(scene, Random(1), language, edits=2)
    messages = task.messages()
    assert [message.role for message in messages] == ["user", "assistant"] * 3
    assert [m.text for m in messages[::2]] == [task.wish.text, *(change.instruction for change in task.edits)]
    assert [m.text for m in messages[1::2]] == task.programs
    for program, shown in zip(task.programs, task.scenes, strict=True):
        # the same regions, in an order of their own
        canvas, usual = (read_canvas(text).canvas for text in (program, canvas_program(shown, language)))
        assert sorted(canvas.regions, key=str) == sorted(usual.regions, key=str)
    assert len({scene.to_json() for scene in task.scenes}) == 3


def test_notes_stand_before_programs() -> None:
    source = storybook(edits=1.0, notes=True)
    for example in range(30):
        task = source.task(example, 0)
        replies = [message.text for message in task.messages()[1::2]]
        assert all(note_of(reply) for reply in replies)
        # notes change nothing about the canvas
        programs = [read_canvas(program).canvas for program in task.programs]
        assert [read_canvas(reply).canvas for reply in replies] == programs
    assert not any(note_of(message.text) for message in storybook(edits=1.0).messages(0, 0))


def test_scenes_and_their_edits_are_of_the_training_split() -> None:
    source = storybook(edits=1.0)
    tasks = [source.task(example, 0) for example in range(20)]
    assert {split_of(scene) for task in tasks for scene in task.scenes} == {"train"}
    assert {len(task.edits) for task in tasks} == {1, 2}


def test_shares_of_languages_and_edits_are_those_of_the_settings() -> None:
    assert all(not storybook(edits=0.0).task(example, 0).edits for example in range(10))
    assert {storybook(chinese=1.0).task(example, 0).language for example in range(10)} == {"zh"}
    both = storybook(chinese=0.5, edits=0.5)
    tasks = [both.task(example, 0) for example in range(60)]
    assert 15 < sum(task.language == "zh" for task in tasks) < 45
    assert 15 < sum(bool(task.edits) for task in tasks) < 45


def test_a_scene_comes_round_in_other_words_and_with_no_more_things_than_asked() -> None:
    source = storybook(things=2, edits=1.0)
    assert source.messages(3, 0) == source.messages(3, 0) != source.messages(3, 1)
    assert len(source) == DataSettings().count
    assert all(len(source.task(example, 0).scene.things) <= 2 for example in range(10))


def test_a_file_of_messages_gives_its_conversations(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "a cat\u2028here"}, {"role": "assistant", "content": ANSWER}]
    path = write(tmp_path / "m.jsonl", {"messages": said}, {"messages": said * 2})
    source = plan_source(DataSettings(source="messages", path=str(path)))
    assert len(source) == 2
    assert source.messages(0, 7) == [user("a cat\u2028here"), assistant(ANSWER)]
    assert len(source.messages(1, 0)) == 4


def test_a_file_of_boxes_gives_captions_and_programs(tmp_path: Path) -> None:
    boxes = [{"box": [0, 0, 50, 50], "label": "a red cat"}]
    path = write(tmp_path / "b.jsonl", {"caption": "a room", "width": 100, "height": 100, "boxes": boxes}, {})
    source = plan_source(DataSettings(source="boxes", path=str(path)))
    question, answer = source.messages(0, 0)
    assert question == user("a room")
    assert read_canvas(answer.text).canvas.regions[0].description == "a red cat"
    with pytest.raises(TrainingError, match="line 2: caption is None"):
        source.messages(1, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: list; it must be an object"),
        ("{}", "line 2: messages is NoneType"),
        ('{"messages": []}', "line 2: messages is list"),
        ('{"messages": ["hi"]}', "line 2: "),
        ('{"messages": [{"role": "user", "content": 3}]}', "line 2: content of type int"),
        (
            '{"messages": [{"role": "user", "content": "hi"}]}',
            "line 2: the last message is not the assistant's",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=message):
        plan_source(DataSettings(source="messages", path=str(path))).messages(0, 0)


def test_files_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot read"):
        JsonLines(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text(" \n", encoding="utf-8")
    with pytest.raises(TrainingError, match="has no lines"):
        JsonLines(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(TrainingError, match="cannot read"):
        JsonLines(tmp_path / "binary.jsonl")


def test_loose_wishes_leave_things_open() -> None:
    source = StorybookPlans(DataSettings(loose=1.0, chinese=0.0, edits=0.0))
    exact = StorybookPlans(DataSettings(loose=0.0, chinese=0.0, edits=0.0))
    lengths = [[len(s.messages(n, 0)[0].text) for n in range(40)] for s in (source, exact)]
    assert sum(lengths[0]) < 0.8 * sum(lengths[1])


def test_some_wishes_name_what_the_storybook_does_not_know() -> None:
    source = StorybookPlans(DataSettings(loose=1.0, chinese=0.0, edits=0.5))
    strange = [
        (noun, messages)
        for messages in (source.messages(number, 0) for number in range(120))
        for noun in NOUNS
        if f" {noun} " in f"{messages[0].text} "
    ]
    assert strange
    for noun, messages in strange:
        assert f"tags='{noun}'" in messages[1].text
        assert all(read_canvas(reply.text).canvas.regions for reply in messages[1::2])


def test_programs_keep_the_order_of_the_wish() -> None:
    source = storybook(chinese=0.0, edits=0.0)
    for number in range(20):
        task = source.task(number, 0)
        kinds = [thing.kind for thing in task.orders[0]]
        if len(set(kinds)) == len(kinds) and not any(f"the {kind}" in task.wish.text for kind in kinds):
            assert sorted(kinds, key=task.wish.text.index) == kinds


def test_edits_leave_things_where_they_stood_in_the_program() -> None:
    source = storybook(edits=1.0)
    for number in range(30):
        task = source.task(number, 0)
        for before, after in pairwise(task.programs):
            old, new = (read_canvas(text).canvas.regions for text in (before, after))
            stayed = [region for region in old if region in new]
            assert stayed == [region for region in new if region in old]
            if len(old) == len(new):
                assert sum(one != other for one, other in zip(old, new, strict=True)) <= 1
