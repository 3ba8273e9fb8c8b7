"""Signs: small boards with a few letters or digits, which hang on things or stand alone."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from gesso.core.errors import UsageError
from gesso.storybook.palette import Paint, thing_palette
from gesso.storybook.sticker import BORDER, SILHOUETTE, Frame, Sticker, paste

__all__ = ["Box", "Square", "hang_sign", "letter_boxes", "paste_boards", "sign_board"]

SIGN_HEIGHT: Final = 0.2
LETTER_HEIGHT: Final = 0.215
FINE: Final = 4  # supersampling of boards that stand alone

Square = tuple[float, float, float]
Box = tuple[float, float, float, float]


def hang_sign(indices: Image.Image, text: str, square: Square) -> None:
    """Paint a small board with the text at the bottom of a thing's square.

    Args:
        indices: what the thing is painted on, as palette indices.
        text: of the sign.
        square: left, top and side of the thing's square, in pixels of `indices`.
    """
    font, board = sign_board(text, square)
    side = square[2]
    pen = ImageDraw.Draw(indices)
    pen.fontmode = "1"  # indices must not be blended
    pen.rounded_rectangle(board, 0.03 * side, Paint.CREAM, Paint.WOOD, max(1, round(0.018 * side)))
    # centred by a capital's height: the font's own middle counts room for letters like g
    middle = board[3] - SIGN_HEIGHT * side / 2
    baseline = middle + font.getbbox("H", anchor="ls")[1] / -2
    x = square[0] + side / 2
    pen.text((x, baseline), text, Paint.DARK, font, "ms", stroke_width=max(0, round(0.006 * side)))


def sign_board(text: str, square: Square) -> tuple[ImageFont.FreeTypeFont, Box]:
    """The font of a sign, and its board (x0, y0, x1, y1), for a thing's square (left, top, side)."""
    left, top, side = square
    font = _font(max(4, round(LETTER_HEIGHT * side)))
    if font.getlength(text) > 0.88 * side:
        font = _font(max(4, floor(font.size * 0.88 * side / font.getlength(text))))
    half = min(0.48 * side, font.getlength(text) / 2 + 0.05 * side)
    x, bottom = left + side / 2, top + side * 0.985
    return font, (x - half, bottom - SIGN_HEIGHT * side, x + half, bottom)


@lru_cache(maxsize=128)
def _font(height: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(height)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UsageError("this Pillow has no FreeType; install a Pillow wheel to write signs")
    return font


def letter_boxes(text: str, square: Square) -> list[Box]:
    """Where each character of a sign stands, (x0, y0, x1, y1), for a thing's square (left, top, side)."""
    font, board = sign_board(text, square)
    ends = [font.getlength(text[:count]) for count in range(len(text) + 1)]
    start = (board[0] + board[2] - ends[-1]) / 2
    middle, half = (board[1] + board[3]) / 2, font.getbbox("H", anchor="ls")[1] / -2
    return [(start + left, middle - half, start + right, middle + half) for left, right in pairwise(ends)]


def paste_boards(picture: Image.Image, boards: Iterable[tuple[str, Square]]) -> None:
    """Paste signs alone onto a picture, in place, as they look when they hang on things.

    Args:
        picture: RGB.
        boards: text, and left, top and side of the square of the thing that is left out, in pixels.
    """
    border = BORDER * picture.width
    margin = ceil(4 * border) + 1
    for text, square in boards:
        x0, y0, x1, y1 = sign_board(text, square)[1]
        left, top = floor(x0) - margin, floor(y0) - margin
        extent = ceil(max(x1 - x0, y1 - y0)) + 1 + 2 * margin
        inside = ((square[0] - left) * FINE, (square[1] - top) * FINE, square[2] * FINE)
        frame = Frame(left, top, extent, FINE, inside)
        indices = Image.new("L", (extent * FINE, extent * FINE))
        hang_sign(indices, text, inside)
        silhouette = indices.point(SILHOUETTE).reduce(FINE)
        # of a thing of any colour: boards look the same on all
        indices.putpalette(thing_palette("red", None, 0))
        paste(picture, Sticker(frame, indices.convert("RGB").reduce(FINE), silhouette), border)
