"""What distinguishes one Megrez checkpoint from another, apart from its parts' sizes."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from gesso.core.errors import CheckpointError
from gesso.models.settings import FamilySettings

__all__ = ["FRAMES_OF_30_S", "RATE", "LongAudio", "MegrezSettings"]

LongAudio = Literal["split", "cut"]

RATE: Final = 16_000
"""Samples a second that the audio encoder takes."""

FRAMES_OF_30_S: Final = 1_500
"""Frames of the encoder in the 30 s that its log-mel features are padded to."""

LONGEST_CLIP: Final = 30
"""Seconds that log-mel features are padded to."""

NUMBERS: Final = (
    "image_feature_size", "max_slice_nums", "scale_resolution", "patch_size", "max_length", "clip_seconds",
)  # fmt: skip
"""Settings that count something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MegrezSettings(FamilySettings):
    """Settings of a Megrez; the first ones are named as in its preprocessor_config.json.

    Attributes:
        image_feature_size: positions that a slice of a picture takes.
        max_slice_nums: most slices a picture is cut into, its overview not counted.
        scale_resolution: side, in pixels, of a square with the area that slices are scaled to.
        patch_size: side of a patch, in pixels.
        slice_mode: whether pictures are cut at all.
        use_image_id: whether each picture's number stands before it, counted from 0.
        max_length: longest sequence, positions of pictures and sounds included.
        template: name of the conversation template.
        clip_seconds: longest sound that is given as one; 30 but for small models that heard shorter ones.
        long_audio: what becomes of longer sounds: "split" gives them in pieces, each a sound of its own;
            "cut" drops what follows, as the original does. Both warn.
        clips_together: how the end of a sound is encoded beside a longer one. False: as if it were alone.
            True: as the original does, which lets its last frame see into the padding of the features.
    """

    family: ClassVar[str] = "Megrez"

    image_feature_size: int = 64
    max_slice_nums: int = 9
    scale_resolution: int = 448
    patch_size: int = 14
    slice_mode: bool = True
    use_image_id: bool = True
    max_length: int = 4096
    template: str = "megrez"
    clip_seconds: int = 30
    long_audio: LongAudio = "split"
    clips_together: bool = False

    def __post_init__(self) -> None:
        """Refuse values no model can have."""
        for name in NUMBERS:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise CheckpointError(f"{name} is {value!r}; it must be a whole number of at least 1")
        if self.clip_seconds > LONGEST_CLIP:
            raise CheckpointError(f"clip_seconds is {self.clip_seconds}; it must be at most {LONGEST_CLIP}")
        if self.long_audio not in ("split", "cut"):
            raise CheckpointError(f"long_audio is {self.long_audio!r}; allowed: split, cut")
