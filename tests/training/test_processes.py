import os
import signal
import subprocess
import sys
import time

import pytest

from gatelab.training import processes


def test_each_worker_has_a_gpu_and_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processes, "usable_cores", lambda: 8)
    monkeypatch.setattr(processes, "visible_gpus", lambda: [])
    assert processes.share_machine(4) == [{"OMP_NUM_THREADS": "2"}] * 4
    assert len(processes.share_machine(None)) == 8
    monkeypatch.setattr(processes, "visible_gpus", lambda: ["0", "3"])
    assert [job["CUDA_VISIBLE_DEVICES"] for job in processes.share_machine(None)] == ["0", "3"]
    assert [job["CUDA_VISIBLE_DEVICES"] for job in processes.share_machine(3)] == ["0", "3", "0"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS" not in processes.share_machine(2)[0]


def test_only_the_gpus_that_the_user_leaves_visible_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert processes.visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7c")
    assert processes.visible_gpus() == ["5", "GPU-7c"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells no process that its parent died")
def test_a_process_gets_a_signal_when_its_parent_dies() -> None:
    child = "from gatelab.training.processes import end_with_parent; import time; end_with_parent(); print('ready', flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        process.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{number}/stat") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        time.sleep(0.05)
    os.kill(number, signal.SIGKILL)
    pytest.fail("the child lives on")
