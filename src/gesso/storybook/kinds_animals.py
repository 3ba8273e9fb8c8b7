"""The animals of the storybook; coordinates are fractions of the thing's square."""

from collections.abc import Callable, Mapping
from typing import Final

from gesso.storybook.brush import Brush
from gesso.storybook.palette import Paint

__all__ = ["ANIMAL_DRAWERS", "bird", "butterfly", "cat", "dog", "fish", "rabbit", "snail", "turtle"]

BODY, MAIN, SHADE, LIGHT, LINE = Paint.BODY, Paint.MAIN, Paint.SHADE, Paint.LIGHT, Paint.LINE


def cat(b: Brush) -> None:
    """A sitting cat with pointed ears, whiskers and its tail in the air."""
    # a line has no edge of its own: the wider, darker one beneath stands in for it (so in all drawings)
    tail = 0.94 + b.vary(0.03)
    b.line([(0.74, 0.86), (0.9, 0.8), (tail, 0.62), (0.88, 0.44)], SHADE, 0.12)
    b.line([(0.74, 0.86), (0.9, 0.8), (tail, 0.62), (0.88, 0.44)], MAIN, 0.085)
    b.ellipse((0.54, 0.72), (0.32, 0.27), BODY, SHADE)
    # paws over the body, ears under the head: later parts hide where earlier ones end
    b.box((0.3, 0.88, 0.48, 0.99), MAIN, edge=SHADE, radius=0.05)
    b.box((0.54, 0.88, 0.72, 0.99), MAIN, edge=SHADE, radius=0.05)
    ear = 0.03 + b.vary(0.02)
    b.polygon([(0.12, 0.34), (0.13, ear), (0.4, 0.16)], MAIN, SHADE)
    b.polygon([(0.68, 0.34), (0.67, ear), (0.4, 0.16)], MAIN, SHADE)
    b.polygon([(0.18, 0.25), (0.18, ear + 0.09), (0.31, 0.17)], Paint.BLUSH)
    b.polygon([(0.62, 0.25), (0.62, ear + 0.09), (0.49, 0.17)], Paint.BLUSH)
    # heads are plain: a pattern would swallow eyes and mouth
    b.ellipse((0.4, 0.36), (0.31, 0.235), MAIN, SHADE)
    b.ellipse((0.4, 0.46), (0.13, 0.085), LIGHT)
    b.eye(0.28, 0.34, 0.065)
    b.eye(0.52, 0.34, 0.065)
    b.polygon([(0.36, 0.42), (0.44, 0.42), (0.4, 0.47)], Paint.BLUSH)
    b.smile(0.4, 0.49, 0.05)
    for side in (-1, 1):
        # whiskers reach beyond the head, or a cat of twenty pixels would have none
        b.line([(0.4 + side * 0.17, 0.45), (0.4 + side * 0.37, 0.42)], LINE, 0.018)
        b.line([(0.4 + side * 0.17, 0.48), (0.4 + side * 0.36, 0.51)], LINE, 0.018)


def dog(b: Brush) -> None:
    """A standing dog seen from the side, with a hanging ear and a long snout."""
    tail = 0.3 + b.vary(0.05)
    b.line([(0.86, 0.54), (0.95, tail)], SHADE, 0.11)
    b.line([(0.86, 0.54), (0.95, tail)], MAIN, 0.075)
    # legs, then the body that joins them
    for x in (0.3, 0.43, 0.66, 0.79):
        b.box((x, 0.7, x + 0.12, 0.98), MAIN, edge=SHADE, radius=0.04)
    b.box((0.27, 0.42, 0.93, 0.84), BODY, edge=SHADE, radius=0.18)
    b.ellipse((0.34, 0.3), (0.23, 0.22), MAIN, SHADE)
    b.box((0.03, 0.3, 0.36, 0.5), MAIN, edge=SHADE, radius=0.09)
    # once more without an edge, which makes one shape of head and snout
    b.box((0.1, 0.31, 0.36, 0.48), MAIN, radius=0.07)
    b.ellipse((0.07, 0.33), (0.06, 0.05), Paint.DARK)
    b.arc((0.16, 0.38), (0.11, 0.07), (20, 140), LINE, 0.026)
    b.eye(0.27, 0.22, 0.062)
    drop = 0.5 + b.vary(0.04)
    # the hanging ear tells it from all others
    b.polygon([(0.42, 0.1), (0.56, 0.16), (0.6, drop), (0.5, drop + 0.07), (0.42, drop - 0.03)], SHADE)
    b.disc(0.51, drop + 0.005, 0.085, SHADE)
    # a collar where the plain head meets the patterned body
    b.box((0.28, 0.505, 0.5, 0.56), Paint.GOLD, radius=0.02)


