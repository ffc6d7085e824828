from pathlib import Path

import numpy as np

from gatelab.data.texts import Texts, text_writer

TEXTS = ["plain", "", "Zürich 日本 👩\u200d👩", "half a pair \ud83d", "two\nlines", "x" * 10_000]


def test_every_text_comes_back_as_it_was(tmp_path: Path) -> None:
    with text_writer(tmp_path, "texts") as write:
        write(TEXTS[:2])
        write(TEXTS[2:])
    texts = Texts(tmp_path, "texts")
    assert len(texts) == len(TEXTS)
    assert [texts[row] for row in range(len(TEXTS))] == list(texts) == TEXTS
    chosen = Texts(tmp_path, "texts", np.array([4, 0]))
    assert list(chosen) == ["two\nlines", "plain"]


def test_a_file_of_empty_texts_is_read(tmp_path: Path) -> None:
    with text_writer(tmp_path, "texts") as write:
        write([""])
    assert list(Texts(tmp_path, "texts")) == [""]
