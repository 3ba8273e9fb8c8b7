"""How many storybook pictures one core paints a second; prints one line of JSON.

Run: python benchmarks/storybook.py --size 128 --pictures 500
"""

import argparse
import json
import time
from itertools import islice

import PIL
from report import setting

from gesso.storybook import splits
from gesso.storybook.draw import draw_with_map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="side of a picture in pixels")
    parser.add_argument("--pictures", type=int, default=500, help="how many different scenes are painted")
    options = parser.parse_args()
    report = {
        "benchmark": "storybook",
        "pictures_per_s": round(pictures_per_second(options.size, options.pictures), 1),
        "size": options.size,
        **setting(),
        "pillow": PIL.__version__,
    }
    print(json.dumps(report))


def pictures_per_second(size: int, count: int) -> float:
    """Speed of painting pictures with their maps, in this process only."""
    scenes = list(islice(splits.scenes("train", 0), count + 50))
    for scene in scenes[count:]:  # fill the caches
        draw_with_map(scene, size)
    start = time.perf_counter()
    for scene in scenes[:count]:
        draw_with_map(scene, size)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
