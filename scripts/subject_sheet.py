"""A contact sheet of given subjects: reference, mask, two new contexts, a new texture.

Under each painted picture stands whether the judge sees the subject in its looks (S) and its kind at its
place (C), crossed out where it does not; of a texture, the new looks count.

python scripts/subject_sheet.py runs/mini/moma/final subjects.png --count 6 --seed 1
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from paint_sheet import GAP, HEAD, INK, MARKS, PAPER, RIGHT, SIDE, WRONG
from PIL import Image, ImageDraw, ImageFont

import gesso
from gesso.evaluate.judge import Judge
from gesso.evaluate.tasks.subject import kept, look_at_scene, settings_for
from gesso.storybook.judging import crop
from gesso.storybook.scene import COLOURS, PATTERNS, PLACES, Thing
from gesso.storybook.subjects import SubjectPair, subject_pair, subject_prompt
from gesso.storybook.tell import describe

COLUMNS: Final = ("reference", "mask", "a new context", "another one", "a new texture")
CONTEXT, TEXTURE = 1.0, 0.4  # strengths


@dataclass(frozen=True)
class Cell:
    """A picture, and what the judge says of it by letter."""

    picture: Image.Image
    marks: dict[str, bool]


def main() -> None:
    """Read the command line, paint, and save the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="what paints given subjects: a name or folder")
    parser.add_argument("out", type=Path, help="the PNG")
    parser.add_argument("--count", type=int, default=6, help="subjects")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="test")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--judge", help="folder of the judge; by default that of the package")
    chosen = parser.parse_args()
    painter, judge = gesso.load(chosen.model).engine, Judge.load(chosen.judge)
    pairs = [subject_pair(chosen.split, chosen.seed, number) for number in range(chosen.count)]
    rows = [row(painter, judge, pair, chosen.seed + n, chosen.steps) for n, pair in enumerate(pairs)]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows).quantize(256).save(chosen.out, optimize=True)


def row(painter: Any, judge: Judge, pair: SubjectPair, seed: int, steps: int | None) -> list[Cell]:
    """One subject in all columns."""
    settings = settings_for(painter, seed, steps, None)
    seen, image, mask = look_at_scene(painter, pair.reference, pair.noun, settings.size[0])
    cells = [Cell(image, {}), Cell(mask, {})]
    for wanted, prompt in contexts(pair, seed):
        (painted,) = painter.paint(seen, prompt, settings, strength=CONTEXT)
        cells.append(judged(judge, painted.image, wanted))
    looks, prompt = texture(pair, seed)
    (painted,) = painter.paint(seen, prompt, settings, strength=TEXTURE)
    return [*cells, judged(judge, painted.image, looks)]


def contexts(pair: SubjectPair, seed: int) -> list[tuple[Thing, str]]:
    """The subject with its prompt in two places: the pair's own, and another one."""
    rng = Random(seed)
    taken = {pair.reference.place, pair.target.place}
    place = rng.choice([each for each in PLACES if each not in taken])
    other = replace(pair.subject, location=rng.choice(["on the left", "in the center", "on the right"]))
    return [(pair.subject, pair.prompt), (other, subject_prompt(other, place))]


def texture(pair: SubjectPair, seed: int) -> tuple[Thing, str]:
    """The subject in other colours, with a prompt that says them."""
    rng = Random(seed)
    subject = pair.reference.things[0]
    pattern = rng.choice([each for each in PATTERNS if each != subject.pattern])
    colour, second = rng.sample([each for each in COLOURS if each != subject.colour], 2)
    looks = replace(
        subject, colour=colour, pattern=pattern, second_colour=None if pattern == PATTERNS[0] else second
    )
    return looks, describe(replace(pair.reference, things=(looks,)))


def judged(judge: Judge, picture: Image.Image, wanted: Thing) -> Cell:
    """A picture with what the judge sees at the place of a thing."""
    (verdict,) = judge.verdicts([crop(picture, wanted.box)])
    return Cell(picture, {"S": kept(wanted, verdict), "C": verdict.kind == wanted.kind})


def sheet(rows: list[list[Cell]]) -> Image.Image:
    """One row a subject, one column a way to show it."""
    width, height = SIDE + GAP, SIDE + MARKS + GAP
    page = Image.new("RGB", (len(COLUMNS) * width + GAP, len(rows) * height + HEAD + GAP), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for column, name in enumerate(COLUMNS):
        pen.text((GAP + column * width, GAP // 2), name, INK, font)
    for number, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            x, y = GAP + column * width, HEAD + GAP + number * height
            page.paste(cell.picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
            for place, (letter, right) in enumerate(cell.marks.items()):
                left, top = x + 20 * place, y + SIDE + 2
                pen.text((left, top), letter, RIGHT if right else WRONG, font)
                if not right:
                    pen.line((left - 1, top + 9, left + 10, top + 9), WRONG, 2)
    return page


if __name__ == "__main__":
    main()
