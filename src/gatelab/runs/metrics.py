"""The metrics: their titles on screens and pages and at --metric, which direction is better, how they are averaged."""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

PARTS = ("train", "validation", "test")
LOWER_IS_BETTER = ("loss", "error", "mse", "mae", "perplexity")  # suffixes, for metrics that are not in the table


class Metric(NamedTuple):
    """key: as in run.json and, after validation/, in metrics.csv. averaged: what the mean is taken over."""

    key: str
    title: str
    lower_is_better: bool = False
    averaged: str = "the rows"


METRICS = {
    metric.key: metric
    for metric in (
        Metric("accuracy", "accuracy"),
        Metric("macro_f1", "macro-F1", averaged="the classes that are there or predicted"),
        Metric(
            "auroc",
            "AUROC",
            averaged="the pairs of a positive and another row; of several classes the macro mean of one-vs-rest",
        ),
        Metric("calibration_error", "calibration error", True, "15 equal bins of the largest probability, by rows"),
        Metric("micro_f1", "micro-F1", averaged="all entries of rows and labels"),
        Metric("exact_match", "exact match"),
        Metric("hamming_loss", "Hamming loss", True, "all entries of rows and labels"),
        Metric("average_precision", "average precision", averaged="the labels that are there"),
        Metric("mse", "MSE", True),
        Metric("rmse", "RMSE", True),
        Metric("mae", "MAE", True),
        Metric("r2", "R²"),
        Metric("pearson", "Pearson correlation"),
        Metric("spearman", "Spearman correlation"),
        Metric("perplexity", "perplexity", True, "the tokens, as their geometric mean"),
        Metric("bits_per_character", "bits per character", True, "the characters"),
        Metric("bits_per_byte", "bits per byte", True, "the bytes"),
        Metric("sequences_right", "sequences right", averaged="the sequences"),
        Metric("steps_right", "steps right", averaged="the steps that are asked"),
        Metric("longest_right", "longest length right"),
        Metric("sequences_seen", "sequences seen until right", True),
        Metric("loss", "loss", True),
    )
}
SELECTED = "macro_f1"  # the selection metric of runs that name none


def metric_of(name: str) -> Metric:
    """By a key with or without its part: validation/macro_f1, per_class.positive.f1, or a metric of your own."""
    of_length = re.fullmatch(r"by_length\.([0-9]+)\.(\w+)", name)
    if of_length:
        known = metric_of(of_length[2])
        return known._replace(key=name, title=f"{known.title} at length {of_length[1]}")
    part, _, key = name.partition("/")
    part, key = (part, key) if part in PARTS else ("", name)  # a class name may have a slash of its own
    known = METRICS.get(key, Metric(key, key, key.endswith(LOWER_IS_BETTER)))
    return known._replace(key=name, title=f"{part} {known.title}") if part else known


def title_of(name: str) -> str:
    return metric_of(name).title


def is_lower_better(name: str) -> bool:
    return metric_of(name).lower_is_better


def best_of(name: str, values: Iterable[float]) -> float:
    """The best of the values of a metric."""
    return (min if is_lower_better(name) else max)(values)


def order_of(name: str, value: float | None) -> float:
    """Sort key for values of a metric: the best first, NaN and None last."""
    if value is None or math.isnan(value):
        return math.inf
    return value if is_lower_better(name) else -value


def key_of(name: str) -> str:
    """The key of a metric given by key or title: macro-F1 and macro_f1, validation macro-F1 and validation/macro_f1."""
    part, _, rest = name.replace("/", " ", 1).partition(" ")
    part, rest = (f"{part}/", rest) if part in PARTS and rest else ("", name)
    known = {metric.title.lower(): metric.key for metric in METRICS.values()}
    return part + known.get(rest.strip().lower(), rest)


def shared_monitor(names: Iterable[str]) -> str:
    """The selection metric that several runs share, else the default."""
    found = set(names)
    return found.pop() if len(found) == 1 else SELECTED
