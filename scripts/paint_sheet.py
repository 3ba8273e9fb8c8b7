"""A contact sheet of storybook scenes: the true render, then what a painter makes of it under each guidance.

Under each picture stands a mark for every thing, in reading order: full where the judge sees kind, colour and
pattern at its place, a ring where the pattern alone is wrong, a cross where kind or colour is.

python scripts/paint_sheet.py mini-sdxl docs/images/region_guidance.png --count 6 --seed 1
"""

import argparse
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

import gesso
from gesso.evaluate.judge import Judge, PictureScore
from gesso.evaluate.tasks.paint import PaintSample, StorybookPaint
from gesso.storybook.draw import draw

GUIDANCES: Final = ("attention-scores", "attention-decomposition", "multidiffusion", "gradient", "none")
SIDE, GAP, MARKS, HEAD = 160, 10, 18, 20
RIGHT, WRONG, INK, PAPER = (52, 140, 76), (200, 48, 48), (50, 46, 60), (255, 255, 255)


def main() -> None:
    """Read the command line, paint, and save the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="a painter's name or folder")
    parser.add_argument("out", type=Path, help="the PNG")
    parser.add_argument("--count", type=int, default=6, help="scenes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="test")
    parser.add_argument("--language", default="en")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--judge", help="folder of the judge; by default that of the package")
    chosen = parser.parse_args()
    options = {name: getattr(chosen, name) for name in ("split", "language", "steps", "judge")}
    engine = gesso.load(chosen.model).engine
    judge = Judge.load(chosen.judge)
    columns = []
    for guidance in GUIDANCES:
        task = StorybookPaint(guidance=guidance, **options)
        samples = [sample for group in task.rounds(chosen.seed, chosen.count, 1) for sample in group]
        columns.append((guidance, [task.paint(engine, sample) for sample in samples]))
    # as large as the painted ones, for the judge has learned to look at that size
    true = [draw(sample.scene, engine.defaults.size[0]) for sample in samples]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    page = sheet([("true render", true), *columns], samples, judge)
    page.quantize(256).save(chosen.out, optimize=True)  # a third of the size, for some banding


def sheet(
    columns: list[tuple[str, list[Image.Image]]], samples: list[PaintSample], judge: Judge
) -> Image.Image:
    """One row a scene, one column a way to paint it."""
    width, height = SIDE + GAP, SIDE + MARKS + GAP
    page = Image.new("RGB", (len(columns) * width + GAP, len(samples) * height + HEAD + GAP), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    scenes = [sample.scene for sample in samples]
    for column, (name, pictures) in enumerate(columns):
        x = GAP + column * width
        pen.text((x, GAP // 2), name, INK, font)
        for row, score in enumerate(judge.score(pictures, scenes)):
            y = HEAD + GAP + row * height
            page.paste(pictures[row].convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
            _mark(pen, (x, y + SIDE + 4), samples[row], score)
    return page


def _mark(pen: ImageDraw.ImageDraw, at: tuple[int, int], sample: PaintSample, score: PictureScore) -> None:
    found = dict(zip(sample.scene.things, score.things, strict=True))
    for number, thing in enumerate(sample.scene.reading_order):
        x, y = at[0] + number * 16, at[1]
        box = (x, y, x + 10, y + 10)
        if found[thing].right:
            pen.ellipse(box, fill=RIGHT if found[thing].exact else None, outline=RIGHT, width=2)
        else:
            pen.line(box, WRONG, 2)
            pen.line((x, y + 10, x + 10, y), WRONG, 2)
    if score.stray:
        pen.text((at[0] + SIDE - 8, at[1] - 4), f"+{score.stray}", WRONG, ImageFont.load_default(13), "ra")


if __name__ == "__main__":
    main()
