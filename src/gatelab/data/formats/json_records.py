"""JSON Lines, and a JSON array of objects: read object by object."""

import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatelab.data.formats.encoding import lines_of
from gatelab.data.formats.records import MAX_RECORD_CHARS, TOO_LONG, Records, as_text, head_of, refuse_columns
from gatelab.errors import DataError

CHUNK = 2**16
# Numbers stay as they are written; a list or an object in a field is no text.
DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
ARRAY_OF_OBJECTS = re.compile(r"\s*\[\s*\{")
SPACE = re.compile(r"[\ufeff\s]*")
NOT_CLOSED = "the JSON array is not closed. Fetch the file again."
END = " "  # nothing but space may come
FIRST = 10  # lines, of which one has to be an object
NO_OBJECT = "not a JSON object"


def json_kind(file: Path, head: str) -> "type[JsonRecords] | None":
    """JsonArray or JsonLines, by the first characters of a file; where these do not tell, by its name."""
    head = head.lstrip("\ufeff")
    if ARRAY_OF_OBJECTS.match(head):
        return JsonArray
    suffixes = {suffix.lower() for suffix in file.suffixes[-2:]}
    if suffixes & {".jsonl", ".ndjson"} or any(isinstance(decoded(line), dict) for line in head.split("\n")[:FIRST]):
        return JsonLines
    if ".json" in suffixes:
        raise DataError(
            f"{file}: holds neither an array of JSON objects nor one on each line, and no other JSON is a table."
        )
    return None


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
        self._head = head_of(self._values)
        objects = [value for _, value in self._head if isinstance(value, dict)]
        self.columns = list(
            dict.fromkeys(key for each in objects for key, value in each.items() if not isinstance(value, (dict, list)))
        )
        if not self.columns:
            raise DataError(f"{file}: holds no JSON objects with texts in them.")
        refuse_columns(file, self.columns)

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
        wanted = "["  # the characters of which one has to come next; "" for a value
        while True:
            end = SPACE.match(text, at).end()  # type: ignore[union-attr]
            line += text.count("\n", at, end)
            at = end
            if at == len(text):
                text, at = stream.read(CHUNK), 0
                if not text and wanted != END:
                    raise DataError(f"{self.file}: line {line}: {NOT_CLOSED}")
                if not text:
                    return
            elif wanted and text[at] not in wanted:
                where = "after its end" if wanted == END else f"instead of {' or '.join(wanted)}"
                raise DataError(f"{self.file}: line {line}: is no JSON array: '{text[at]}' {where}.")
            elif text[at] == "]":
                wanted, at = END, at + 1
            elif wanted:
                wanted, at = "", at + 1
            else:
                try:
                    value, end = DECODER.raw_decode(text, at)
                    problem = "" if end < len(text) else NOT_CLOSED  # a number might go on
                except RecursionError:
                    raise DataError(f"{self.file}: line {line}: is nested too deeply.") from None
                except ValueError as error:
                    problem = f"is no JSON ({error})."
                if problem:
                    num_chars = len(text) - at
                    more = stream.read(max(CHUNK, min(3 * num_chars, MAX_RECORD_CHARS - num_chars)))
                    if not more or num_chars >= MAX_RECORD_CHARS:
                        raise DataError(f"{self.file}: line {line}: {problem}")
                    text, at = text[at:] + more, 0
                    continue
                yield line, value
                line += text.count("\n", at, end)
                wanted, at = ",]", end
