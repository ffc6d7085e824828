"""Provenance: what run.json records so that its numbers can be traced and reproduced.

The items of the machine-learning reproducibility checklists: code, data, settings, versions, hardware, resources.
"""

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from gatelab.bounded import read_bytes
from gatelab.config.memory import memory_bytes
from gatelab.files import atomic_write
from gatelab.runs.checkout import SECONDS, checkout_of
from gatelab.runs.folder import RunFolder
from gatelab.runs.record import RunRecord
from gatelab.runs.secrets import redact_code, redact_text
from gatelab.screen import console

MAX_DIFF_BYTES = 5_000_000
MAX_HASHED_BYTES = 100_000_000  # of a file that is named only
MAX_NAMED = 1000
CODE = (".py", ".pyi", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".sh", ".ipynb")
SETTINGS_FILES = (".yaml", ".yml", ".toml", ".json", ".ini", ".cfg", ".env", ".txt", ".csv")


def provenance(own_modules: Sequence[str] = ()) -> dict[str, Any]:
    """Code, versions, hardware and the command. own_modules: those that the user's ``_target_`` name."""
    return {
        "code": {
            "gatelab": hash_of_package(Path(__file__).parents[1]),
            **{name: hash_of_module(name) for name in own_modules},
        },
        "git": git_state(Path(__file__).parent),
        "project_git": git_state(Path.cwd()),
        "versions": {"python": platform.python_version(), **installed_packages()},
        "hardware": hardware(),
        "command": sys.argv,
        "directory": os.getcwd(),
    }


def hardware() -> dict[str, Any]:
    import torch

    cuda = torch.cuda.is_available()
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),  # the instructions that torch's kernels use
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if cuda else [],
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
    }


def determinism() -> dict[str, Any]:
    """The flags that decide whether the numbers are reproducible, as set once the trainer is built."""
    import torch

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cublas_workspace_config": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


NAME, VERSION = (re.compile(rf"^{key}: *(\S+)", re.MULTILINE | re.IGNORECASE) for key in ("Name", "Version"))


@cache
def installed_packages() -> dict[str, str]:
    """The version of every installed package; read once per process, and only these two lines of each, since the parser of
    importlib.metadata takes eight times as long."""
    texts = [dist.read_text("METADATA") or dist.read_text("PKG-INFO") or "" for dist in metadata.distributions()]
    pairs = [(NAME.search(text), VERSION.search(text)) for text in texts]
    found = {name[1]: version[1] for name, version in pairs if name and version}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that holds folder, and whether the work tree differs from it; None outside one."""
    try:
        with checkout_of(folder) as checkout:
            return {"top": str(checkout.top), "commit": checkout.commit, "dirty": checkout.changed()}
    except (OSError, subprocess.SubprocessError):
        return None


def write_diff(folder: RunFolder) -> None:
    """Write uncommitted.diff: how the code differs from the commit in the record. Where git cannot say it, run.json and the
    screen do."""
    try:
        diff = uncommitted_diff(folder.record, folder.path.parents[1])
    except (OSError, subprocess.SubprocessError) as error:
        reason = (
            f"git took over {SECONDS} s" if isinstance(error, subprocess.TimeoutExpired) else redact_text(str(error))
        )
        folder.update(diff_problem=reason)
        console.print(
            f"warning: uncommitted.diff could not be made ({reason}). Commit the code to have it recorded.",
            soft_wrap=True,
        )
        return
    if diff:
        atomic_write(folder.diff, diff.encode("utf-8", "replace"))


def uncommitted_diff(record: RunRecord, output_dir: Path) -> str:
    """How the checkouts differ from their recorded commits, for git apply; empty where they do not. Of files that git does not
    track only code is in it, others are named with size and sha256. Without secrets, binary files, output_dir, and what
    exceeds 5 MB.

    Raises OSError or subprocess.SubprocessError where git fails or takes too long.
    """
    states = (record.git, record.project_git)
    tops = {state.top: None for state in states if state and state.dirty}
    return "".join(_diff(Path(top), output_dir.resolve()) for top in tops)


def _diff(top: Path, output_dir: Path) -> str:
    inside = output_dir.is_relative_to(top) and output_dir != top
    besides = [f":(top,exclude){output_dir.relative_to(top)}"] if inside else []
    with checkout_of(top) as checkout:
        listed = checkout.git("ls-files", "--others", "--exclude-standard", "-z", "--", ".", *besides)
        untracked = [name for name in listed.split("\0") if name]
        code = [name for name in untracked if name.endswith(CODE)]
        if code:
            named = "\0".join(f":(top,literal){name}" for name in code)
            checkout.git("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul", input=named)
        whole = checkout.diff(".", *besides)
    kept, size = "", 0
    for part in re.split(r"^(?=diff --git )", whole, flags=re.MULTILINE)[1:]:
        if "\nBinary files " in part or size + len(part) > MAX_DIFF_BYTES:
            named = part.splitlines()[0].removeprefix("diff --git ")
            kept += redact_code(f"# left out, since it is binary or too large: {named}\n")
        else:
            size += len(part)
            kept += _without_secrets(part)
    others = [name for name in untracked if name not in code]
    kept += redact_code("".join(_named(top, name) for name in others[:MAX_NAMED]))
    return kept + (f"# and {len(others) - MAX_NAMED:,} more untracked files\n" if len(others) > MAX_NAMED else "")


def _named(top: Path, name: str) -> str:
    """A line for an untracked file that is no code: data are recorded by their sha256 where they are used."""
    try:
        size = (top / name).stat().st_size
        if size > MAX_HASHED_BYTES:
            return f"# left out, since it is binary or too large: a/{name}, {size:,} bytes\n"
        content = read_bytes(top / name, MAX_HASHED_BYTES)  # a link may lead to what never ends
    except OSError:
        return f"# left out, since it cannot be read: a/{name}\n"
    reason = "binary or too large" if b"\0" in content[:8000] else "no code"
    return f"# left out, since it is {reason}: a/{name}, {size:,} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n"


def _without_secrets(part: str) -> str:
    name = part.split("\n", 1)[0].rsplit(" b/", 1)[-1]
    return redact_text(part) if name.endswith(SETTINGS_FILES) else redact_code(part)


def hash_of_package(folder: Path) -> str:
    """Of all its source, which identifies an installed package without git."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def hash_of_module(name: str) -> str | None:
    found = util.find_spec(name)
    if found is None or found.origin is None:
        return None
    origin = Path(found.origin)
    if origin.name == "__init__.py":
        return hash_of_package(origin.parent)
    return hashlib.sha256(origin.read_bytes()).hexdigest()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
