from pathlib import Path

import pytest

from gatelab.data import texts as module
from gatelab.data.texts import Texts, write_texts

TEXTS = ["plain", "", "Zürich 日本 👩\u200d👩", "half a pair \ud83d", "two\nlines", "x" * 10_000]


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_every_text_comes_back_as_it_was(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    write_texts(tmp_path, TEXTS)
    texts = Texts(tmp_path)
    assert len(texts) == len(TEXTS)
    assert [texts[row] for row in range(len(TEXTS))] == TEXTS
