from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TypeVar

import pytest

from evaluate.stubs import Scripted, ScriptedEncoder, oracle, parrot
from gesso.core.errors import UnknownNameError, UnsupportedError, UsageError
from gesso.core.messages import Message
from gesso.core.results import Answer
from gesso.evaluate.run import Plan, evaluate
from gesso.evaluate.task import Sample, Task
from gesso.evaluate.tasks import storybook
from gesso.evaluate.tasks.storybook import (
    GROUP,
    PictureSample,
    RetrievalSample,
    StorybookDescribe,
    StorybookRetrieval,
    StorybookSigns,
    StorybookVqa,
)
from gesso.storybook.draw import draw
from gesso.storybook.scene import Scene
from gesso.storybook.splits import scenes, split_of
from gesso.storybook.tell import caption, describe

SIZE = 32
S = TypeVar("S", bound=Sample)
TASKS = (StorybookVqa, StorybookDescribe, StorybookRetrieval, StorybookSigns)


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> int:
    """Groups of ten instead of a hundred, which would be slow to draw."""
    monkeypatch.setattr(storybook, "GROUP", 10)
    return 10


def _samples(task: Task[S], count: int, seed: int = 5, batch: int = 16) -> list[S]:
    return list(chain.from_iterable(task.rounds(seed, count, batch)))


@pytest.mark.parametrize("task", TASKS)
def test_training_data_is_refused(task: type) -> None:
    with pytest.raises(UsageError, match="split 'train' is what the minis learned from"):
        task(split="train")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("wrong", [{"split": "tests"}, {"language": "de"}, {"size": 8}, {"size": 4000}])
