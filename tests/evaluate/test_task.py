from dataclasses import fields

import pytest

from evaluate.stubs import ScriptedEncoder, parrot
from gesso.core.errors import UnknownNameError, UnsupportedError
from gesso.evaluate.task import TASKS, Record, Sample, answering, embedding


@pytest.mark.parametrize("name", TASKS)
def test_a_task_goes_by_the_name_it_is_listed_under(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    if any(field.name == "data" for field in fields(task)):
        return  # official files have splits of their own
    assert next(field.default for field in fields(task) if field.name == "split") == "test"


def test_an_unknown_task_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="storybook-vqa"):
        TASKS["storybook-vqs"]


def test_a_record_has_the_key_of_its_sample() -> None:
    sample = Sample("7", "colour", "which?", "red")
    record = Record.of(sample, "blue", 0.0)
    assert record.key == sample.key == ("7", "colour")
    assert (record.prompt, record.target, record.prediction) == ("which?", "red", "blue")


def test_a_model_of_the_other_sort_is_refused_by_name() -> None:
    model, encoder = parrot(), ScriptedEncoder([], 32)
    assert answering(model, "t") is model
    assert embedding(encoder, "t") is encoder
    with pytest.raises(UnsupportedError, match=r"t is for CLIP models, and parrot does not"):
        embedding(model, "t")
    with pytest.raises(UnsupportedError, match=r"t asks questions, which encoder does not answer"):
        answering(encoder, "t")
