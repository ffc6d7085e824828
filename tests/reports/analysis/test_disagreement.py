from pathlib import Path

import numpy as np
import pytest
from run_folders import Folders, write_rows, write_texts

from gatelab.errors import RunError
from gatelab.reports.analysis.arms import Arm, group_arms
from gatelab.reports.analysis.disagreement import Disagreement, disagreement
from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.load import load_runs

GRU = {"encoder._target_": "gatelab.recurrent.GRUEncoder"}
RNN = {"encoder._target_": "gatelab.recurrent.RNNEncoder"}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "outputs")


def arms_of(folders: Folders) -> list[Arm]:
    return list(group_arms(load_runs(all_runs(folders.output_dir))).arms)


def found_in(folders: Folders) -> Disagreement:
    found = disagreement(arms_of(folders))
    assert found is not None
    return found


def write(folders: Folders, seed: int, said: dict[int, str], settings: dict[str, str] | None = None) -> RunFolder:
    """A run that says pos or neg of each line; all labels are pos."""
    folder = folders.write(seed, 0.8, settings=settings)
    write_rows(folder, {line: ("pos", prediction) for line, prediction in said.items()})
    return folder


def test_rows_are_won_by_the_majority_of_the_seeds_that_tested_them_as_counted_by_hand(folders: Folders) -> None:
    # line:                  1: right, wrong   2: both right   3: a draw   4: tested by one arm alone   5: wrong, right
    write(folders, 1, {1: "pos", 2: "pos", 3: "pos", 4: "pos", 5: "neg"})
    write(folders, 2, {1: "pos", 2: "pos", 3: "neg", 5: "neg"})
    write(folders, 3, {1: "neg", 5: "pos"})
    write(folders, 1, {1: "neg", 2: "pos", 3: "neg", 5: "pos"}, GRU)
    write(folders, 2, {1: "neg", 3: "neg", 5: "neg"}, GRU)
    write(folders, 3, {5: "pos"}, GRU)
    found = found_in(folders)
    assert found.won.tolist() == [[0, 1], [1, 0]]
    assert found.shared.tolist() == [[5, 4], [4, 4]]
    assert found.num_rows == 2
    assert {row.line: [(v.tested, v.right, v.prediction) for v in row.verdicts if v] for row in found.rows} == {
        1: [(3, 2, "pos"), (2, 0, "neg")],
        5: [(3, 1, "neg"), (3, 2, "pos")],
    }


def test_rows_with_several_labels_are_right_as_a_whole_and_numbers_are_neither_right_nor_wrong(
    folders: Folders,
) -> None:
    header = "file,line,tokens,labels,predictions,probability:a,probability:b"
    for settings, said in (({}, ("a|b", "a")), (GRU, ("b", "a"))):
        rows = [
            f"reviews.csv,{line},5,{label},{answer},0.5,0.5"
            for line, label, answer in zip((1, 2), ("a|b", "a"), said, strict=True)
        ]
        folders.write(1, 0.8, settings=settings).predictions.write_text("\n".join([header, *rows, ""]))
    assert found_in(folders).won.tolist() == [[0, 1], [0, 0]]
    for folder in all_runs(folders.output_dir):
        folder.predictions.write_text("file,line,tokens,target,prediction\nreviews.csv,1,5,3.0,3.0\n")
    assert disagreement(arms_of(folders)) is None


def test_the_matrix_of_many_random_runs_is_that_of_a_plain_loop(folders: Folders) -> None:
    random = np.random.default_rng(1)
    said: dict[str, list[dict[int, str]]] = {}
    for settings in ({}, GRU, RNN):
        for seed in range(4):
            lines = random.choice(60, size=40, replace=False)
            rows = {int(line): str(random.choice(["pos", "neg"])) for line in lines}
            write(folders, seed, rows, settings)
            said.setdefault(str(settings), []).append(rows)
    found = found_in(folders)
    for i, first in enumerate(said.values()):
        for j, second in enumerate(said.values()):
            shared = won = 0
            for line in range(60):
                votes = [[rows[line] == "pos" for rows in runs if line in rows] for runs in (first, second)]
                if all(votes):
                    shared += 1
                    won += 2 * sum(votes[0]) > len(votes[0]) and 2 * sum(votes[1]) < len(votes[1])
            assert (found.shared[i, j], found.won[i, j]) == (shared, won)


