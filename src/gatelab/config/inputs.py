"""The files besides the data that can change a result, such as pretrained vectors: by their content, never their place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatelab.config.identity import FILES, flatten
from gatelab.digest import sha256_of
from gatelab.errors import DataError


def input_files(settings: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """name, sha256 and bytes of every file that FILES name, by key; a key that is not set is left out.

    Raises DataError, which names the key, for a file that cannot be read.
    """
    flat = flatten(settings)
    named = {key: paths_of(flat[key]) for key in FILES if flat.get(key)}
    folder = flat.get("data.cache_dir")  # which a data module of the user's own may not have
    cache = Path(folder).expanduser() / "sha256.json" if folder and named else None
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
    return {key: [describe(key, path, cache) for path in paths] for key, paths in named.items()}


def describe(key: str, path: Path, cache: Path | None) -> dict[str, Any]:
    try:
        return {"name": path.name, "sha256": sha256_of(path, cache), "bytes": path.stat().st_size}
    except DataError as error:
        raise DataError(f"{key}: {error}") from None


def paths_of(value: str | list[str]) -> list[Path]:
    """The files that the value of such a key names."""
    return [Path(path).expanduser() for path in ([value] if isinstance(value, str) else value)]


def digests_of(files: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Of what input_files gives, the part that enters the identity."""
    return {key: [file["sha256"] for file in group] for key, group in files.items()}
