"""How each kind of thing looks: one small drawing function per kind.

Every function paints with palette indices (`Paint`) in the unit square: `BODY` carries the pattern, `MAIN`
and `SHADE` keep the main colour, so that it can be told from the pattern's.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gesso.storybook.brush import Brush
from gesso.storybook.kinds_animals import ANIMAL_DRAWERS
from gesso.storybook.kinds_objects import OBJECT_DRAWERS
from gesso.storybook.kinds_outdoors import OUTDOOR_DRAWERS

__all__ = ["KIND_DRAWERS"]

KIND_DRAWERS: Final[Mapping[str, Callable[[Brush], None]]] = {
    **ANIMAL_DRAWERS,
    **OUTDOOR_DRAWERS,
    **OBJECT_DRAWERS,
}
"""Kind -> function that draws it, one for each of `scene.KINDS` and `scene.RARE_KINDS`."""
