from dataclasses import replace

import pytest

from engines.painting import CANVAS, QUICK
from gesso.canvas.edit import set_subject
from gesso.core.errors import UnsupportedError, UsageError
from gesso.diffusion.guidance import strategy
from gesso.diffusion.settings import Hires
from gesso.engines.paint_checks import check_parts, check_settings, check_subjects, require_subjects


@pytest.mark.parametrize(
    ("changes", "number", "told"),
    [
        ({"steps": 1001}, 0, "steps is 1001; it must be 1 to 1000"),
        ({"batch": 257}, 0, "batch is 257; it must be 1 to 256"),
        ({"batch": 2}, 2, "number is 2; it must be below the batch, 2"),
        ({}, -1, "number is -1"),
        ({"guidance_scale": float("inf")}, 0, "guidance_scale is inf; it must be a finite number"),
        ({"size": (10**6, 10**6)}, 0, "of at most 100000000 pixels"),
        ({"size": (4096, 8192), "hires": Hires(scale=4)}, 0, "of at most 100000000 pixels"),
        ({"hires": Hires(steps=10**9)}, 0, "hires steps is 1000000000"),
    ],
)
def test_what_no_machine_could_bear_is_refused(changes: dict, number: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_settings(replace(QUICK, **changes), number)


def test_guidance_that_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="give its name"):
        check_settings(replace(QUICK, guidance=strategy("gradient")), 0)


def test_what_can_be_painted_passes() -> None:
    check_settings(replace(QUICK, batch=3), 2)
    check_parts(QUICK, None, (), 0)
    check_parts(QUICK, QUICK.size, [(0, 90, 0, 90)], 32)


@pytest.mark.parametrize(("boxes", "feather"), [([(0, 9, 0, 9)], 0), ([], 3)])
def test_parts_of_no_picture_are_refused(boxes: list, feather: int) -> None:
    with pytest.raises(UsageError, match="without a picture before"):
        check_parts(QUICK, None, boxes, feather)


@pytest.mark.parametrize(
    ("subjects", "told"),
    [
        ([(3, 1.0, 0)], "region is 3; it must be of a canvas with 2, counted from 1"),
        ([(-1, 1.0, 0)], "region is -1"),
        ([(1, 10.5, 0)], "subject strength is 10.5; it must be in 0..10"),
        ([(1, float("nan"), 0)], "subject strength is nan"),
        ([(1, 1.0, 2**63)], "subject seed is 9223372036854775808"),
        ([(1, 1.0, -1)], "subject seed is -1"),
        ([(1, 1.0, 0), (0, 1.0, 0)], "2 subjects came, one of them for the whole picture"),
    ],
)
def test_subjects_that_cannot_be_are_refused(subjects, told) -> None:
    with pytest.raises(UsageError) as refused:
        check_subjects(subjects, 2)
    assert told in str(refused.value)


def test_subjects_may_be_in_any_region_or_the_whole_picture() -> None:
    check_subjects([], 0)
    check_subjects([(0, 10, 0)], 0)
    check_subjects([(1, 0.0, 0), (2, 1.2, 2**63 - 1)], 2)


def test_a_canvas_is_painted_with_the_subjects_it_names() -> None:
    require_subjects(CANVAS, [])
    named = set_subject(CANVAS, 1, "boat.png")
    require_subjects(named, [2, 1])
    with pytest.raises(UsageError, match=r"region 2 of the canvas has the subject boat\.png"):
        require_subjects(named, [1])