def test_what_the_storybook_does_not_have_is_refused(task: type, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        task(**wrong)


@pytest.mark.parametrize("split", ["test", "novel", "val"])
def test_scenes_are_of_the_split(split: str) -> None:
    assert {split_of(sample.scene) for sample in _samples(StorybookDescribe(split=split), 10)} == {split}


@pytest.mark.parametrize("task", [StorybookVqa(), StorybookDescribe()])
def test_more_samples_begin_with_the_same_ones_whatever_the_batch(task: Task[PictureSample]) -> None:
    many = _samples(task, 30)
    assert _samples(task, 11, batch=4) == many[:11]
    assert _samples(task, 11, seed=6) != many[:11]
    assert len({sample.key for sample in many}) == 30


def test_questions_share_pictures_four_by_four() -> None:
    samples = _samples(StorybookVqa(), 40)
    per_scene = [sum(other.scene == scene for other in samples) for scene in {s.scene for s in samples}]
    assert max(per_scene) == 4
    assert samples[0].id == "0-0"
    assert samples[3].id == "0-3"


def test_only_the_chosen_kinds_are_asked() -> None:
    samples = _samples(StorybookVqa(kinds=("count", "colour")), 20)
    assert {sample.kind for sample in samples} == {"count", "colour"}
    with pytest.raises(UnknownNameError, match="did you mean colour"):
        StorybookVqa(kinds=("color",))
    with pytest.raises(UsageError, match="at least one of each"):
        StorybookVqa(kinds=())


def test_the_order_of_kinds_does_not_matter() -> None:
    one, other = StorybookVqa(kinds=("count", "colour")), StorybookVqa(kinds=("colour", "count"))
    assert one.settings() == other.settings()
    assert _samples(one, 12) == _samples(other, 12)


def test_chinese_questions_have_chinese_answers() -> None:
    task = StorybookVqa(language="zh", size=SIZE)
    samples = _samples(task, 12)
    assert all(sample.prompt.endswith("？") for sample in samples)
    assert evaluate(oracle(samples, SIZE), task, Plan(count=12, seed=5)).score == 1.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_full_description_is_right_and_exact(language: str) -> None:
    task = StorybookDescribe(size=SIZE, language=language)
    report = evaluate(oracle(_samples(task, 20), SIZE), task, Plan(count=20, seed=5))
    assert report.score == 1.0
    assert report.scores["exact"].score == 1.0
    assert sum(score.n for name, score in report.scores.items() if name != "exact") == 20


def test_half_a_description_is_half_right_and_not_exact() -> None:
    task = StorybookDescribe(size=SIZE)
    sample = next(s for s in _samples(task, 30) if s.kind == "4 things")
    half = ". ".join(describe(sample.scene).split(". ")[:3]) + "."  # the opening and two of four things
    (record,) = task.ask(parrot(half), [sample], 1)
    assert 0.4 < record.score < 0.9
    assert record.extras == {"exact": 0.0}
    assert task.ask(parrot("no idea"), [sample], 1)[0].score == 0.0


def test_description_kinds_count_the_things() -> None:
    for sample in _samples(StorybookDescribe(), 30):
        count = len(sample.scene.things)
        assert sample.kind == ("1 thing" if count == 1 else f"{count} things")


def test_the_model_gets_the_picture_of_the_scene_at_the_size_asked_for() -> None:
    seen: list[Message] = []

    class Looking:
        name = "looking"

        def batch(self, conversations: list[list[Message]], **sampling: object) -> list[Answer]:
            seen.extend(message for messages in conversations for message in messages)
            return parrot().batch(conversations)

    task = StorybookVqa(size=48)
    sample = _samples(task, 1)[0]
    task.ask(Looking(), [sample], 1)
    (message,) = seen
    assert message.role == "user"
    assert message.text == sample.prompt
    assert message.images[0].source.tobytes() == draw(sample.scene, 48).tobytes()


def test_who_pairs_pictures_and_captions_finds_them_all(group: int) -> None:
    task = StorybookRetrieval(size=SIZE)
    encoder = ScriptedEncoder(_samples(task, 2 * group), SIZE)
    report = evaluate(encoder, task, Plan(count=2 * group, seed=5, batch=4))
    assert (report.n, report.score, report.stderr) == (2 * group, 1.0, 0.0)
    assert {name: score.n for name, score in report.scores.items()} == {
        "image-to-text": 2 * group,
        "text-to-image": 2 * group,
    }
    assert encoder.widest == 4


def test_who_pairs_them_wrongly_finds_none(group: int) -> None:
    task = StorybookRetrieval(size=SIZE)
    encoder = ScriptedEncoder(_samples(task, group), SIZE, wrong=True)
    report = evaluate(encoder, task, Plan(count=group, seed=5))
    assert report.score <= 0.1  # one picture has no text left and takes the first it sees


def test_the_log_says_what_was_taken_for_what(group: int) -> None:
    task = StorybookRetrieval(size=SIZE)
    samples = _samples(task, group)
    there, back = task.ask(ScriptedEncoder(samples, SIZE, wrong=True), samples[4:6], 100)
    first = caption(samples[0].group[1])
    assert (there.kind, there.target, there.prediction) == ("image-to-text", samples[4].target, first)
    assert (back.kind, back.prompt, back.target) == ("text-to-image", there.target, there.prompt)
    assert back.prediction == samples[6].prompt


def test_scenes_that_share_a_caption_are_not_in_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    real = list(islice(scenes("test", 5), GROUP + 1))
    moved = replace(real[0], seed=real[0].seed + 1)  # another picture of the same caption
    monkeypatch.setattr(storybook, "scenes", lambda split, seed: iter([real[0], moved, *real[1:]]))
    samples = _samples(StorybookRetrieval(), GROUP)
    group: tuple[Scene, ...] = samples[0].group
    assert group == tuple(real[:GROUP])
    assert [sample.id for sample in samples[::2]][:3] == ["0", "2", "3"]


def test_groups_must_be_full() -> None:
    with pytest.raises(UsageError, match="count is 150; storybook-retrieval takes full groups"):
        evaluate(ScriptedEncoder([], SIZE), StorybookRetrieval(), Plan(count=150, seed=0))


def test_models_of_the_wrong_sort_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(UnsupportedError, match="parrot"):
        evaluate(parrot(), StorybookRetrieval(), Plan(count=GROUP, seed=0))
    for task in (StorybookVqa(), StorybookDescribe()):
        with pytest.raises(UnsupportedError, match="encoder"):
            evaluate(ScriptedEncoder([], SIZE), task, Plan(count=10, seed=0))


def test_a_model_that_has_the_method_but_refuses_is_refused_at_once() -> None:
    class Facade:
        name = "facade"

        def batch(self, conversations: Sequence[object], **sampling: object) -> list[Answer]:
            raise UnsupportedError("facade cannot chat")

        def embed_images(self, images: Sequence[object]) -> None:
            raise UnsupportedError("facade cannot embed")

        embed_texts = embed_images

    with pytest.raises(UnsupportedError, match="facade cannot chat"):
        evaluate(Facade(), StorybookVqa(), Plan(count=10, seed=0))
    with pytest.raises(UnsupportedError, match="facade cannot embed"):
        evaluate(Facade(), StorybookRetrieval(), Plan(count=GROUP, seed=0))


def test_both_directions_of_a_picture_share_its_id() -> None:
    samples: list[RetrievalSample] = _samples(StorybookRetrieval(), GROUP)
    assert len(samples) == 2 * GROUP
    assert len({sample.id for sample in samples}) == GROUP
    assert len({sample.target for sample in samples if sample.kind == "image-to-text"}) == GROUP


def test_every_sign_is_asked_about_once() -> None:
    samples = _samples(StorybookSigns(), 20)
    assert len({sample.key for sample in samples}) == 20
    for sample in samples:
        assert sample.target in [thing.sign for thing in sample.scene.things]
        assert sample.kind.startswith(str(len(sample.target)))


def test_signs_must_be_read_exactly() -> None:
    task = StorybookSigns(size=SIZE)
    samples = _samples(task, 6)
    assert [record.score for record in task.ask(oracle(samples, SIZE), samples, 3)] == [1.0] * 6
    assert sum(record.score for record in task.ask(parrot("A"), samples, 3)) < 3


@pytest.mark.parametrize("detail", ["high", "low"])
def test_little_detail_is_asked_of_the_model(detail: str) -> None:
    task = StorybookSigns(size=SIZE, detail=detail)
    samples = _samples(task, 2)
    asked: list[Message] = []

    class Listening(Scripted):
        def batch(self, conversations: list[list[Message]], **sampling: object) -> list[Answer]:
            asked.extend(message for conversation in conversations for message in conversation)
            return super().batch(conversations, **sampling)

    task.ask(Listening(lambda picture, question: "A"), samples, 2)
    assert {image.detail for message in asked for image in message.images} == {detail}


def test_other_details_are_refused() -> None:
    with pytest.raises(UsageError, match="detail is 'medium'"):
        StorybookSigns(detail="medium")
