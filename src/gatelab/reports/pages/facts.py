"""What a run's record says of its data, of time and memory, and of how to repeat it, as named lines for a page."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatelab.reports import numbers
from gatelab.reports.texts import visible

CHIEF_PACKAGES = (
    "python", "gatelab", "torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy", "pandas", "scikit-learn",
    "tokenizers",
)  # fmt: skip
Facts = list[tuple[str, str]]
SPLITS = {"group": "by group: equal texts stay on one side", "random": "random: by rows alone"}


def data_facts(data: Mapping[str, Any], config: Mapping[str, Any]) -> Facts:
    dropped = {name: count for counts in data["dropped"].values() for name, count in counts.items()}
    facts = [
        ("files", some([Path(name).name for name in data["files"]])),
        ("columns", f"text '{data['columns']['text']}', label '{data['columns']['label']}' ({data['encoding']})"),
        ("rows", f"{data['rows']:,} read, {data['used']:,} used"),
        ("rejected", f"{data['rejected']:,}"),
        ("dropped by label", some([f"{name} {count:,}" for name, count in dropped.items()])),
    ]
    leak = data["leakage"]
    words, normalised = (
        f"{leak['exact']:,} of {leak['test_rows']:,} word for word",
        f"{leak['normalised']:,} normalised",
    )
    if "data.split.by" in config:
        facts.append(("split", SPLITS.get(config["data.split.by"], str(config["data.split.by"]))))
    facts.append(("duplicates", duplicates(data.get("duplicates"))))
    facts.append(
        (
            "test texts in train",
            f"{words} ({numbers.share(leak['exact_share'])}), {normalised} ({numbers.share(leak['normalised_share'])})",
        )
    )
    vocabulary = f"{data['vocab_size']:,} words, fitted on the training rows; {data['num_tokens']:,} tokens in all"
    return [*facts, ("vocabulary", vocabulary), *(("note", note) for note in data["notes"])]


def some(names: list[str], most: int = 20) -> str:
    """The names, or so many of them and how many there are more."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more


def duplicates(found: Mapping[str, int] | None) -> str:
    if found is None:
        return "not counted"
    return (
        f"{found['exact']:,} rows repeat an earlier text word for word, {found['normalised']:,} but for case, URLs, "
        "RT @name: and punctuation"
    )


def cost_facts(record: Mapping[str, Any]) -> Facts:
    hardware = record.get("hardware", {})
    facts = []
    if "seconds" in record:
        facts.append(("time", numbers.duration(record["seconds"])))
    told = [numbers.counted(record[f"{noun}s"], noun) for noun in ("epoch", "step") if f"{noun}s" in record]
    if told:
        facts.append(("training", ", ".join(told)))
    if "parameters" in record:
        facts.append(("parameters", f"{record['parameters']:,}"))
    facts += resource_facts(record.get("resources", {}))
    if hardware:
        gpus = f"; {', '.join(hardware['gpus'])}" if hardware["gpus"] else ""
        cores, threads = numbers.counted(hardware["cores"], "core"), numbers.counted(hardware["threads"], "thread")
        facts.append(("machine", f"{hardware['processor']}, {cores}, {threads}{gpus}"))
        facts.append(("system", hardware["system"]))
    facts.append(("started", numbers.moment(record["started"])))
    facts += [("resumed", numbers.moment(iso)) for iso in record.get("resumed", [])]
    return facts


def resource_facts(used: Mapping[str, Any]) -> Facts:
    """What of processor time, memory and energy was measured."""
    facts = []
    if used.get("cpu_seconds"):
        facts.append(("processor time", numbers.duration(used["cpu_seconds"])))
    for title, key in (("peak memory", "peak_memory_bytes"), ("peak GPU memory", "peak_gpu_memory_bytes")):
        if used.get(key):
            facts.append((title, numbers.size(used[key])))
    if used.get("energy_joules"):
        told = some([f"{name} {joules:,.0f} J" for name, joules in used["energy_joules"].items()])
        facts.append(("energy", f"{told}, of the whole machine"))
    return facts


def repeat_commands(record: Mapping[str, Any]) -> list[str]:
    """The lines that make the run again, the exact command first. Training notes its overrides without its own name."""
    words = record.get("command", [])[1:]
    named = bool(words) and words[0].isalpha()
    lines = [shlex.join(["gatelab", *([] if named else ["train"]), *words])]
    if record["status"] == "finished":
        lines.append(f"gatelab reproduce {record['identity']}")
    return [visible(line) for line in lines]


def origin_facts(record: Mapping[str, Any]) -> Facts:
    git, data = record.get("git"), record["data"]
    facts = [("seed", str(record["seed"]))]
    if git:
        state = ", with changes that were not committed" if git["dirty"] else ""
        facts.append(("code", f"commit {git['commit']}{state}"))
    facts += [(f"sha256, {part}", some(digests, 5)) for part, digests in data["sha256"].items()]
    versions = [f"{name} {record['versions'][name]}" for name in CHIEF_PACKAGES if record["versions"].get(name)]
    facts.append(("versions", " · ".join(versions)))
    return facts
