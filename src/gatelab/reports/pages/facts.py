"""Facts from a run's record on data, time, memory and reproduction, as named lines of a page."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatelab.reports import numbers
from gatelab.reports.shown import visible
from gatelab.runs.metrics import title_of
from gatelab.runs.record import Data, Duplicates, Resources, RunRecord, Vectors, headline_of
from gatelab.runs.shell import OUTPUTS, command
from gatelab.screen import counted

CHIEF_PACKAGES = (
    "python", "gatelab", "torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy", "pandas", "scikit-learn",
    "tokenizers",
)  # fmt: skip
Facts = list[tuple[str, str]]
ENTRIES = {"word": "word", "char": "character", "bpe": "subword", "unigram": "subword"}  # of a vocabulary
SPLITS = {"group": "by group: equal texts stay on one side", "random": "random: by row"}


def data_facts(data: Data, config: Mapping[str, Any]) -> Facts:
    facts: Facts = [("files", some([Path(name).name for name in data.files]))] if data.files else []
    if data.columns is not None:
        texts = data.columns["text"]
        text = " and ".join(f"'{column}'" for column in (texts if isinstance(texts, list) else [texts]))
        facts.append(("columns", f"text {text}, label '{data.columns['label']}' ({data.encoding})"))
    if data.rows is not None:
        facts.append(("rows", f"{data.rows:,} read" + ("" if data.used is None else f", {data.used:,} used")))
    if data.rejected is not None:
        facts.append(("rejected", f"{data.rejected:,}"))
    if data.dropped is not None:
        counts = {name: count for counts in data.dropped.values() for name, count in counts.items()}
        facts.append(("dropped by label", some([f"{name} {count:,}" for name, count in counts.items()])))
    if "data.split.by" in config:
        facts.append(("split", SPLITS.get(config["data.split.by"], str(config["data.split.by"]))))
    if leak := data.leakage:
        facts.append(("duplicates", duplicates(data.duplicates)))
        text = f"{leak['exact']:,} of {leak['test_rows']:,} word for word ({numbers.percentage(leak['exact_share'])}), "
        text += f"{leak['normalised']:,} normalised ({numbers.percentage(leak['normalised_share'])})"
        facts.append(("test texts in train", text if leak["test_rows"] else "there is no test"))
    if data.vocab_size is not None:
        entry = counted(data.vocab_size, ENTRIES.get(data.tokenizer, "token"))
        fitted = "of data.tokenizer.file" if data.tokenizer == "file" else "fitted on the training rows"
        if data.vectors and data.vectors.vocab == "all":
            fitted += ", and the words of the validation and test rows that have a vector"
        vocabulary = f"{entry}, {fitted}; {counted(data.num_tokens or 0, 'token')} in all"
        facts.append(("vocabulary", vocabulary))
    facts += token_facts(data)
    if data.vectors:
        facts += vector_facts(data.vectors)
    return [*facts, *(("note", note) for note in data.notes)]


def vector_facts(vectors: Vectors) -> Facts:
    """The files, and for how many words and tokens they have a vector."""
    types, found = vectors.types, sum(vectors.types.values()) - vectors.types.get("none", 0)
    how = f"{types.get('exact', 0):,} exactly, {types.get('case_folding', 0):,} by case folding"
    shares = [
        f"{part} {numbers.percentage(1 - counts.get('none', 0) / total)}"
        for part, counts in vectors.tokens.items()
        if (total := sum(counts.values()))
    ]
    return [
        ("pretrained vectors", f"{some(vectors.files)}, {counted(vectors.dimension or 0, 'number')} a word"),
        ("words with a vector", f"{found:,} of {sum(types.values()):,}: {how}; the others begin at random"),
        ("tokens with a vector", some(shares)),
    ]


def token_facts(data: Data) -> Facts:
    """Unknown tokens and lengths; nothing of a record that was written without them."""
    facts = []
    if data.unknown_share:
        shares = [f"{part} {share:.2%}" for part, share in data.unknown_share.items()]
        facts.append(("unknown tokens", ", ".join(shares)))
    if data.lengths:
        cut = "" if data.cut_share is None else f"; {data.cut_share:.2%} of the texts are cut"
        facts.append(("tokens a text", ", ".join(f"{length:,} ({q} %)" for q, length in data.lengths.items()) + cut))
    return facts


def some(names: list[str], max_names: int = 20) -> str:
    """The names, or the first max_names and the number of others."""
    more = f" and {len(names) - max_names:,} more" if len(names) > max_names else ""
    return (", ".join(names[:max_names]) or "none") + more


def duplicates(found: Duplicates | None) -> str:
    if found is None:
        return "not counted"
    return (
        f"rows that repeat an earlier text: {found['exact']:,} word for word, {found['normalised']:,} up to case, URLs, RT @name: "
        "and punctuation"
    )


def calibration_fact(record: RunRecord) -> str:
    """Temperature and threshold that were fitted, what they changed of the validation, and the test without them; else nothing."""
    found = record.calibration
    if found is None:
        return ""
    values = {"temperature": found.temperature, "threshold": found.threshold}
    fitted = ", ".join(f"{name} {value:.3g}" for name, value in values.items() if value is not None)
    changes = [
        f"{title} {numbers.metric(found.before[key])} before, {numbers.metric(found.after[key])} after"
        for key, title in (("nll", "negative log-likelihood"), ("macro_f1", "macro-F1"))
        if key in found.before and key in found.after
    ]
    said = f"{fitted}, fitted on {counted(found.rows or 0, 'validation row')}"
    said += f" ({'; '.join(changes)})" if changes else ""
    if record.uncalibrated is None:
        return said
    without = (
        f"{title_of(key)} {numbers.metric(record.uncalibrated.get(key))}" for key in headline_of(record.uncalibrated)
    )
    return f"{said}; the test without: {', '.join(without)}"


def cost_facts(record: RunRecord) -> Facts:
    facts = []
    if record.seconds is not None:
        facts.append(("time", numbers.duration(record.seconds)))
    counts = (("epoch", record.epochs), ("step", record.steps))
    if parts := [counted(count, noun) for noun, count in counts if count is not None]:
        facts.append(("training", ", ".join(parts)))
    if record.parameters is not None:
        frozen = f", {record.frozen_parameters:,} of them not trained" if record.frozen_parameters else ""
        facts.append(("parameters", f"{record.parameters:,}{frozen}"))
    facts += resource_facts(record.resources)
    if hardware := record.hardware:
        counts = (("core", hardware.cores), ("thread", hardware.threads))
        parts = [counted(count, noun) for noun, count in counts if count is not None]
        facts.append(
            ("machine", ", ".join([hardware.processor, *parts]) + "".join(f"; {gpu}" for gpu in hardware.gpus))
        )
        facts.append(("system", hardware.system))
    facts.append(("started", numbers.moment(record.started)))
    facts += [("resumed", numbers.moment(iso)) for iso in record.resumed]
    return facts


def resource_facts(used: Resources) -> Facts:
    """Processor time, memory and energy, as far as measured."""
    facts = []
    if used.cpu_seconds:
        facts.append(("processor time", numbers.duration(used.cpu_seconds)))
    for title, size in (("peak memory", used.peak_memory_bytes), ("peak GPU memory", used.peak_gpu_memory_bytes)):
        if size:
            facts.append((title, numbers.size(size)))
    if used.energy_joules:
        text = some([f"{name} {joules:,.0f} J" for name, joules in used.energy_joules.items()])
        facts.append(("energy", f"{text}, of the whole machine"))
    return facts


def train_command(record: RunRecord) -> str:
    """The command of the run. Training records its overrides without the word train."""
    words = record.command[1:]
    named = bool(words) and words[0].isalpha()
    return visible(shlex.join(["gatelab", *([] if named else ["train"]), *words]))


def repeat_commands(record: RunRecord, output_dir: str | Path = OUTPUTS) -> list[str]:
    """The commands that repeat the run, its own first."""
    again = (
        [visible(command("reproduce", record.identity, output_dir=output_dir))] if record.status == "finished" else []
    )
    return [train_command(record), *again]


def origin_facts(record: RunRecord) -> Facts:
    facts = [("seed", str(record.seed))]
    if (parent := record.parent) and parent.taken:
        shares = (f"{count['taken']:,} of {count['of']:,} in the {part}" for part, count in parent.taken.items())
        facts.append(("begun with", f"run {parent.identity}: {', '.join(shares)}"))
    elif parent:
        facts.append(("continues", f"run {parent.identity} after {counted(parent.epochs or 0, 'epoch')}"))
    if git := record.git:
        state = ", with changes that were not committed" if git.dirty else ""
        facts.append(("code", f"commit {git.commit}{state}"))
    digests = record.data.sha256 if record.data else {}
    facts += [(f"sha256, {part}", some(listed, 5)) for part, listed in digests.items()]
    for key, files in record.files.items():
        facts.append((f"sha256, {key}", some([f"{file.name} {file.sha256}" for file in files], 5)))
    versions = [f"{name} {record.versions[name]}" for name in CHIEF_PACKAGES if record.versions.get(name)]
    facts.append(("versions", " · ".join(versions)))
    return facts
