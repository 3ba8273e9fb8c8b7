"""A canvas: a background and its regions, as a value, a program, JSON and a list of prompts."""

from dataclasses import dataclass, replace
from typing import Final, Self

from gesso.canvas.checks import check_keys, shown
from gesso.canvas.limits import MAX_CHARACTERS, MAX_REGIONS
from gesso.canvas.parts import Box, GlobalDescription, Region, characters
from gesso.canvas.source import BEGIN, fenced_block, global_call, local_call
from gesso.canvas.vocabulary import GRID
from gesso.core.errors import CanvasError

__all__ = ["WHOLE", "Box", "Canvas", "Condition", "GlobalDescription", "Region"]

WHOLE: Final[Box] = (0, GRID, 0, GRID)
"""The box of the background."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One prompt of a canvas and where it holds.

    Attributes:
        box: (top, bottom, left, right) in cells.
        prefixes: sentences that begin each window of the prompt, see `gesso.canvas.prompts`.
        suffixes: sentences that are spread over its windows.
        region: None for the background.
    """

    box: Box
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    region: Region | None


@dataclass(frozen=True, slots=True)
class Canvas:
    """A background and its regions, in the order of the program.

    Attributes:
        background: the description of the whole picture; a program's last one.
        regions: in the order they were added. A setting that is the background's is stored as None.
    """

    background: GlobalDescription
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.background, GlobalDescription):
            raise CanvasError(
                "background must be a GlobalDescription; a program sets it with set_global_description"
            )
        if not isinstance(self.regions, tuple) or not all(
            isinstance(region, Region) for region in self.regions
        ):
            raise CanvasError("regions must be a tuple of Region values")
        if len(self.regions) > MAX_REGIONS:
            raise CanvasError(_too_many(len(self.regions)))
        total = characters(self.background) + sum(characters(region) for region in self.regions)
        if total > MAX_CHARACTERS:
            raise CanvasError(
                f"{total} characters of text; at most {MAX_CHARACTERS} are read, so shorten them"
            )
        object.__setattr__(self, "regions", self._settled())

    def _settled(self) -> tuple[Region, ...]:
        """The regions, with the background's own setting as None; () may only come first."""
        own = (self.background.description,)
        settings = [None if region.setting == own else region.setting for region in self.regions]
        begun = [setting != () for setting in settings]
        if begun != sorted(begun):
            number = begun.index(False, begun.index(True)) + 1
            raise CanvasError(
                f"region {number} has the setting (), but comes after one that has a background; "
                "move it to the front or leave its setting out"
            )
        pairs = zip(self.regions, settings, strict=True)
        return tuple(r if r.setting == setting else replace(r, setting=setting) for r, setting in pairs)

    @property
    def by_depth(self) -> tuple[Region, ...]:
        """The regions, farthest first; of equal distance, first added first."""
        return tuple(sorted(self.regions, key=lambda region: -region.distance_to_viewer))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is to be painted where: the background everywhere, then the regions, farthest first."""
        ground = self.background
        return (
            Condition(WHOLE, ground.prefixes, ground.suffixes, None),
            *(Condition(r.box, r.prefixes(ground), r.suffixes, r) for r in self.by_depth),
        )

    def to_source(self, *, fenced: bool = False) -> str:
        """A program in the published notation, from which exactly this canvas is read.

        Args:
            fenced: put it into a block, as planners answer.
        """
        own, now = (self.background.description,), tuple[str, ...]()
        calls = [BEGIN]
        for region in self.regions:
            wanted = own if region.setting is None else region.setting
            if wanted != now:
                calls.append(self._global_call(wanted))
                now = wanted
            calls.append(local_call(region))
        if now != own:
            calls.append(self._global_call(own))
        program = "\n\n".join(calls) + "\n"
        return fenced_block(program) if fenced else program

    def _global_call(self, setting: tuple[str, ...]) -> str:
        """The call that puts a setting into force; only the last one's other fields count."""
        ground = self.background
        if setting == (ground.description,):
            return global_call(ground)
        return global_call(GlobalDescription(setting[0], (), "", ground.colour))

    def to_dict(self) -> dict[str, object]:
        """A form that JSON can hold: {"background": {...}, "regions": [{...}, ...]}."""
        return {
            "background": self.background.to_dict(),
            "regions": [region.to_dict() for region in self.regions],
        }

    @classmethod
    def from_dict(cls, data: object) -> Self:
        """The other way round.

        Raises:
            CanvasError: a key is unknown or missing, or a value is not allowed; the message says which.
        """
        parts = check_keys("canvas", data, ("background", "regions"))
        regions = parts["regions"]
        if not isinstance(regions, list):
            raise CanvasError(f"regions is {shown(regions)}; give a list of objects")
        if len(regions) > MAX_REGIONS:
            raise CanvasError(_too_many(len(regions)))
        named = [Region.from_dict(region, f"regions[{index}]") for index, region in enumerate(regions)]
        return cls(GlobalDescription.from_dict(parts["background"]), tuple(named))


def _too_many(count: int) -> str:
    return f"{count} regions; at most {MAX_REGIONS} are painted, so leave some out"
