"""Pictures from files, bytes, URLs and PIL, as upright RGB."""

import struct
import warnings
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gesso.core.errors import MediaError
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy
from gesso.media.sources import opened

__all__ = ["MAX_PIXELS", "data_url", "load_image", "load_with_alpha"]

# PIL itself only warns above 89 million and gives up above 179; as RGB this many take 300 MB
MAX_PIXELS: Final = 100_000_000
"""Largest picture that is decoded; a header that announces more is refused before decoding."""

OPAQUE: Final = 255

# PIL reads more, but some of its readers run other programs or are seldom tested
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# what PIL's readers are known to raise on damaged files
_DAMAGE: Final = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


def load_image(source: Any, policy: FetchPolicy = DEFAULT_POLICY) -> Image.Image:
    """Read a picture as RGB: turned upright by its EXIF entry, the first frame, laid on white where clear.

    Args:
        source: a path, an http(s) or `data:` URL, the bytes of a file, or a PIL image.
        policy: which of these may be read.

    Raises:
        MediaError: the picture is missing, damaged, too large, of an unknown kind, or forbidden.
        UsageError: `source` is none of these things.
    """
    if isinstance(source, Image.Image):
        # pictures from files are of subclasses, and `info` may hold an orientation or a transparent colour
        if type(source) is Image.Image and source.mode == "RGB" and not source.info:
            return source  # made in memory, nothing to turn or fill
        return _upright_rgb(source, "the PIL image")
    with opened(source, policy, kind="image", noun="picture", others="a PIL image") as (file, name):
        return _decode(file, name)


def load_with_alpha(
    source: Any, policy: FetchPolicy = DEFAULT_POLICY
) -> tuple[Image.Image, Image.Image | None]:
    """Read a picture as `load_image` does, and its transparency beside it.

    Returns:
        RGB, and the alpha channel (0 is clear, 255 is opaque); None where the picture is opaque everywhere.

    Raises:
        MediaError: as in `load_image`.
        UsageError: as in `load_image`.
    """
    if isinstance(source, Image.Image):
        return _rgb_and_alpha(source, "the PIL image")
    with opened(source, policy, kind="image", noun="picture", others="a PIL image") as (file, name):
        with _damage(name):
            image = Image.open(file, formats=_FORMATS)
        return _rgb_and_alpha(image, name)


def data_url(image: Image.Image) -> str:
    """A picture as a `data:` URL that holds a PNG file, of what `load_image` makes of it."""
    file = BytesIO()
    load_image(image).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode('ascii')}"


def _decode(file: Any, name: str) -> Image.Image:
    with _damage(name):
        # reads the header alone; pixels follow in `_as_rgb`, once their number is known to be bearable
        image = Image.open(file, formats=_FORMATS)
    return _upright_rgb(image, name)


def _rgb_and_alpha(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    rgb = _upright_rgb(image, name)
    if not image.has_transparency_data:
        return rgb, None
    with _damage(name):
        alpha = ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
    return rgb, None if alpha.getextrema()[0] == OPAQUE else alpha


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise MediaError(f"{name} is {image.width} x {image.height} pixels; "
                         f"allowed: 1 to {MAX_PIXELS} in all, resize it")  # fmt: skip
    with _damage(name):
        # cameras store pictures as the sensor lay and note in EXIF how to turn them
        return _as_rgb(ImageOps.exif_transpose(image))


def _as_rgb(image: Image.Image) -> Image.Image:
    # PIL's own conversion to L cuts at 255 and makes such pictures white
    if image.mode.startswith("I"):  # 16 bits a pixel, also when PIL holds them in 32
        return Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its grey levels are floating point numbers, of unknown range")
    if image.has_transparency_data:
        # convert("RGB") would show whatever colour lies under the clear pixels, often black
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turns PIL's many ways to fail into one, and keeps its warnings from the user."""
    try:
        with warnings.catch_warnings():
            # about truncated metadata and large pictures: nothing a user of ours can act on
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except _DAMAGE as error:
        unknown = f"its format is none of {', '.join(_FORMATS)}"
        cause = unknown if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
        raise MediaError(f"{name} cannot be read: {cause}; save it again as 8-bit PNG or JPEG") from error
