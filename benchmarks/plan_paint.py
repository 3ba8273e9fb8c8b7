"""From a wish to a picture on the minis, and edits of it, end to end; prints one line of JSON.

"cold" is `gesso paint` with a wish: a fresh process from its start to its end, with imports, plan, picture
and PNG. "call" is each further `gesso repaint --wish`, a process of its own as well. "session" is one process
that keeps both models: what it takes until its first picture, then each edit, plan and repainting together.
Shares are of the median cold seconds, each of the slowest edit.

Run: python benchmarks/plan_paint.py --runs 3
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from report import setting

WISH = (
    "a large green tree on the left, an orange cat in the center and a large purple house on the right, "
    "on a meadow"
)
EDITS = ("make the cat blue",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="cold starts")
    parser.add_argument("--planner", help="a name or folder, instead of mini-omost")
    parser.add_argument("--painter", help="a name, folder or file, instead of mini-sdxl")
    parser.add_argument("--steps", type=int, help="steps of the sampler, instead of the model's")
    parser.add_argument("--session", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session:
        print(json.dumps(session(options)))
        return
    with TemporaryDirectory() as folder:
        cold, calls = commands(options, Path(folder))
    usual = statistics.median(cold)
    edits = inside(options)
    report = {
        "benchmark": "plan_paint",
        "wish": WISH,
        "cold_s": rounded(cold),
        "cold_median_s": round(usual, 2),
        "call_s": rounded(calls),
        "call_share": round(max(calls) / usual, 3),
        "session_first_s": round(edits[0], 2),
        "session_s": rounded(edits[1:]),
        "session_share": round(max(edits[1:]) / usual, 3),
        **{name: getattr(options, name) for name in ("runs", "planner", "painter", "steps")},
    }
    print(json.dumps({**report, **setting()}))


def commands(options: argparse.Namespace, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of each `gesso paint`, and of each `gesso repaint` of the picture before it."""
    picture = folder / "0.png"
    models = given(options, "planner", "painter", "steps")
    cold = [timed(["paint", WISH, "--out", str(picture), *models]) for _ in range(options.runs)]
    calls = []
    for number, edit in enumerate(EDITS, start=1):
        following = folder / f"{number}.png"
        # painter and steps are those in the picture's recipe
        planner = given(options, "planner")
        calls.append(timed(["repaint", str(picture), "--wish", edit, "--out", str(following), *planner]))
        picture = following
    return cold, calls


def timed(arguments: list[str]) -> float:
    """Seconds of a gesso command; its error ends the benchmark."""
    start = time.perf_counter()
    succeed([str(Path(sys.executable).with_name("gesso")), *arguments])
    return time.perf_counter() - start


def inside(options: argparse.Namespace) -> list[float]:
    """Seconds of the first picture and of each edit, in one process of their own."""
    wanted = given(options, "planner", "painter", "steps")
    seconds: list[float] = json.loads(succeed([sys.executable, __file__, "--session", *wanted]))
    return seconds


def session(options: argparse.Namespace) -> list[float]:
    """Paint the wish, then edit and repaint, with everything kept in memory."""
    start = time.perf_counter()
    import gesso  # here, as it belongs to what a session's first picture takes

    planner = gesso.load(options.planner or "mini-omost")
    painter = gesso.load(options.painter or "mini-sdxl")
    plan = planner.plan(WISH)
    (painting,) = painter.paint(plan.canvas, **({} if options.steps is None else {"steps": options.steps}))
    seconds = [time.perf_counter() - start]
    for edit in EDITS:
        start = time.perf_counter()
        plan = planner.plan(edit, history=plan.turns)
        painting = painter.repaint(painting, canvas=plan.canvas)
        seconds.append(time.perf_counter() - start)
    return seconds


def succeed(command: list[str]) -> str:
    """Output of a command that must not fail."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def given(options: argparse.Namespace, *names: str) -> list[str]:
    """The options of these names that were given, for another command line."""
    values = {name: getattr(options, name) for name in names}
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


def rounded(seconds: list[float]) -> list[float]:
    return [round(value, 2) for value in seconds]


if __name__ == "__main__":
    main()
