"""Options for reference pictures: where the subject is, how much it counts, and what looks at it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.markup import escape

from gesso.core.errors import UsageError

if TYPE_CHECKING:
    from gesso.cli.paint_options import PainterOptions
    from gesso.engines.options import LoadOptions
    from gesso.engines.paint_record import PaintRecipe
    from gesso.engines.personalize import Personalizer
    from gesso.engines.references import ReferenceFile

__all__ = ["DEFAULT_ADAPTER", "AdapterOptions", "SubjectOptions", "refuse_options"]

DEFAULT_ADAPTER: Final = "mini-moma"

SUBJECT, ADAPTER = "Subject", "Adapter"

Cutout = Literal["contrast", "grabcut", "rembg"]


def _subject(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=SUBJECT)


def _adapter(text: str) -> Any:
    return typer.Option(help=text, show_default=False, rich_help_panel=ADAPTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOptions:
    """How references are read, and how much they count."""

    texture: Annotated[
        bool, _subject("Give the subject a new texture; without it, a new context.", "--texture")
    ] = False
    subject_strength: Annotated[
        float | None,
        _subject("How much the reference counts [1 for a context, up to 1.2; 0.4 for a texture, up to 0.6]."),
    ] = None
    cutout: Annotated[
        Cutout,
        _subject("How the subject is found where neither mask nor transparency tells it [contrast]."),
    ] = "contrast"
    fit: Annotated[
        Literal["keep", "squash"],
        _subject("What becomes of references that are not square: kept, or squashed as in the original."),
    ] = "keep"
    threshold: Annotated[
        int, _subject("Grey levels of the mask above this are subject [0, as in the original].")
    ] = 0

    def reference(self, file: Path, mask: Path | None = None) -> "ReferenceFile":
        """A reference that is looked at as the options say."""
        from gesso.engines.references import ReferenceFile

        return ReferenceFile(file=file, mask=mask, cutout=self.cutout, fit=self.fit, threshold=self.threshold)

    @property
    def chosen(self) -> list[str]:
        """Names of the options that were given."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]

    def strength(self) -> float:
        """How much the reference counts; what is unusual is said.

        Raises:
            UsageError: it is negative or no number.
        """
        from gesso.cli.output import note
        from gesso.engines.subject_words import MODES, strength_warning

        mode: Literal["context", "texture"] = "texture" if self.texture else "context"
        if self.subject_strength is None:
            return MODES[mode][0]
        if not 0 <= self.subject_strength <= 10:
            raise UsageError(f"subject strength is {self.subject_strength}; it must be in 0..10, and is "
                             "usually 0.4 to 1.2")  # fmt: skip
        warning = strength_warning(mode, self.subject_strength)
        if warning is not None:
            note(warning)
        return self.subject_strength


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterOptions:
    """What looks at references."""

    adapter: Annotated[
        str | None,
        _adapter(f"A MoMA by name or folder, or an IP-Adapter's file [{DEFAULT_ADAPTER}]."),
    ] = None
    language: Annotated[str | None, _adapter("Folder of MoMA's LLaVA, if it lies elsewhere.")] = None
    bits: Annotated[
        int | None, _adapter("Bits of MoMA's language model on a GPU: 16, 8 or 4 [by --vram].")
    ] = None
    encoder: Annotated[str | None, _adapter("Folder of IP-Adapter's CLIP, if it lies elsewhere.")] = None

    def refuse(self, look: SubjectOptions, references: Path | None) -> None:
        """Refuse what means nothing without a subject.

        Args:
            look: how references are looked at.
            references: where they lie.

        Raises:
            UsageError: names the option.
        """
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        given += [] if references is None else ["references"]
        refuse_options([*given, *look.chosen], "came without a --subject; add one, or leave it out")

    def load(
        self, model: "PainterOptions", options: "LoadOptions", like: "PaintRecipe | None" = None
    ) -> "Personalizer":
        """Load adapter and painter.

        Args:
            model: the painter, and how it is loaded.
            options: device and threads.
            like: of a picture; what was not given is taken from it.
        """
        from gesso.cli.loading import quiet_transformers
        from gesso.cli.output import err
        from gesso.engines.personalize_build import DEFAULT_PAINTER as PUBLISHED_WITH
        from gesso.engines.personalize_build import SubjectLoading, load_personalizer

        noted = (
            next((note.adapter for each in like.history for note in each.subjects), None) if like else None
        )
        name = self.adapter or noted or DEFAULT_ADAPTER
        painter = model.painter
        # an adapter knows the painter it was published with, and the autoencoder of that
        if painter is None and like is not None and like.painter != PUBLISHED_WITH:
            painter = like.painter
        loading = SubjectLoading(
            painter=painter,
            paint=model.loading(options, like),
            language=self.language,
            encoder=self.encoder,
            bits=self.bits,
        )
        with err.status(f"loading {escape(name)}"):
            quiet_transformers()
            return load_personalizer(name, loading)


def refuse_options(names: list[str], why: str) -> None:
    """Refuse the first of some options that nothing heeds.

    Raises:
        UsageError: there is one.
    """
    if names:
        raise UsageError(f"--{names[0].replace('_', '-')} {why}")
