"""What the user types: texts that begin with a dash, places for files, and the options that messages should name instead of keys."""

import re
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

OPTION = re.compile(r"--[A-Za-z][\w-]*(=.*)?|-[A-Za-z]", re.DOTALL)
VALUE = r"\[[^\]]*\]|\"[^\"]*\"|[^\s,;:.()'\"]*"
KEY = re.compile(
    rf"(?P<quote>'?)(?:data\.(?P<key>text|label|encoding|delimiter|header|columns)=(?P<value>{VALUE})|model=(?P<model>\w+))(?P=quote)"
)


class Commands(TyperGroup):
    """Commands with --output-dir take output_dir=FOLDER too, as training does."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, words = super().resolve_command(ctx, args)
        if found is not None and any(parameter.name == "output_dir" for parameter in found.params):
            end = words.index("--") if "--" in words else len(words)  # behind it stand texts
            words = [part for word in words[:end] for part in root_as_option(word)] + words[end:]
        return name, found, words


def root_as_option(word: str) -> list[str]:
    """output_dir=FOLDER, in Hydra's quotes or without, as --output-dir FOLDER; every other word as it is."""
    given = re.fullmatch(r"output_dir=(['\"]?)(.+)\1", word, re.DOTALL)
    return ["--output-dir", given[2]] if given else [word]


class TextCommand(TyperCommand):
    """A command that takes texts: an argument such as "-5 stars", which cannot be an option, is one of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        valued = {
            name for given in self.params if isinstance(given, TyperOption) and not given.is_flag for name in given.opts
        }
        options, others, left = list[str](), list[str](), iter(args)
        for argument in left:
            if argument == "--":
                others += left
            elif not OPTION.fullmatch(argument):
                others.append(argument)
            elif argument not in valued:
                options.append(argument)
            elif (value := next(left, None)) is not None:
                options += [argument, value]
            else:
                raise typer.BadParameter(f"{argument} needs a value.", ctx)
        return super().parse_args(ctx, [*options, "--", *others])


def problem_of(place: Path) -> str:
    """Why no file can be written there; nothing where one can."""
    if place.is_dir():
        return "is a folder"
    return "" if place.parent.is_dir() else f"there is no folder {place.parent}"


def with_options(message: str) -> str:
    """A message on keys of data= as one on the options of the same names: data.text=title → --text title."""
    return KEY.sub(as_option, message.replace(" Check data.path.", ""))


def as_option(found: re.Match[str]) -> str:
    key, value = found["key"] or "model", found["model"] or found["value"]
    if key == "header" and value:
        return "--header" if value == "true" else "--no-header"
    values = value.strip("[]").split(",") if value.startswith("[") and key != "columns" else [value.strip("[]")]
    return " ".join(f"--{key} {each.strip()}".rstrip() for each in values)
