"""How long `gesso --help` and `import gesso` take, in new processes; prints one line of JSON.

Run: python benchmarks/startup.py --runs 10
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from report import setting

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],  # what no program in Python can do without
    "import": [sys.executable, "-c", "import gesso"],
    "help": [str(Path(sys.executable).with_name("gesso")), "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="processes started for each figure")
    options = parser.parse_args()
    report: dict[str, object] = {"benchmark": "startup", "runs": options.runs}
    for name, command in COMMANDS.items():
        seconds = [run(command) for _ in range(options.runs)]
        report[f"{name}_best_s"] = round(min(seconds), 3)
        report[f"{name}_median_s"] = round(statistics.median(seconds), 3)
    print(json.dumps({**report, **setting()}))


def run(command: list[str]) -> float:
    """Seconds that one process takes."""
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
