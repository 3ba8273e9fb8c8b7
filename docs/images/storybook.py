"""Draws docs/images/storybook.png, the README's picture: every place once, from scenes no training sees.

Run: python docs/images/storybook.py
"""

from pathlib import Path

from gesso.storybook.scene import PLACES, Scene
from gesso.storybook.sheet import contact_sheet
from gesso.storybook.splits import scenes

SEED = 11
CELL = 320  # pixels; shown at half that, so that it is sharp on every screen


def main() -> None:
    found: dict[str, Scene] = {}
    for scene in scenes("test", SEED, counts=(4, 5)):
        found.setdefault(scene.place, scene)
        if len(found) == len(PLACES):
            break
    sheet = contact_sheet([found[place] for place in PLACES], columns=4, size=CELL)
    sheet.save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
