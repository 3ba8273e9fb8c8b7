"""Mutates canvas programs and sees that the reader only ever reads or refuses them.

For every text `read_canvas` returns a Reading or raises CanvasError, within a bound of processor time, and
without the interpreter running code, opening files, importing or starting anything: the audit events are
watched. A canvas comes back from its own program and its JSON; one text of ten is also read in pieces.

    python scripts/fuzz_canvas.py --inputs 1000000 --seed 1 > fuzz.log
"""

import argparse
import json
import random
import sys
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

from gesso.canvas.canvas import Canvas
from gesso.canvas.parse import Reading, read_canvas
from gesso.canvas.stream import CanvasStream
from gesso.core.errors import CanvasError

CORPUS = Path(__file__).parents[1] / "tests" / "canvas" / "corpus"
SECONDS = 1.0  # of processor time for one text; the longest here have some 20 000 characters
PIECES = (
    "canvas", "Canvas()", "canvas = Canvas()\n", ".set_global_description(",
    ".add_local_description(", "```", "```python\n", "\n```\n", "'", '"', "'''", '"""', "\\",
    "\\\n", "\n", "\r", "\r\n", "\x0c", "\t", " ", "(", ")", "[", "]", "{", "}", ",", ";", ":", "=",
    "==", ":=", "+", "-", "*", "**", "/", "//", "%", "@", "~", ".", "...", "->", "!", "#", "$", "?",
    "`", "f'{", "r'", "b'", "rb'", "\\x4", "\\ud800", "\\N{EM DASH}", "\\777", "\ud800", "\x00",
    "\ufeff", "\u2028", "é", "朝", "🚤", "0x", "1e999", "1_0", "0.", "-1", "10**9", "True", "None",
    "not ", "lambda:", "if ", "else", "for x in y:", "while 1:\n", "def f():\n ", "class A:",
    # texts to be refused, never run: what an attack would be made of
    "import os\n", "del ", "await ", "yield ", "global canvas\n", "match x:\n case _:",
    "__import__('os')", "eval(", "exec(", "open('x')", ".__class__", "*args", "**k", "print(",
    "red", "on the left", "HTML_web_color_name=", "description=", "x = ",
)  # fmt: skip
HARMLESS = {"compile", "object.__getattr__", "sys._getframe", "code.__new__"}  # ast.parse raises the first

watching = False
seen: list[str] = []


def audit(event: str, details: tuple[object, ...]) -> None:
    """Note what the interpreter does while a text is read."""
    if watching and event not in HARMLESS:
        seen.append(f"{event} {details}")


def mutated(rng: random.Random, corpus: list[str]) -> str:
    """A text of the corpus with one to eight changes."""
    text = rng.choice(corpus)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        start, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        if rng.random() < 0.7:
            end = min(end, start + rng.choice((1, 2, 5, 20)))
        match rng.randrange(8):
            case 0:
                text = text[:start] + text[end:]
            case 1 | 2:
                text = text[:start] + rng.choice(PIECES) + text[start:]
            case 3:
                text = text[:start] + rng.choice(PIECES) + text[end:]
            case 4:
                text = text[:start] + text[start:end] * rng.choice((2, 3, 10)) + text[end:]
            case 5:
                text = text[:start] + rng.choice(PIECES) * rng.choice((2, 10, 100, 1000)) + text[end:]
            case 6:
                other = rng.choice(corpus)
                text = text[:start] + other[rng.randint(0, len(other)) :]
            case _:
                text = (
                    text[:start] + chr(rng.choice((rng.randrange(128), rng.randrange(0x3000)))) + text[end:]
                )
        text = text[:20_000]
    return text


def check(text: str, rng: random.Random) -> str:
    """What became of a text; an exception of any other kind than CanvasError is a finding."""
    global watching
    published = rng.random() < 0.1
    began, watching = time.perf_counter(), True
    try:
        reading = read_canvas(text, published=published)
    except CanvasError as error:
        reading, problem = None, error
    finally:
        watching = False
    if seen:
        raise RuntimeError(f"the interpreter did {seen}")
    if time.perf_counter() - began > SECONDS and (spent := seconds(text, published)) > SECONDS:
        raise RuntimeError(f"{spent:.2f} s of processor time")
    if rng.random() < 0.1 and streamed(text, rng, published) != (reading or str(problem)):
        raise RuntimeError("pieces give another result")
    if reading is None:
        return "refused"
    come_back(reading)
    return "read with corrections" if reading.corrections else "read"


def seconds(text: str, published: bool) -> float:
    """Processor time of reading a text; asked for only where other jobs may have cost the time."""
    before = time.process_time()
    with suppress(CanvasError):
        read_canvas(text, published=published)
    return time.process_time() - before


def streamed(text: str, rng: random.Random, published: bool) -> Reading | str:
    """The reading of a text that comes in pieces, or the refusal."""
    stream, start = CanvasStream(published=published), 0
    try:
        while start < len(text):
            end = start + rng.choice((1, 2, 7, 100))
            stream.feed(text[start:end])
            start = end
        return stream.finish()
    except CanvasError as error:
        return str(error)


def come_back(reading: Reading) -> None:
    """A canvas is read again from its program and its JSON."""
    canvas = reading.canvas
    again = read_canvas(canvas.to_source(fenced=True), published=True)
    if again != Reading(canvas) or Canvas.from_dict(json.loads(json.dumps(canvas.to_dict()))) != canvas:
        raise RuntimeError("the canvas does not come back")


def say(line: str) -> None:
    """Write a line at once, as the output is usually a log."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read mutated texts until there were enough; a finding is written to a file and ends the run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="how many texts")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="folder of texts to start from")
    parser.add_argument("--finding", type=Path, default=Path("fuzz-finding.txt"), help="where a finding goes")
    options = parser.parse_args()
    corpus = [path.read_bytes().decode() for path in sorted(options.corpus.glob("*.txt"))]
    rng, counts, started = random.Random(options.seed), Counter[str](), time.time()
    read_canvas(
        "canvas = Canvas()\ncanvas.set_global_description('\\N{EM DASH}', [], '', 'red')"
    )  # loads tables
    sys.addaudithook(audit)
    warnings.simplefilter("always")
    warnings.showwarning = lambda *details, **_: seen.append(f"warn {details[0]}")
    for index in range(1, options.inputs + 1):
        text = mutated(rng, corpus)
        try:
            counts[check(text, rng)] += 1
        except Exception:
            options.finding.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
            say(f"finding at input {index} of seed {options.seed}, in {options.finding}")
            raise
        if index % 10_000 == 0 or index == options.inputs:
            say(f"{index} {dict(counts)} {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
