"""Resources used by a run: time, memory, and energy where the machine measures it."""

import contextlib
import gc
import resource
import time
from pathlib import Path
from typing import Any

from gatelab.runs.record import Resources

RAPL = Path("/sys/class/powercap")
PROC = Path("/proc/self")


class Meter:
    """Measures from its construction. Resets the peak memory, so that a job does not count the previous one."""

    def __init__(self) -> None:
        import torch

        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with contextlib.suppress(OSError):  # Linux only, and not in every container
            (PROC / "clear_refs").write_text("5")
        self._wall, self._cpu, self._energy = time.monotonic(), time.process_time(), energy_counters()

    def reading(self) -> dict[str, Any]:
        """wall_seconds, cpu_seconds, peak_memory_bytes, peak_gpu_memory_bytes (None without a GPU), and the joules of each energy
        counter (of the whole machine; empty where none can be read)."""
        import torch

        spent = {
            name: round((after - before) % limit, 1)
            for name, (after, limit) in energy_counters().items()
            if (before := self._energy.get(name, (None,))[0]) is not None
        }
        return {
            "wall_seconds": round(time.monotonic() - self._wall, 2),
            "cpu_seconds": round(time.process_time() - self._cpu, 2),
            "peak_memory_bytes": peak_memory(),
            "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None,
            "energy_joules": spent,
        }


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    with contextlib.suppress(OSError, StopIteration):
        lines = (PROC / "status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def energy_counters() -> dict[str, tuple[float, float]]:
    """Joules so far and the value at which the counter wraps, of each processor package (RAPL) and GPU (NVML)."""
    counters: dict[str, tuple[float, float]] = {}
    for domain in sorted(RAPL.glob("intel-rapl:?")):
        with contextlib.suppress(OSError, ValueError):  # often readable only by root
            micro, limit = (int((domain / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
            counters[(domain / "name").read_text().strip()] = (micro / 1e6, limit / 1e6)
    with contextlib.suppress(Exception):  # no NVIDIA driver, or no Python package for it
        import pynvml

        pynvml.nvmlInit()
        for number in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            counters[f"gpu-{number}"] = (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, float("inf"))
        pynvml.nvmlShutdown()
    return counters


def add_up(before: Resources, now: dict[str, Any]) -> dict[str, Any]:
    """Totals of a run's earlier starts and this one."""
    total = dict(now)
    for key in ("wall_seconds", "cpu_seconds"):
        total[key] = round(now[key] + (getattr(before, key) or 0), 2)
    for key in ("peak_memory_bytes", "peak_gpu_memory_bytes"):
        total[key] = max((value for value in (now[key], getattr(before, key)) if value is not None), default=None)
    total["energy_joules"] = {
        name: round(value + before.energy_joules.get(name, 0), 1) for name, value in now["energy_joules"].items()
    }
    return total