def rabbit(b: Brush) -> None:
    """A crouching rabbit with two long upright ears and a white tail."""
    # the tail, white on every rabbit
    b.ellipse((0.88, 0.74), (0.1, 0.1), Paint.WHITE, SHADE)
    b.ellipse((0.57, 0.73), (0.33, 0.26), BODY, SHADE)
    lean = b.vary(0.03)
    for x in (0.2, 0.4):
        b.ellipse((x + lean, 0.21), (0.09, 0.21), MAIN, SHADE)
        b.ellipse((x + lean, 0.22), (0.04, 0.14), Paint.BLUSH)
    b.ellipse((0.3, 0.51), (0.25, 0.2), MAIN, SHADE)
    b.eye(0.22, 0.47, 0.062)
    b.eye(0.41, 0.47, 0.062)
    b.ellipse((0.31, 0.55), (0.035, 0.027), Paint.BLUSH)
    # teeth
    b.box((0.275, 0.6, 0.345, 0.69), Paint.WHITE, edge=SHADE)
    b.smile(0.31, 0.59, 0.07)
    # hind and front foot
    b.ellipse((0.64, 0.93), (0.19, 0.06), MAIN, SHADE)
    b.ellipse((0.33, 0.92), (0.1, 0.06), MAIN, SHADE)


def bird(b: Brush) -> None:
    """A round bird with a golden beak, a wing and tail feathers."""
    b.line([(0.45, 0.8), (0.43, 0.97), (0.34, 0.97)], Paint.GOLD, 0.04)
    b.line([(0.58, 0.8), (0.58, 0.97), (0.49, 0.97)], Paint.GOLD, 0.04)
    lift = b.vary(0.05)
    b.polygon([(0.7, 0.56), (0.98, 0.3 + lift), (0.97, 0.52 + lift), (0.86, 0.7)], MAIN, SHADE)
    # a crest behind the head
    b.polygon([(0.4, 0.14), (0.34, 0.03), (0.44, 0.06), (0.5, 0.01), (0.5, 0.14)], SHADE)
    b.ellipse((0.5, 0.56), (0.36, 0.31), BODY, SHADE)
    # two discs instead of an ellipse with an edge: the same ring, without a seam to the body
    b.disc(0.4, 0.3, 0.195, SHADE)
    b.disc(0.4, 0.3, 0.173, MAIN)
    b.polygon([(0.24, 0.24), (0.02, 0.34), (0.25, 0.4)], Paint.GOLD)
    b.eye(0.37, 0.27, 0.072)
    # a plain wing, small enough to leave the body's pattern in sight
    b.ellipse((0.71, 0.56), (0.15, 0.1 + b.vary(0.015)), MAIN, SHADE)
    b.arc((0.69, 0.54), (0.1, 0.07), (30, 120), SHADE, 0.025)


def fish(b: Brush) -> None:
    """A plump fish with a forked tail, fins and bubbles at its mouth."""
    fork = 0.2 + b.vary(0.04)
    b.polygon([(0.7, 0.5), (0.97, 0.5 - fork - 0.06), (0.9, 0.5), (0.97, 0.5 + fork + 0.06)], MAIN, SHADE)
    b.polygon([(0.3, 0.3), (0.46, 0.06), (0.68, 0.3)], MAIN, SHADE)
    b.polygon([(0.4, 0.7), (0.54, 0.94), (0.62, 0.68)], MAIN, SHADE)
    b.ellipse((0.43, 0.5), (0.4, 0.3), BODY, SHADE)
    # the front third of the body is head, and plain; a gill parts it from the rest
    b.sector((0.43, 0.5), (0.39, 0.29), (122, 238), MAIN)
    b.arc((0.14, 0.5), (0.14, 0.24), (-75, 75), SHADE, 0.025)
    b.eye(0.19, 0.44, 0.075)
    b.smile(0.11, 0.59, 0.07)
    b.polygon([(0.42, 0.52), (0.6, 0.45), (0.58, 0.65)], MAIN, SHADE)


