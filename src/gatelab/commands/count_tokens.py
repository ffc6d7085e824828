"""gatelab data --tokenizer: the vocabulary, unknown tokens and lengths that training would have."""

from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf

from gatelab.commands.train import compose, explain
from gatelab.config.schema import check_config
from gatelab.data.prepare import token_summary
from gatelab.errors import ConfigError
from gatelab.tasks.base import build_data, task_of
from gatelab.training.run import resolve


def count_tokens(files: Sequence[str], tokenizer: str, model: str = "classifier", **table: Any) -> Iterator[str]:
    """A line on the vocabulary and the unknown tokens, and one with the quantiles of the lengths. tokenizer: a choice of
    conf/tokenizer, or a tokenizer.json; model: one of conf/model; table: the keys of conf/data that say how to read the files, None for
    those not given.

    Raises ConfigError for an unknown tokenizer, DataError for files that training would refuse.
    """
    saved = tokenizer.endswith(".json")
    choices = ["data=csv", f"model={model}", f"tokenizer={'file' if saved else tokenizer}"]
    try:
        config = compose(choices)
    except HydraException as error:
        raise ConfigError(explain(str(error), choices)) from None
    with TemporaryDirectory() as cache:
        given = {key: value for key, value in table.items() if value is not None}
        given |= {"path": list(files), "cache_dir": cache, **({"tokenizer": {"file": tokenizer}} if saved else {})}
        config.data = OmegaConf.merge(config.data, given)
        checked = check_config(resolve(config))
        record = build_data(checked, task_of(checked.model)).prepared.record
    yield token_summary(record)
    yield ", ".join(f"{length:,} ({quantile} %)" for quantile, length in record["lengths"].items())
