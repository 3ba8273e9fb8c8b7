"""A painting as it is being made: a bar, previews as files, and an end by Ctrl-C that loses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.cli.output import err
from gesso.core.progress import progress_bar

if TYPE_CHECKING:
    from gesso.diffusion.denoise import Progress, Watch

__all__ = ["watching"]


@contextmanager
def watching(out: Path, steps: int, previews: int) -> Iterator["Watch"]:
    """Show a bar on standard error, and save small pictures beside `out`.

    Args:
        out: the picture that is being painted; previews are named after it.
        steps: steps of a pass.
        previews: a preview each so many steps; 0 saves none.
    """
    from gesso.diffusion.denoise import Watch

    with progress_bar(err, transient=True) as bar:
        task = bar.add_task("painting", total=steps)

        def report(progress: "Progress") -> None:
            bar.update(task, completed=progress.step, total=progress.steps, description=progress.stage)
            if previews and progress.step % previews == 0:
                for number, picture in enumerate(progress.preview()):
                    name = f"{out.stem}-{progress.stage}-{progress.step:03d}-{number + 1}.png"
                    picture.save(out.with_name(name))

        yield Watch(report)
