"""The functions of a plan in C, compiled by this machine's own compiler: what ``emit.Source`` writes in torch's calls.

A function is one loop over units, so a step reads and writes each value once. n rows, H hidden.
"""

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from gatelab.recurrent import backward_step, forward_step
from gatelab.recurrent.emit import Call, Calls, Source
from gatelab.recurrent.operations import Unsupported, code_of
from gatelab.recurrent.plan import Plan, choose_saved
from gatelab.recurrent.program import Node

HEADER = Path(__file__).with_name("pointwise.h")
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-builtin", "-fPIC", "-shared", "-w"]
MORE_FLAGS = [["-march=native", "-fopenmp"], ["-march=native"], []]  # without OpenMP, as in macOS, one thread
FUNCTION = """
void {name}(int64_t n, int64_t H, {arguments}) {{
    #pragma omp parallel for if (n * H > 16384)
    for (int64_t row = 0; row < n; row++) {{
        {rows}
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {{
            {body}
        }}
    }}
}}
"""


class CSource(Source):
    """A place's value is read at its first use and written at the end."""

    one_pass = True

    def __init__(self, library: "Library") -> None:
        super().__init__()
        self.library = library
        self.values: dict[str, str] = {}  # what each place holds by now
        self.written: dict[str, None] = {}

    def let(self, expression: str) -> str:
        name = f"x{len(self.lines)}"
        self.lines.append(f"const __auto_type {name} = {expression};")
        return name

    def load(self, place: str) -> str:
        if place not in self.values:
            self.values[place] = self.let(f"{place}[j]")
        return self.values[place]

    def store(self, place: str, value: str) -> None:
        self.values[place] = value
        self.written[place] = None

    def write(
        self, outputs: Sequence[tuple[Node, str]], given: dict[Node, str], places: dict[Node, str] | None = None
    ) -> None:
        names: dict[Node, str] = {}

        def value(node: Node) -> str:
            if node in given:
                return self.load(given[node])
            if node.op == "constant":
                return literal(node.value)
            if node not in names:
                names[node] = self.let(c_code(node, [value(arg) for arg in node.args]))
            return names[node]

        for place, found in [(place, value(node)) for node, place in outputs]:
            self.store(place, found)

    def squash(self, op: str, columns: Sequence[str]) -> None:
        for column in columns:
            place = self.parameter("column", column)
            self.store(place, self.let(c_code(Node(op), [self.load(place)])))

    def multiply_columns(self, columns: Sequence[str], by: str) -> None:
        for column in columns:
            self.put(self.parameter("da", column), self.parameter("da", column), by)

    def zero(self, target: str) -> None:
        self.store(target, literal(0.0))

    def copy(self, target: str, value: str) -> None:
        self.store(target, self.load(value))

    def put(self, target: str, value: str, by: str | float) -> None:
        self.store(target, self.let(f"{self.load(value)} * {self.factor(by)}"))

    def add(self, target: str, value: str, by: str | float = 1.0) -> None:
        self.store(target, self.let(f"{self.load(target)} + {self.load(value)} * {self.factor(by)}"))

    def factor(self, by: str | float) -> str:
        return self.load(by) if isinstance(by, str) else literal(by)

    def build(self, temporary: Collection[str] = ()) -> Call:
        keys = {key: place for key, place in self.parameters.items() if key[0] not in temporary}
        if not keys:
            return Call(lambda: None, [])
        stores = [f"{place}[j] = {self.values[place]};" for place in self.written if place in keys.values()]
        return Call(self.library.add([*self.lines, *stores], list(keys.values())), list(keys))


class Library:
    """Functions that are compiled together."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.spaces: list[dict[str, Any]] = []

    def add(self, lines: Sequence[str], places: Sequence[str]) -> Callable[..., None]:
        """What calls the function of these lines, once ``link`` has compiled it."""
        self.functions.append(
            FUNCTION.format(
                name=f"step{len(self.functions)}",
                arguments=", ".join(f"T *p_{place}, int64_t s_{place}" for place in places),
                rows="\n        ".join(f"T *restrict {place} = p_{place} + row * s_{place};" for place in places),
                body="\n            ".join(lines),
            )
        )
        arguments = ", ".join(f"{place}.data_ptr(), {place}.stride(0)" for place in places)
        text = f"def run({', '.join(places)}):\n    function(len({places[0]}), {places[0]}.shape[1], {arguments})"
        space: dict[str, Any] = {"num_places": len(places)}
        exec(compile(text, "<gatelab cell>", "exec"), space)
        self.spaces.append(space)
        return space["run"]

    def link(self, dtype: torch.dtype) -> None:
        define = "#define DOUBLE\n" if dtype == torch.float64 else ""
        library = load(define + HEADER.read_text(encoding="utf-8") + "".join(self.functions))
        for index, space in enumerate(self.spaces):
            function = space["function"] = getattr(library, f"step{index}")
            function.restype = None
            function.argtypes = [ctypes.c_int64] * 2 + [ctypes.c_void_p, ctypes.c_int64] * space["num_places"]


def compile_plan(plan: Plan, dtype: torch.dtype) -> Calls:
    """The functions of a plan for tensors of a dtype. Raises Unsupported where this machine cannot compile them."""
    if dtype not in (torch.float32, torch.float64):
        raise Unsupported(f"computes in float32 and float64, not in {str(dtype).removeprefix('torch.')}")
    library, saved = Library(), choose_saved(plan)
    new_source = partial(CSource, library)
    forward = forward_step.write_all(plan, saved, new_source)
    calls = Calls(*forward, *backward_step.write_all(plan, saved, new_source))
    library.link(dtype)
    return calls


@cache
def load(text: str) -> ctypes.CDLL:
    """The library that this C makes. Nothing stays on the disk."""
    command = shlex.split(os.environ.get("CC", "cc"))
    if not command or not shutil.which(command[0]):
        raise Unsupported(
            f"needs a C compiler, and there is no {command[0] if command else 'cc'}: install gcc or clang, or name yours in CC"
        )
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "cell.c"), Path(folder, "cell.so")
        source.write_text(text, encoding="utf-8")
        for more in MORE_FLAGS:
            arguments = [*command, *FLAGS, *more, "-o", str(library), str(source), "-lm"]
            try:
                done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=120)
                if done.returncode == 0:
                    return ctypes.CDLL(str(library))
                problem = f"{command[0]} says {done.stderr.strip() or 'nothing'}"
            except (
                OSError,
                subprocess.TimeoutExpired,
            ) as error:  # such as a temporary folder that nothing may run from
                problem = str(error)
    raise Unsupported(f"cannot compile here: {problem.splitlines()[0]}")


def c_code(node: Node, args: list[str]) -> str:
    code, numbers = code_of(node, len(args), "C")
    code = re.sub(r"(?<![\w.])\d+\.\d+", r"(T)\g<0>", code)
    return code.format(*args, *map(literal, numbers))


def literal(value: float) -> str:
    text = str(float(value))
    return {"inf": "(1 / (T)0)", "-inf": "(-1 / (T)0)", "nan": "(0 / (T)0)"}.get(text, f"((T){text})")