def test_lines_of_files_with_other_content_are_other_rows_whatever_the_file_is_called(folders: Folders) -> None:
    for settings, digest in (({}, "a"), (GRU, "b")):
        folder = folders.write(1, 0.8, settings=settings, sha256=digest * 64)
        write_rows(folder, {1: ("pos", "pos" if settings else "neg")})
    assert disagreement(arms_of(folders)) is None


def test_the_most_disputed_rows_come_first_those_with_a_text_ahead(folders: Folders) -> None:
    lines = range(1, 201)
    for seed in (1, 2, 3):
        # Of the odd lines all seeds disagree with those of the other arm, of the even ones two of three.
        write(folders, seed, {line: "pos" if line % 2 or seed > 1 else "neg" for line in lines})
        texts = write(folders, seed, dict.fromkeys(lines, "neg"), GRU)
    write_texts(texts, {150: "an even line", 151: "an odd line"})
    found = found_in(folders)
    assert (found.num_rows, len(found.rows)) == (200, 100)
    assert [(row.line, row.text) for row in found.rows[:3]] == [(151, "an odd line"), (150, "an even line"), (1, None)]
    assert all(row.line % 2 for row in found.rows[2:])


def test_a_class_called_null_or_with_a_comma_stays_what_it_is(folders: Folders) -> None:
    for prediction, settings in (("null", {}), ("a, b", GRU)):
        write_rows(folders.write(1, 0.8, settings=settings), {7: ("a, b", prediction)})
    (row,) = found_in(folders).rows
    assert (row.label, [v.prediction for v in row.verdicts if v]) == ("a, b", ["null", "a, b"])


def test_two_files_of_one_name_in_a_run_leave_its_rows_unknown(folders: Folders) -> None:
    for seed, settings in ((1, None), (1, {"encoder._target_": "gatelab.recurrent.GRUEncoder"})):
        folder = write(folders, seed, {2: "yes", 3: "no"}, settings)
        assert folder.record.data is not None
        folder.update(data={**dict(folder.record.data), "files": ["/train/reviews.csv", "/test/reviews.csv"]})
    assert disagreement(arms_of(folders)) is None


def test_predictions_that_cannot_be_read_are_named(folders: Folders) -> None:
    for settings in ({}, GRU):
        folder = write(folders, 1, {1: "pos"}, settings)
    folder.predictions.write_text("line,label\n1,pos\n")
    with pytest.raises(RunError, match=r"predictions\.csv: cannot be read as predictions"):
        found_in(folders)


def test_examples_that_are_no_file_are_named(folders: Folders) -> None:
    for prediction, settings in (("pos", {}), ("neg", GRU)):
        folder = write(folders, 1, {1: prediction}, settings)
    folder.examples.symlink_to("/dev/null")  # in place of a FIFO or an endless device, which would hold this up
    with pytest.raises(RunError, match=r"examples\.json: holds no examples \(is a device and no file\)"):
        found_in(folders)


def test_a_file_that_was_renamed_between_two_runs_holds_the_same_rows(folders: Folders) -> None:
    for name, settings, prediction in (("reviews.csv", {}, "pos"), ("renamed.csv", GRU, "neg")):
        folder = folders.write(1, 0.8, settings={**settings, "data.path": name})
        write_rows(folder, {7: ("pos", prediction), 8: ("pos", "pos")}, file=name)
        write_texts(folder, {7: "a fine film"}, file=name)
    found = found_in(folders)
    assert (found.shared.tolist(), found.num_rows) == ([[2, 2], [2, 2]], 1)
    assert [(row.file, row.line, row.text) for row in found.rows] == [("reviews.csv", 7, "a fine film")]
