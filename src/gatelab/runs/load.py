"""Run folders as reports read them: status, record and settings."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatelab.config.identity import FILES, OUTSIDE, key_in
from gatelab.errors import RunError, did_you_mean
from gatelab.runs.config import load_config
from gatelab.runs.folder import WHERE_RUNS_ARE, RunFolder, all_runs, distinguish, places, runs_like, runs_of_name
from gatelab.runs.record import InputFile, RunRecord
from gatelab.runs.run_notes import Notes, read_notes

SEED_KEYS = ("seed", "data.seed", "data.split.seed")
REPLICATE_KEYS = (*SEED_KEYS, "data.split.fold")  # in what the runs of one arm differ


@dataclass(frozen=True)
class Run:
    folder: RunFolder
    status: str  # running, finished, interrupted, failed or pruned
    record: RunRecord
    settings: dict[str, Any]  # the config, flat; data.path names what was read; empty without config.yaml
    notes: Notes = field(default_factory=Notes)

    @property
    def identity(self) -> str:
        return self.folder.path.name

    @property
    def replicate_text(self) -> str:
        """seed 1 · seed 1, fold 3"""
        fold = self.settings.get("data.split.fold")
        return f"seed {self.record.seed_text}" + ("" if fold is None else f", fold {fold}")

    @property
    def content(self) -> str:
        return self.record.content

    @property
    def started(self) -> str:
        return self.record.started

    @property
    def place(self) -> tuple[int, str, str]:
        """Sorts runs by their job's number in the multirun, then by start."""
        return self.record.job or 0, self.started, self.identity


def load_runs(folders: list[RunFolder]) -> list[Run]:
    """In the order in which they started. Raises RunError for a folder that cannot be read."""
    runs, problems = read_runs(folders)
    if problems:
        raise RunError(problems[0])
    return runs


def read_runs(folders: Iterable[RunFolder]) -> tuple[list[Run], list[str]]:
    """Those that can be read, in the order in which they started, and a sentence for each folder that cannot."""
    runs, problems = [], []
    for folder in folders:
        try:
            runs.append(load_run(folder))
        except RunError as error:
            problems.append(str(error))
    name_data(runs)
    name_files(runs)
    return sorted(runs, key=lambda run: (run.started, run.identity)), problems


def readable_runs(folders: Iterable[RunFolder]) -> tuple[list[Run], list[str]]:
    """As read_runs. Raises RunError where none can be read."""
    runs, problems = read_runs(folders)
    if problems and not runs:
        raise RunError(problems[0])
    return runs, problems


def load_run(folder: RunFolder) -> Run:
    record, settings = folder.record, load_config(folder)
    vectors = record.data.vectors if record.data else None
    if vectors and settings.get("model.embedding_size", 0) is None:  # that of the vectors
        settings["model.embedding_size"] = vectors.dimension
    return Run(folder, folder.status_of(record), record, settings, notes_of(folder))


def notes_of(folder: RunFolder) -> Notes:
    """Those of notes.json; of a damaged one the reason in place of the note, so that it hides no run."""
    try:
        return read_notes(folder)
    except RunError as error:
        return Notes(note=str(error))


def find_runs(names: list[str], output_dir: Path) -> list[RunFolder]:
    """The runs of all names; a name may also be a folder such as outputs/try. Raises RunError for one without runs."""
    folders: list[RunFolder] = []
    for name in dict.fromkeys(names):
        found = runs_of_name(name, output_dir)
        if not found:
            raise RunError(
                f"{name}: no runs of this name in {output_dir}.{near_name(name, output_dir)} {WHERE_RUNS_ARE}"
            )
        folders += found
    return folders


def near_name(name: str, output_dir: Path) -> str:
    return did_you_mean(name, sorted({folder.path.parent.name for folder in all_runs(output_dir)}))


def find_run_or_sweep(what: str, output_dir: Path) -> RunFolder | list[RunFolder]:
    """The run given by its folder or as ``runs_like`` takes it, or all runs of a name. Raises RunError where it is neither,
    or both."""
    if what and (Path(what) / "run.json").is_file():
        return RunFolder(what)
    begin_so = runs_like(what, output_dir)
    of_name = runs_of_name(what, output_dir)
    if of_name and not begin_so:
        return of_name
    if len(begin_so) == 1 and not of_name:
        return begin_so[0]
    if of_name:
        raise RunError(f"{what}: may be the name {of_name[0].path.parent} or {places(begin_so)}. Give the folder.")
    if begin_so:
        raise RunError(f"{what}: may be {places(begin_so)}. {distinguish(begin_so)}")
    raise RunError(f"{what}: no run and no name in {output_dir}.{near_name(what, output_dir)} {WHERE_RUNS_ARE}")


def data_places(runs: Iterable[Run]) -> dict[str, int]:
    """The position of each data set, by its content, in order of first appearance."""
    return {content: place for place, content in enumerate(dict.fromkeys(run.content for run in runs))}


def name_data(runs: list[Run]) -> None:
    """Set data.path to the names of the files read, equal if and only if their content is. Left out where the other
    data settings determine the content, as for generated data."""
    names = name_contents(runs)
    data_keys = [data_settings(run) for run in runs]
    by_settings: dict[str, set[str]] = defaultdict(set)
    for settings, run in zip(data_keys, runs, strict=True):
        by_settings[settings].add(run.content)
    for run, settings in zip(runs, data_keys, strict=True):
        path = run.settings.pop("data.path", None)
        if run.settings and (path is not None or len(by_settings[settings]) > 1):
            run.settings["data.path"] = names[run.content]


def name_files(runs: list[Run]) -> None:
    """Set each key of FILES that a run has to its files' names, equal if and only if their content is."""
    for key in FILES:
        names: dict[str, str] = {}  # by the sha256 of the files
        found = [(run, files) for run in runs if (files := run.record.files.get(key)) and run.settings]
        for _, files in found:
            names.setdefault(digests(files), " ".join(file.name for file in files))
        shared = Counter(names.values())
        for run, files in found:
            content = digests(files)
            name = names[content]
            run.settings[key] = name if shared[name] == 1 else f"{name} {content[:8]}"


def digests(files: list[InputFile]) -> str:
    return " ".join(file.sha256 for file in files)


def with_data_named(runs: list[Run]) -> list[Run]:
    """Copies whose data.path names the content of their data, for generated data too."""
    names = name_contents(runs)
    return [replace(run, settings=run.settings | {"data.path": names[run.content]}) for run in runs]


def name_contents(runs: list[Run]) -> dict[str, str]:
    """By content, its file names in the first run on it, with the first digits of their sha256 where two would be equal."""
    names: dict[str, str] = {}
    for run in runs:
        first, *more = files_of(run) or ["unknown"]
        names.setdefault(run.content, Path(first).name + (f" and {len(more)} more" if more else ""))
    shared = Counter(names.values())
    for content, name in names.items():
        if shared[name] > 1:
            parts = json.loads(content) or {}
            names[content] = " ".join([name, *(digest[:8] for digests in parts.values() for digest in digests)])
    return names


def files_of(run: Run) -> list[str]:
    return run.record.data.files if run.record.data else []


def data_settings(run: Run) -> str:
    """The settings that determine the content of generated data, as comparable text."""
    return repr(
        sorted(
            (key, repr(value))
            for key, value in run.settings.items()
            if key.startswith("data.") and key not in REPLICATE_KEYS and not key_in(key, OUTSIDE)
        )
    )
