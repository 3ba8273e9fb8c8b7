"""Signs stand where the world says they do."""

import numpy as np
from PIL import Image

from gesso.storybook.draw import draw, sign_boxes
from gesso.storybook.scene import Scene, Thing
from gesso.storybook.signs import letter_boxes, paste_boards, sign_board

CREAM = (250, 236, 204)
CAT = Thing("cat", "red", "plain", None, "large", "in the center", "no offset", 5.0, "K9")
BARE = Thing("tree", "green", "plain", None, "small", "on the left", "no offset", 6.0)


def creamy(picture: Image.Image) -> np.ndarray:
    """Where a picture is as light as boards are, [H, W]."""
    return (np.abs(np.asarray(picture, int) - CREAM) < 6).all(-1)


def test_boxes_hold_the_boards_of_a_scene() -> None:
    (box, none) = sign_boxes(Scene(1, "night", (CAT, BARE)), 256)
    assert none is None
    assert box is not None
    x0, y0, x1, y1 = map(round, box)
    board = creamy(draw(Scene(1, "night", (CAT, BARE)), 256))
    assert board[y0:y1, x0:x1].mean() > 0.2
    board[y0 - 1 : y1 + 2, x0 - 1 : x1 + 2] = False
    assert board.mean() < 0.01


def test_a_sign_alone_looks_as_it_does_on_a_thing() -> None:
    picture = Image.new("RGB", (256, 256), (90, 120, 90))
    square = (86.0, 86.0, 84.0)
    paste_boards(picture, [("K9", square)])
    x0, y0, x1, y1 = map(round, sign_board("K9", square)[1])
    alone = np.asarray(picture, int)[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
    box = sign_boxes(Scene(1, "night", (CAT,)), 256)[0]
    assert box is not None
    left, top = round(box[0]) + 3, round(box[1]) + 3
    hung = np.asarray(draw(Scene(1, "night", (CAT,)), 256), int)
    hung = hung[top : top + alone.shape[0], left : left + alone.shape[1]]
    # both stand at fractions of a pixel, which differ
    assert np.abs(alone.mean((0, 1)) - hung.mean((0, 1))).max() < 25


def test_letters_fill_their_board_from_left_to_right() -> None:
    square = (10.0, 20.0, 80.0)
    board = sign_board("W1W", square)[1]
    letters = letter_boxes("W1W", square)
    assert len(letters) == 3
    assert board[0] < letters[0][0] < letters[0][2] == letters[1][0] < letters[2][2] < board[2]
    # a one is narrower
    widths = [x1 - x0 for x0, _, x1, _ in letters]
    assert widths[1] < widths[0]
    assert all(board[1] < y0 < y1 < board[3] for _, y0, _, y1 in letters)


def test_long_signs_stay_inside_their_square() -> None:
    x0, _, x1, _ = sign_board("WWWWW", (0.0, 0.0, 60.0))[1]
    assert x0 >= 0
    assert x1 <= 60
