import re

import pytest

from gatelab.config.memory import memory_bytes, too_large
from gatelab.errors import ConfigError
from gatelab.tasks.sequence.sequence_task import refuse_too_large


def test_weights_fit_where_they_are_less_than_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/proc/meminfo", encoding="utf-8") as stream:
        (kilobytes,) = re.findall(r"^MemTotal: +(\d+) kB$", stream.read(), re.MULTILINE)
    assert memory_bytes() == int(kilobytes) * 1024
    monkeypatch.setattr("gatelab.config.memory.memory_bytes", lambda: 8 * 2**30)
    assert too_large(2**30 - 1) is None
    assert too_large(2**30) == "its weights need with gradients 8 GiB, and this machine has 8 GiB of memory"
    with pytest.raises(
        ConfigError, match=r"^model\.embedding_size=1024: with a vocabulary of 1,048,576 its weights need with "
    ):
        refuse_too_large(2**20, 2**10)
    monkeypatch.setattr("gatelab.config.memory.memory_bytes", lambda: None)
    assert too_large(2**60) is None
