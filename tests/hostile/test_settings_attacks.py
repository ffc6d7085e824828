"""A file of settings that grows beyond measure, or is none, is refused before it is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack import WORKS
from foreign_files import device, fifo, unix_socket


def load(folder: Path, name: str) -> None:
    """As Hydra does."""
    from gatelab.commands.train import explained
    from gatelab.config.config_files import FileConfigSource

    with explained([]):
        FileConfigSource("mine", str(folder)).load_config(name)


def aliases(levels: int, width: int) -> str:
    """Each level is a list of the one before, width times: width ** levels values in a few lines."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels))]
    return "\n".join(lines)


SHARED = "defaults: [_self_]\nencoder: &encoder {hidden_size: 3}\nother: *encoder\nmerged: {<<: *encoder, x: 1}\n"
CONTENTS = {
    "shared settings": (SHARED, WORKS),
    "no YAML": ("a: [", "a config is no YAML in UTF-8"),
    "aliases of aliases": (aliases(30, 9), "more than 20,000 values, with those that its aliases repeat"),
    "many aliases": ("a: &a [x, x, x, x, x, x, x, x, x]\nb: [" + "*a, " * 5000 + "]", "more than 20,000 values"),
    "merged aliases": ("a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], y{n}: *a{n - 1}}}\n" for n in range(1, 40)),
                       "more than 20,000 values"),
    "an alias of itself": ("a: &a [*a]", "more than 20,000 values"),
    "deep lists": ("a: " + "[" * 100_000, "nested more than 50 deep"),
    "deep mappings": ("{a: " * 100_000, "nested more than 50 deep"),
    "deep blocks": ("\n".join(" " * n + "a:" for n in range(1000)), "nested more than 50 deep"),
    "deep sequences": ("- " * 10_000, "nested more than 50 deep"),
    "many values": ("a: [" + "1, " * 100_000 + "]", "more than 20,000 values"),
    "one long value": ("a: " + "x" * 2**21, "larger than 1 MiB"),
}  # fmt: skip


PLACES = [
    *(("", name) for name in CONTENTS),
    ("encoder/", "aliases of aliases"),
    ("hydra/launcher/", "aliases of aliases"),
]


@pytest.mark.parametrize(("group", "name"), PLACES)
def test_a_config_that_grows_is_refused_by_its_name(
    group: str, name: str, attack: Callable[..., Any], tmp_path: Path
) -> None:
    content, says = CONTENTS[name]
    file = tmp_path / f"{group}own.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    attack(says, load, tmp_path, f"{group}own")


@pytest.mark.parametrize("make", [fifo, device, unix_socket])
def test_what_is_no_file_is_no_config(make: Callable[[Path], None], attack: Callable[..., Any], tmp_path: Path) -> None:
    make(tmp_path / "own.yaml")
    attack(r"own\.yaml: cannot be read as a config: is a .* and no file", load, tmp_path, "own")
