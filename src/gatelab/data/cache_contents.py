"""Whether the files of a cache folder are as they were written: no disk that filled up, no crash and no hand has changed them."""

import json
import zlib
from pathlib import Path

from gatelab.bounded import MIB, read_json, regular

CONTENTS = "contents.json"
BLOCK, NUM_BLOCKS = 2**16, 64  # bytes; a file of up to 4 MiB is read as a whole, of a larger one so many blocks


def write_contents(folder: Path) -> None:
    """The size and checksum of each file, beside them."""
    found = {file.name: checksum(file) for file in folder.iterdir()}
    (folder / CONTENTS).write_text(json.dumps(found), encoding="utf-8")


def damaged_file(folder: Path) -> str:
    """The name of the first file that is not as it was written; empty where all are. Files that came later are not known."""
    try:
        contents = read_json(folder / CONTENTS, MIB)
    except FileNotFoundError:  # of a folder that was made before there were checksums
        return ""
    except (OSError, ValueError):
        return CONTENTS
    if not isinstance(contents, dict):
        return CONTENTS
    return next((name for name, written in contents.items() if not is_as(folder / name, written)), "")


def is_as(file: Path, written: object) -> bool:
    try:
        return checksum(file) == written
    except OSError:
        return False


def checksum(file: Path) -> list[int]:
    """Size and CRC-32, of a large file that of blocks at even distances, the first and last among them."""
    with open(file, "rb", opener=regular) as stream:
        size = stream.seek(0, 2)
        step = max(BLOCK, (size - BLOCK) / (NUM_BLOCKS - 1))
        found = 0
        for number in range(min(NUM_BLOCKS, -(-size // BLOCK))):
            stream.seek(int(number * step))
            found = zlib.crc32(stream.read(BLOCK), found)
    return [size, found]
