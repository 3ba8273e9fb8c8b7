"""Command line options that are made from settings classes, so that the two cannot drift apart."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import wraps
from types import UnionType
from typing import Annotated, Any, Final, get_args, get_origin

import typer

__all__ = ["HELP", "with_settings"]

HELP: Final[Mapping[str, str]] = {
    "temperature": "0 takes the likeliest token; above, the higher the more varied.",
    "top_p": "Sample from the smallest set of tokens that has this probability.",
    "top_k": "Sample from this many likeliest tokens; 0 is all.",
    "max_new_tokens": "Longest answer, in tokens.",
    "stop": "Text that ends the answer; may be given several times.",
    "seed": "Makes sampling repeatable.",
    "repetition_penalty": "Above 1, tokens already said become less likely.",
    "num_beams": "Width of beam search; 1 is none.",
    "device": "auto, cpu, cuda, cuda:N or mps.",
    "dtype": "auto, float32, float16 or bfloat16.",
    "base": "For an adapter: folder or name of the model under it.",
    "threads": "CPU threads.",
    "feature_cache": "MiB of picture and sound features to keep for the same ones; 0 keeps none.",
}
"""Help text of each field of `Sampling` and `LoadOptions`."""


def with_settings(**kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take settings objects; their fields become its options.

    Args:
        kinds: parameter of the command -> dataclass to build for it.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        # eval_str: typer needs types, and modules may have their annotations as text
        signature = inspect.signature(command, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name not in kinds]
        made = [_option(field) for kind in kinds.values() for field in fields(kind)]

        @wraps(command)
        def wrapper(**values: Any) -> None:
            built = {name: _built(kind, values) for name, kind in kinds.items()}
            rest = {parameter.name: values[parameter.name] for parameter in own}
            command(**rest, **built)

        # typer calls by keyword; positional ones could not follow options with defaults
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *made)]
        # `wraps` would let typer see the settings objects in the command's own signature
        wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def _option(field: Field[Any]) -> inspect.Parameter:
    """The option of one field; a tuple becomes an option that may be repeated.

    Settings of lower floors know nothing of a command line, so their help stands in `HELP`; a class of the
    command line itself annotates its fields as typer wants them.
    """
    if get_origin(field.type) is Annotated:
        return inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
    repeated = get_origin(field.type) is tuple
    kind: Any = list[str] if repeated else field.type
    default: Any = [] if repeated else field.default
    # a dataclass names its limits itself; an unset option is not worth a "default: None"
    shown = not (repeated or (isinstance(kind, UnionType) and type(None) in get_args(kind)))
    option = typer.Option(help=HELP[field.name], show_default=shown, rich_help_panel="Settings")
    annotation = Annotated[kind, option]
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _built(kind: type[Any], values: Mapping[str, Any]) -> Any:
    chosen = {field.name: values[field.name] for field in fields(kind)}
    # typer collects repeated options in a list, settings hold tuples
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()})