def turtle(b: Brush) -> None:
    """A turtle with a domed shell, its head out on one side."""
    b.polygon([(0.78, 0.76), (0.98, 0.84), (0.8, 0.86)], MAIN, SHADE)
    # feet under the shell
    for x in (0.36, 0.74):
        b.box((x - 0.08, 0.72, x + 0.08, 0.93), MAIN, edge=SHADE, radius=0.05)
    raised = b.vary(0.05)
    # neck and head rise and sink together
    b.line([(0.36, 0.74), (0.17, 0.5 + raised)], MAIN, 0.14)
    b.ellipse((0.15, 0.46 + raised), (0.135, 0.12), MAIN, SHADE)
    b.eye(0.11, 0.43 + raised, 0.05)
    b.smile(0.09, 0.5 + raised, 0.05)
    # a chord has no edge either, so the shell is a smaller half over a darker one
    b.sector((0.57, 0.76), (0.38, 0.62), (180, 360), SHADE)
    b.sector((0.57, 0.76), (0.355, 0.59), (180, 360), BODY)
    b.box((0.17, 0.73, 0.97, 0.82), LIGHT, edge=SHADE, radius=0.045)


def butterfly(b: Brush) -> None:
    """A butterfly with four wings spread and curled feelers."""
    spread = b.vary(0.03)
    for side in (-1, 1):
        b.line([(0.5, 0.3), (0.5 + side * 0.08, 0.12), (0.5 + side * 0.17, 0.06)], Paint.DARK, 0.03)
        b.disc(0.5 + side * 0.18, 0.06, 0.035, Paint.DARK)
        # lower wings first: the upper ones overlap them
        b.ellipse((0.5 + side * 0.24, 0.72), (0.19 + spread / 2, 0.2), BODY, SHADE)
        tip = 0.5 + side * (0.47 + spread / 3)
        b.polygon([(0.5, 0.5), (tip, 0.13), (tip, 0.42), (0.5 + side * 0.3, 0.62)], SHADE)
        b.ellipse((0.5 + side * 0.27, 0.36), (0.22 + spread / 3, 0.23), BODY, SHADE)
    # the body covers where the wings meet
    b.ellipse((0.5, 0.56), (0.065, 0.3), Paint.DARK)
    b.disc(0.5, 0.27, 0.095, Paint.DARK)
    b.disc(0.465, 0.26, 0.03, Paint.WHITE)
    b.disc(0.535, 0.26, 0.03, Paint.WHITE)


def snail(b: Brush) -> None:
    """A snail with its house on its back and two eyes on stalks."""
    tilt = b.vary(0.04)
    for x, y in ((0.08, 0.3), (0.24, 0.26)):
        b.line([(0.18, 0.62), (x + tilt, y)], LIGHT, 0.055)
        b.eye(x + tilt, y, 0.065)
    b.box((0.05, 0.76, 0.97, 0.95), LIGHT, edge=SHADE, radius=0.09)
    b.ellipse((0.17, 0.7), (0.14, 0.2), LIGHT, SHADE)
    # hides the seam between neck and foot
    b.polygon([(0.09, 0.78), (0.32, 0.8), (0.32, 0.92), (0.1, 0.92)], LIGHT)
    b.smile(0.13, 0.74, 0.06)
    b.ellipse((0.6, 0.47), (0.36, 0.38), BODY, SHADE)
    # a plain rim, so that the spiral is not mistaken for stripes that run on
    b.ring((0.6, 0.47), (0.36, 0.38), MAIN, 0.05)
    b.ring((0.6, 0.47), (0.36, 0.38), SHADE, 0.022)
    b.arc((0.64, 0.5), (0.2, 0.21), (150, 400), SHADE, 0.035)
    b.arc((0.62, 0.52), (0.09, 0.1), (330, 560), SHADE, 0.035)


ANIMAL_DRAWERS: Final[Mapping[str, Callable[[Brush], None]]] = {
    drawer.__name__: drawer for drawer in (cat, dog, rabbit, bird, fish, turtle, butterfly, snail)
}
"""Animal -> function that draws it."""
