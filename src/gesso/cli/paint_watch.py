"""A painting as it is being made: a bar, previews as files, and how much memory it took."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gesso.cli.output import err, note
from gesso.cli.paint_options import OutOptions
from gesso.core.progress import progress_bar

if TYPE_CHECKING:
    from gesso.diffusion.denoise import Progress, Watch
    from gesso.engines.paint import PaintEngine

__all__ = ["watching"]


@contextmanager
def watching(engine: "PaintEngine", to: OutOptions) -> Iterator["Watch"]:
    """Show a bar on standard error, save previews beside the picture, and tell in the end what it took.

    Args:
        engine: what paints.
        to: where the picture goes, after which previews are named, and how often there is one.
    """
    from gesso.diffusion.denoise import Watch
    from gesso.diffusion.memory import measure_peak

    with measure_peak(engine.painter.device) as peak, progress_bar(err, transient=True) as bar:
        task = bar.add_task("painting", total=None)

        def report(progress: "Progress") -> None:
            bar.update(task, completed=progress.step, total=progress.steps, description=progress.stage)
            if to.previews and progress.step % to.previews == 0:
                for number, picture in enumerate(progress.preview()):
                    name = f"{to.out.stem}-{progress.stage}-{progress.step:03d}-{number + 1}.png"
                    picture.save(to.out.with_name(name))

        yield Watch(report)
    note(f"at most {peak.gigabytes:.1f} GB of memory were in use")
