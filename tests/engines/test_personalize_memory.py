import pytest

from gesso.core.errors import UsageError
from gesso.engines.personalize_memory import ReaderPlan, painter_vram, plan_reader

LLAVA = {16: 14.1, 8: 7.6, 4: 4.6}
"""Gigabytes of LLaVA 1.5 7B with its tower."""


def plan(vram, bits=None, packs=True, on_gpu=True):
    return plan_reader(LLAVA, vram, bits, on_gpu=on_gpu, packs=packs)


@pytest.mark.parametrize(
    ("vram", "found"),
    [
        (None, ReaderPlan(16)), (22, ReaderPlan(16)), (18, ReaderPlan(8)), (14, ReaderPlan(4)),
        (12, ReaderPlan(4, "turn")), (8, ReaderPlan(4, "turn")), (6, ReaderPlan(stay="cpu")),
        (4, ReaderPlan(stay="cpu")),
    ],
)  # fmt: skip
def test_published_memories_give_the_published_bits_and_lower_ones_take_turns(vram, found):
    assert plan(vram) == found


def test_without_bitsandbytes_nothing_is_packed():
    assert plan(22, packs=False) == ReaderPlan(16)
    assert plan(18, packs=False) == ReaderPlan(16, "turn")
    assert plan(14, packs=False) == ReaderPlan(stay="cpu")


def test_bits_are_what_was_asked_for_or_refused():
    assert plan(None, 4) == ReaderPlan(4)
    assert plan(22, 8) == ReaderPlan(8)
    assert plan(18, 16) == ReaderPlan(16, "turn")
    for vram, bits, said in ((12, 8, "in 8 bits does not fit 12 GB"), (6, 4, "in 4 bits does not fit 6")):
        with pytest.raises(UsageError, match=said):
            plan(vram, bits)
    with pytest.raises(UsageError, match="bits is 3; it must be one of 16, 8, 4"):
        plan(22, 3)
    with pytest.raises(UsageError, match="bits 4 came for the CPU"):
        plan(None, 4, on_gpu=False)
    assert plan(None, 16, on_gpu=False) == ReaderPlan(stay="cpu")


def test_the_painter_is_planned_for_what_it_knows():
    assert [painter_vram(each) for each in (None, 4, 12, 14, 22)] == [None, 4, 12, 12, 12]
    with pytest.raises(UsageError, match="vram is 16; with subjects it must be one of 4, 6, 8, 12, 14, 18"):
        painter_vram(16)
