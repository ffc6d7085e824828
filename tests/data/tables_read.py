"""What tests of reading ask of a table."""

from typing import Any

import pytest

from gatelab.data.read import Table, read_table
from gatelab.errors import DataError


def refusal(path: Any, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path, **settings)
    return str(caught.value)


def rows_of(table: Table) -> list[tuple[str, str]]:
    return [(text, table.classes[label]) for text, label in zip(table.texts, table.labels, strict=True)]
