"""DeepFloyd IF as a user asks for it: loaded stage by stage, with a note of how a picture was painted."""

from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from PIL import Image as Pictures

from gesso.core.digests import weights_digest
from gesso.core.errors import UsageError
from gesso.diffusion.cascade import Cascade, Given
from gesso.diffusion.cascade_load import load_first, load_second
from gesso.diffusion.cascade_settings import CascadeSettings
from gesso.diffusion.upscale import Step, Upscaler
from gesso.engines.builders import device_of
from gesso.engines.folders import folder_of
from gesso.engines.options import LoadOptions
from gesso.engines.paint_recipe import pixel_digest
from gesso.engines.paint_record import MadeWith, made_here

__all__ = ["FIRST", "SECOND", "DreamNote", "Dreamer", "load_dreamer"]

FIRST: Final = "DeepFloyd/IF-I-XL-v1.0"
SECOND: Final = "DeepFloyd/IF-II-L-v1.0"

Mode = Literal["text", "picture", "mask", "enlarge"]
"""What is painted from: a text, a picture told anew, a part of one, or a small picture made larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DreamNote(CascadeSettings):
    """How a picture was painted.

    Attributes:
        mode: what from.
        stages: names or paths of the models.
        weights: digests of their weights.
        source: digest of the picture that came, or "".
        mask: digest of the mask, or "".
        made_with: versions, device and threads.
    """

    mode: Mode
    stages: tuple[str, ...]
    weights: tuple[str, ...]
    source: str = ""
    mask: str = ""
    made_with: MadeWith = field(default_factory=MadeWith)


class Dreamer:
    """Paints with a cascade.

    Args:
        cascade: the model.
        stages: what its stages were loaded as, and digests of their weights.
        vram: gigabytes of GPU memory it keeps within, if any.
    """

    def __init__(self, cascade: Cascade, stages: dict[str, str], vram: int | None = None) -> None:
        self.cascade = cascade
        self._stages, self._vram = stages, vram

    def paint(
        self,
        settings: CascadeSettings,
        picture: Pictures.Image | None = None,
        mask: Pictures.Image | None = None,
        *,
        enlarge: bool = False,
        step: Step | None = None,
    ) -> tuple[Pictures.Image, DreamNote]:
        """A picture, and how it was painted.

        Args:
            settings: the text, and how.
            picture: one to be told anew; its shape is kept.
            mask: white where it is painted, of its size; the rest stays.
            enlarge: the picture is only made larger.
            step: called after each step with steps done and steps of the stage; True stops.

        Raises:
            UsageError: a mask or enlarging without a picture, a mask that does not fit, or too little memory.
            PaintingCancelledError: `step` stopped it.
        """
        if picture is None and (mask is not None or enlarge):
            raise UsageError("a mask, or a wish to enlarge, came without a picture; give one")
        if mask is not None and enlarge:
            raise UsageError("a mask came for a picture that is only made larger; leave it out")
        if enlarge and picture is not None:
            made = self.cascade.enlarge(settings, picture, step)
        else:
            given = None if picture is None else Given(picture, mask)
            made = self.cascade.paint(settings, given, step)
        mode: Mode = "text" if picture is None else "enlarge" if enlarge else "picture"
        note = DreamNote(
            **asdict(settings),
            mode="mask" if mask is not None else mode,
            stages=tuple(self._stages),
            weights=tuple(self._stages.values()),
            source="" if picture is None else pixel_digest(picture),
            mask="" if mask is None else pixel_digest(mask),
            made_with=made_here(str(self.cascade.device), self._vram),
        )
        return made, note


def load_dreamer(
    first: str = FIRST,
    second: str | None = SECOND,
    third: str | None = None,
    *,
    options: LoadOptions | None = None,
    vram: int | None = None,
) -> Dreamer:
    """Load DeepFloyd IF.

    Args:
        first: folder or repository of the first stage, with T5.
        second: of the second stage; None leaves pictures at 64 x 64.
        third: of Stable Diffusion's x4 upscaler; None leaves them at 256 x 256.
        options: device; the rest of them means nothing here.
        vram: gigabytes of GPU memory to stay within; every part then comes when it is used, T5 first.

    Raises:
        UnknownNameError: nothing has one of these names.
        CheckpointError: files are missing or damaged.
        UnsupportedError: a folder holds another model.
        UsageError: the machine does not have what is asked for, or there is a third stage without a second.
    """
    if third is not None and second is None:
        raise UsageError("a third stage came without a second; give the second, or upscale the picture")
    device = device_of(options or LoadOptions())
    folders = {name: folder_of(name) for name in (first, second, third) if name is not None}
    cascade = Cascade(
        load_first(folders[first], device, vram),
        None if second is None else load_second(folders[second], device, vram),
        None if third is None else Upscaler.load(folders[third], device=device, vram=vram),
        device,
    )
    return Dreamer(cascade, {name: weights_digest(folder) for name, folder in folders.items()}, vram)
