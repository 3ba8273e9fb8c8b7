import pytest

from engines.planning import canvas
from gesso.core.errors import UsageError
from gesso.engines.subject_words import region_words, require_named, strength_warning


def test_high_strengths_are_warned_of():
    assert strength_warning("context", 1.2) is None
    assert "above 1.2" in strength_warning("context", 1.3)
    assert strength_warning("texture", 0.6) is None
    assert "above 0.6" in strength_warning("texture", 0.7)


def test_prompts_name_their_subject():
    require_named("Red boat", "a boat, red as fire")
    with pytest.raises(UsageError, match="does not contain the subject 'red boat'"):
        require_named("red boat", "a boat")


def test_a_region_is_told_with_its_background():
    here = canvas("red boat", "blue fish")
    assert region_words(here, 1, "boat") == "a red boat, in the sea"
    with pytest.raises(UsageError, match="region 3, and the canvas has 2"):
        region_words(here, 3, "boat")
    with pytest.raises(UsageError, match="does not contain"):
        region_words(here, 2, "boat")
