"""gatelab runs: what ran, with its numbers, best first; or means over seeds."""

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.table import Table

from gatelab.runs.folder import RunFolder, all_runs
from gatelab.runs.identity import flatten

METRICS = ("accuracy", "macro_f1", "auroc")
SEED_KEYS = ("seed", "data.seed", "data.split.seed")
SHORT = {"encoder._target_": "encoder", "data._target_": "data", "optimizer._target_": "optimizer"}
MOST_COLUMNS = 4  # of settings; more of them share one column
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def runs_table(folders: list[RunFolder]) -> Table:
    """One line a run, the best test macro-F1 first; then those without one."""
    rows = [(folder, folder.record, folder.status or "") for folder in folders]
    rows.sort(key=lambda row: (-row[1].get("metrics", {}).get("macro_f1", -1.0), row[1].get("started", "")))
    configs = {folder.path: load_config(folder) for folder in folders}
    keys = differing_keys(list(configs.values()))
    titles, settings = setting_cells([configs[folder.path] for folder, _, _ in rows], keys)
    table = Table()
    for title in ("name", "identity", "status"):
        table.add_column(title, no_wrap=True)
    for title in titles:
        table.add_column(title, overflow="fold")
    for title in (*METRICS, "linear macro_f1", "seconds"):
        table.add_column(title, justify="right", min_width=7)
    for (folder, record, status), cells in zip(rows, settings, strict=True):
        metrics = record.get("metrics", {})
        linear = record.get("baselines", {}).get("linear", {}).get("macro_f1")
        numbers = [*(metrics.get(name) for name in METRICS), linear]
        table.add_row(
            record.get("name", folder.path.parent.name),
            folder.path.name,
            f"[{STYLES.get(status, '')}]{status}[/]" if status in STYLES else status,
            *cells,
            *("" if number is None else f"{number:.4f}" for number in numbers),
            f"{record['seconds']:.0f}" if "seconds" in record else "",
        )
    return table


def means_table(folders: list[RunFolder]) -> Table:
    """One line an arm: the finished runs that differ in the seed alone, as mean ± standard deviation over seeds."""
    finished = [folder for folder in folders if folder.status == "finished"]
    configs = [load_config(folder) for folder in finished]
    keys = [key for key in differing_keys(configs) if key not in SEED_KEYS]
    arms: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    titles, settings = setting_cells(configs, keys)
    for folder, arm in zip(finished, settings, strict=True):
        arms.setdefault(arm, []).append(folder.record)
    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")
    table.add_column("seeds", justify="right")
    for title in ("accuracy", "macro_f1", "linear accuracy", "linear macro_f1", "majority accuracy"):
        table.add_column(title, justify="right")
    for arm, records in sorted(arms.items()):
        metrics = [record["metrics"] for record in records]
        linear = [record["baselines"]["linear"] for record in records if "linear" in record["baselines"]]
        majority = [record["baselines"]["majority"] for record in records if "majority" in record["baselines"]]
        table.add_row(
            *arm,
            str(len(records)),
            *(mean_and_spread([values[name] for values in metrics]) for name in ("accuracy", "macro_f1")),
            *(mean_and_spread([values[name] for values in linear]) for name in ("accuracy", "macro_f1")),
            mean_and_spread([values["accuracy"] for values in majority]),
        )
    return table


def mean_and_spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else ""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def differing_keys(configs: list[dict[str, Any]]) -> list[str]:
    """The config keys whose value is not the same in all runs."""
    keys = {key: None for config in configs for key in config}
    return [
        key
        for key in keys
        if len({repr(config.get(key)) for config in configs}) > 1 and key not in ("name", "output_dir")
    ]


def setting_cells(configs: list[dict[str, Any]], keys: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Column titles and, a run, what stands in them: a column a key, or where these are many, one column for all.

    The one column names what is built and the seed, and of the other keys those in which a run differs from most.
    """
    titles = {key: SHORT.get(key) or short_key(key, keys) for key in keys}
    if len(keys) <= MOST_COLUMNS:
        return list(titles.values()), [tuple(show(config.get(key)) for key in keys) for config in configs]
    usual = {key: Counter(repr(config.get(key)) for config in configs).most_common(1)[0][0] for key in keys}
    cells: list[tuple[str, ...]] = []
    for config in configs:
        told = [
            f"{titles[key]}={show(config[key])}"
            for key in keys
            if key in config and (key in SHORT or key == "seed" or repr(config[key]) != usual[key])
            if key not in SEED_KEYS[1:] or config[key] != config.get("seed")
        ]
        cells.append((" ".join(told),))
    return ["settings (where not as in most runs)"], cells


def short_key(key: str, keys: list[str]) -> str:
    """The key without its group where no other key is the same without its own."""
    short = key.split(".", 1)[-1]
    return key if sum(other.split(".", 1)[-1] == short for other in keys) > 1 else short


def load_config(folder: RunFolder) -> dict[str, Any]:
    try:
        return flatten(OmegaConf.to_container(OmegaConf.load(folder.config)))  # type: ignore[arg-type]
    except FileNotFoundError:
        return {}


def show(value: Any) -> str:
    """A config value for a table: a ``_target_`` by its last name."""
    text = "" if value is None else str(value)
    return text.rsplit(".", 1)[1] if text.startswith(("gatelab.", "torch.")) else text


def list_runs(output_dir: str | Path, name: str | None) -> list[RunFolder]:
    return all_runs(output_dir, name)
