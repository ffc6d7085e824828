"""A file that another one replaces as soon as it is open is read as it was: what was checked is what is read."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow
import pytest
import torch
from foreign_files import packed, tokenizer, zipped
from markupsafe import escape
from run_folders import Folders
from safetensors.torch import save_file
from torch import nn
from werkzeug.test import Client

from gatelab.config.config_files import read_config_file
from gatelab.config.experiment import read_experiment
from gatelab.data.prepare import prepare
from gatelab.data.pretrained import find_vectors
from gatelab.data.rows import Settings, Source
from gatelab.data.stream import RowStream
from gatelab.data.tokenizer_file import read_tokenizer_file
from gatelab.data.vector_files import read_vectors
from gatelab.data.vectors import VectorFiles
from gatelab.errors import DataError
from gatelab.reports.pages.html import content_security_policy, style_and_script
from gatelab.reports.pages.run_page import ASSETS
from gatelab.reports.server.site import Site
from gatelab.runs.checkout import checkout_of
from gatelab.runs.difference import weights
from gatelab.runs.predictions import read_predictions
from gatelab.tasks.language_model.agreement import read_pairs
from gatelab.tasks.language_model.prepare_text import TextSettings, prepare_text
from gatelab.tasks.sequence.saved_module import load_module
from gatelab.tasks.synthetic.seq_digits import read_arrays
from gatelab.training.checkpoint import load_verified

ROWS = b'text\tlabel\n"a ""fine"" film"\t1\na bad one\t0\n'
EXPERIMENT = b"experiment: {question: Does it work}\n"
PREDICTIONS = b"file,line,tokens,label,prediction,probability:a,probability:b\nx.csv,2,3,a,b,0.4,0.6\n"
DIGITS: dict[str, Any] = {"x": np.eye(8), "y": np.arange(8), "x_test": np.eye(8), "y_test": np.arange(8)}


def rows(file: Path) -> Any:
    with RowStream(file) as opened:
        return opened.columns, [*opened], opened.rejects


def vectors(*files: Path) -> Any:
    found: dict[str, list[float]] = {}
    read_vectors(files, lambda word: True, lambda word, vector: found.update({word: vector.tolist()}))
    return found


def module(file: Path) -> Any:
    config = {"encoder": {"_target_": "gatelab.recurrent.CellEncoder"}}
    loaded = load_module(file.parent, config, nn.Linear, "is none", lambda: nn.Linear(2, 3))
    return {name: tensor.tolist() for name, tensor in loaded.state_dict().items()}


def tensors(file: Path, *, bias: bool = True) -> None:
    save_file({"weight": torch.ones(3, 2), **({"bias": torch.zeros(3)} if bias else {})}, file)


def matrix(file: Path) -> None:
    file.with_name("words.txt").write_text("a\nb\nc\n")
    tensors(file, bias=False)


def table() -> pyarrow.Table:
    return pyarrow.table({"text": ["a fine film", "a bad one"], "label": [1, 0]})


def parquet(file: Path) -> None:
    from pyarrow.parquet import write_table

    write_table(table(), file)


def arrow(file: Path) -> None:
    with pyarrow.ipc.new_file(str(file), table().schema) as writer:
        writer.write_table(table())


def workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a fine film", 1]):
        book.worksheets[0].append(row)
    book.save(file)


def content(body: bytes) -> Callable[[Path], Any]:
    return lambda file: file.write_bytes(body)


def repository(index: Path) -> None:
    folder = index.parents[1]
    (folder / "a.py").write_text("1")
    script = "git init -q; git add a.py; git -c user.name=a -c user.email=a@localhost commit -qm x"
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True)


def tracked(index: Path) -> str:
    with checkout_of(index.parents[1]) as checkout:
        return checkout.git("ls-files", "--stage")


# name of the file, how it is made, and what reads it
CASES: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "rows.tsv": (content(ROWS), rows),
    "rows.csv": (content(ROWS.replace(b"\t", b",")), rows),
    "rows.jsonl": (content(b'{"text": "a fine film", "label": 1}\n'), rows),
    "rows.csv.gz": (lambda file: packed(file, b"a fine film,1\n", 3), rows),
    "rows.zip": (lambda file: zipped(file, ROWS, 2, "rows.tsv"), rows),
    "rows.xlsx": (workbook, rows),
    "rows.parquet": (parquet, rows),
    "rows.arrow": (arrow, rows),
    "vectors.vec": (content(b"2 3\na 1 2 3\nb 4 5 6\n"), vectors),
    "vectors.safetensors": (matrix, lambda file: vectors(file, file.with_name("words.txt"))),
    "model.safetensors": (tensors, module),
    "recorded.safetensors": (tensors, lambda file: {name: value.tolist() for name, value in weights(file).items()}),
    "last.ckpt": (lambda file: torch.save({"epoch": 1}, file), load_verified),
    "tokenizer.json": (tokenizer, lambda file: read_tokenizer_file(file).to_str()),
    "mine.yaml": (content(EXPERIMENT), lambda file: read_config_file(file)[1]),
    "question.yaml": (content(EXPERIMENT), read_experiment),
    "predictions.csv": (content(PREDICTIONS), lambda file: repr(read_predictions(file))),
    ".git/index": (repository, tracked),
    "agreement.tsv": (content(b"the keys\tare\tis\t0\n"), read_pairs),
    "digits.npz": (lambda file: np.savez(file, **DIGITS), lambda file: repr(read_arrays(str(file)))),
}


def replace_at_open(number: int, file: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put other in the place of file as soon as it has been opened so many times."""
    opens, counts = os.open, Counter[str]()

    def replacing(path: Any, *arguments: Any, **more: Any) -> int:
        descriptor = opens(path, *arguments, **more)
        counts[os.fspath(path)] += 1
        if os.fspath(path) == str(file) and counts[str(file)] == number:
            other.replace(file)
        return descriptor

    monkeypatch.setattr(os, "open", replacing)


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_replaced_once_it_is_open_is_read_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, read = CASES[name]
    file, other = tmp_path / name, tmp_path / "other"
    make(file)
    whole = read(file)
    other.write_bytes(b"text,label\nanother,2\n")
    replace_at_open(1, file, other, monkeypatch)
    assert read(file) == whole
    assert file.read_bytes().startswith(b"text,label\nanother")


