import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.models.megrez.settings import MegrezSettings
from gesso.models.megrez.slicing import SlicePlan, patch_grid, plan_slices

SETTINGS = MegrezSettings()
sides = st.integers(1, 6000)


def test_the_published_example_gives_seven_slices() -> None:
    plan = plan_slices((720, 1480), SETTINGS)
    assert plan == SlicePlan((308, 644), (2, 3), (378, 518))
    assert (plan.refined, plan.count) == ((756, 1554), 7)
    assert patch_grid(plan.slice, SETTINGS) == (37, 27)


@pytest.mark.parametrize(
    ("size", "overview"), [((10_000, 20), (9996, 14)), ((448, 448), (448, 448)), ((10, 10), (448, 448))]
)
def test_small_and_thin_pictures_stay_whole(size, overview) -> None:
    plan = plan_slices(size, SETTINGS)
    assert (plan.grid, plan.refined, plan.count) == (None, None, 1)
    assert plan.overview[0] % 14 == plan.overview[1] % 14 == 0
    if size != (10_000, 20):
        assert plan.overview == overview


def test_nothing_is_cut_where_the_settings_say_so() -> None:
    assert plan_slices((2000, 2000), MegrezSettings(slice_mode=False)).count == 1
    assert plan_slices((2000, 2000), MegrezSettings(max_slice_nums=1)).count == 1


@given(sides, sides, st.integers(1, 12))
def test_every_picture_has_a_plan_of_whole_patches(width: int, height: int, limit: int) -> None:
    plan = plan_slices((width, height), MegrezSettings(max_slice_nums=limit))
    assert 1 <= plan.count <= limit + 1
    for size in filter(None, (plan.overview, plan.slice)):
        assert min(size) >= 14
        assert size[0] % 14 == size[1] % 14 == 0
