from pathlib import Path

import numpy as np
import pytest

from gatelab.runs import resources


def test_a_meter_begins_anew_and_sees_what_is_taken_and_given_back() -> None:
    first = resources.Meter()
    block = np.ones(40_000_000)  # 320 MB
    assert first.reading()["peak_memory_bytes"] - 320e6 > 0
    with_block = first.reading()["peak_memory_bytes"]
    del block
    second = resources.Meter().reading()
    if not (resources.PROC / "clear_refs").exists():
        pytest.skip("no high-water mark that can be set back on this system")
    assert with_block - second["peak_memory_bytes"] > 250e6
    assert second["wall_seconds"] < first.reading()["wall_seconds"]


def test_energy_is_the_difference_of_the_counters_also_over_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = tmp_path / "intel-rapl:0"
    domain.mkdir()
    (domain / "name").write_text("package-0\n")
    (domain / "max_energy_range_uj").write_text("100000000\n")
    (domain / "energy_uj").write_text("90000000\n")
    monkeypatch.setattr(resources, "RAPL", tmp_path)
    meter = resources.Meter()
    (domain / "energy_uj").write_text("95000000\n")
    assert meter.reading()["energy_joules"] == {"package-0": 5.0}
    (domain / "energy_uj").write_text("2500000\n")
    assert meter.reading()["energy_joules"] == {"package-0": 12.5}


def test_where_no_counter_can_be_read_there_is_no_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "RAPL", tmp_path)
    assert resources.Meter().reading()["energy_joules"] == {}