def prepare_rows(file: Path, cache: Path) -> None:
    prepare(Source([file]), Settings(tokenizer={"kind": "word", "vocab_size": None, "min_count": 1}), cache)


def prepare_by_tokenizer(file: Path, cache: Path) -> None:
    data = cache.with_name("rows.csv")
    data.write_bytes(TABLE)
    prepare(Source([data]), Settings(tokenizer={"kind": "file", "file": str(file)}), cache)


def prepare_vectors(file: Path, cache: Path) -> None:
    find_vectors(VectorFiles((file,)), ["a", "b"], cache)


def prepare_stream(file: Path, cache: Path) -> None:
    settings = TextSettings(
        {"validation": 0.2, "test": 0.2}, {"kind": "char", "vocab_size": None, "min_count": 1}, None
    )
    prepare_text({"train": [str(file)]}, settings, cache, 1.0)


TABLE = b"text,label\n" + b"".join(b"a fine film %d,%d\n" % (number, number % 2) for number in range(40))
PREPARED: dict[str, tuple[Callable[[Path], Any], Callable[[Path, Path], None]]] = {
    "rows.csv": (content(TABLE), prepare_rows),
    "tokenizer.json": (tokenizer, prepare_by_tokenizer),
    "vectors.vec": (CASES["vectors.vec"][0], prepare_vectors),
    "stream.txt": (content(b"a fine film\n" * 100), prepare_stream),
}


@pytest.mark.parametrize("name", PREPARED)
def test_a_file_that_is_replaced_after_its_sha256_was_taken_leaves_nothing_in_the_cache(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, read = PREPARED[name]
    file, other, cache = tmp_path / name, tmp_path / "other", tmp_path / "cache"
    make(file)
    other.write_bytes(file.read_bytes() + b"\n")
    # It is opened for its sha256 first, and a text twice before, for where its parts begin.
    replace_at_open(4 if name == "stream.txt" else 2, file, other, monkeypatch)
    with pytest.raises(DataError, match=f"{name}: was changed while it was read"):
        read(file, cache)
    assert not [path for path in cache.glob("*/*/record.json") if ".partial" not in str(path)]
    read(file, cache)


def link_out(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parents[3] / "secret")


def folder_out(file: Path) -> None:
    file.parent.rename(file.parents[3] / "elsewhere")
    (file.parents[3] / "elsewhere" / file.name).write_bytes(SECRET)
    file.parent.symlink_to(file.parents[3] / "elsewhere")


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


# With what makes a stored page one of ours.
POLICY = str(escape(content_security_policy(*style_and_script(ASSETS))))
SECRET = f"a secret of another folder {POLICY}".encode()


@pytest.mark.parametrize("replace", [link_out, folder_out, fifo])
@pytest.mark.parametrize("name", ["error.log", "report.html"])
def test_what_takes_the_place_of_a_file_that_a_page_asks_for_is_not_sent(
    name: str, replace: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = Folders(tmp_path / "outputs")
    file = folders.write(1, 0.8).path / name
    file.write_bytes(b"as it was")
    (tmp_path / "secret").write_bytes(SECRET)
    opens, replaced = os.open, list[Path]()

    def replacing(path: Any, *arguments: Any, **more: Any) -> int:
        if path in (folders.output_dir, str(file)) and not replaced:  # it is about to be opened
            replace(file)
            replaced.append(file)
        return opens(path, *arguments, **more)

    monkeypatch.setattr(os, "open", replacing)
    answer = Client(Site(folders.output_dir, 80, "token")).get(f"/sweep/{file.parent.name}/{name}?token=token")
    assert (len(replaced), SECRET in answer.data) == (1, False)
    assert answer.status_code == 404 or (name == "report.html" and b"macro-F1" in answer.data)  # made anew


def test_a_file_that_grows_is_sent_as_it_was_when_it_was_asked_for(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "outputs")
    file = folders.write(1, 0.8).metrics
    file.write_bytes(b"1,2\n" * 20_000)
    site = Client(Site(folders.output_dir, 80, "token"))
    answer = site.get(f"/sweep/{file.parent.name}/metrics.csv?token=token", buffered=False)
    with file.open("ab") as stream:
        stream.write(b"3,4\n")
    assert answer.data == b"1,2\n" * 20_000
    assert answer.content_length == 80_000
