"""JSON Lines, and a JSON array of objects: read object by object."""

import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatelab.data.formats.encoding import lines_of
from gatelab.data.formats.records import HEAD, MAX_RECORD_CHARS, TOO_LONG, Records, as_text
from gatelab.errors import DataError

CHUNK = 2**16
# Numbers stay as they are written; a list or an object in a field is no text.
DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
ARRAY_OF_OBJECTS = re.compile(r"\ufeff?\s*\[\s*\{")
NO_OBJECT = "not a JSON object"


def json_kind(head: str) -> "type[JsonRecords] | None":
    """JsonArray or JsonLines, by the first characters of a file."""
    if ARRAY_OF_OBJECTS.match(head):
        return JsonArray
    return JsonLines if isinstance(decoded(head.lstrip("\ufeff \r\n\t").partition("\n")[0]), dict) else None


def decoded(text: str) -> Any:
    """None for what is no JSON, and for what is nested too deeply."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


class JsonRecords(Records):
    """The columns are the keys of the first objects that hold a text, number, true or false; other keys are left out."""

    def __init__(self, file: Path, stream: io.TextIOWrapper) -> None:
        super().__init__(file, stream)
        self._values = self.values(stream)
        self._head = list(itertools.islice(self._values, HEAD))
        objects = [value for _, value in self._head if isinstance(value, dict)]
        self.columns = list(
            dict.fromkeys(key for each in objects for key, value in each.items() if not isinstance(value, (dict, list)))
        )
        if not self.columns:
            raise DataError(f"{file}: holds no JSON objects with texts in them.")

    def values(self, stream: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
        """(line, value) of whatever should be an object."""
        raise NotImplementedError

    def records(self) -> Iterator[tuple[int, list[str]]]:
        for line, value in itertools.chain(self._head, self._values):
            self.num_records += 1
            if not isinstance(value, dict):
                self.reject(line, NO_OBJECT)
                continue
            fields = [
                "" if isinstance(field, (dict, list)) else as_text(field) for field in map(value.get, self.columns)
            ]
            if self.has_long_field(fields):
                self.reject(line, TOO_LONG)
            else:
                yield line, fields


class JsonLines(JsonRecords):
    def values(self, stream: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(lines_of(self.file, stream), start=1):
            if stripped := line.strip("\ufeff \r\n\t"):
                yield number, decoded(stripped)


class JsonArray(JsonRecords):
    def values(self, stream: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
        text, at, line = stream.read(CHUNK), 0, 1
        wanted = "["
        while True:
            skipped = re.compile(r"[\ufeff\s]*").match(text, at)
            assert skipped is not None
            line += skipped[0].count("\n")
            at = skipped.end()
            if at == len(text):
                text, at = stream.read(CHUNK), 0
                if not text:
                    raise DataError(f"{self.file}: line {line}: the JSON array is not closed. Fetch the file again.")
            elif wanted and text[at] in wanted:
                if text[at] == "]":
                    return
                wanted, at = "", at + 1
            elif wanted:
                raise DataError(f"{self.file}: line {line}: is no JSON array: '{text[at]}' where {wanted} should be.")
            elif text[at] == "]":
                return
            else:
                try:
                    value, end = DECODER.raw_decode(text, at)
                except RecursionError:
                    raise DataError(f"{self.file}: line {line}: is nested too deeply.") from None
                except ValueError as error:
                    more = stream.read(max(CHUNK, len(text) - at)) if len(text) - at < MAX_RECORD_CHARS else ""
                    if not more:
                        raise DataError(f"{self.file}: line {line}: is no JSON ({error}).") from None
                    text, at = text[at:] + more, 0
                    continue
                yield line, value
                line += text.count("\n", at, end)
                wanted, at = ",]", end
