"""A cell's equations in text and LaTeX: to the letter, and with the numbers that the cell has."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, sigmoid, tanh
from torch.nn.functional import logsigmoid

from gatelab.errors import CellError
from gatelab.recurrent import Recurrent, cells
from gatelab.recurrent.cell import Cell
from gatelab.recurrent.cells import LSTM
from gatelab.recurrent.equations import trace_layer
from gatelab.recurrent.formula import formula
from gatelab.recurrent.notation import latex, text
from gatelab.recurrent.weights import Noise

H = 3


class ResetBefore(Cell):
    """Cho et al. 2014."""

    gates = {"reset": "x + h", "update": "x + h", "candidate": "x + inner"}  # noqa: RUF012
    states = ("h",)

    def inner(self, a: Any, h: Tensor) -> Tensor:
        reset_gate = sigmoid(a.reset)
        return reset_gate * h

    def update(self, a: Any, h: Tensor) -> Tensor:
        update_gate = sigmoid(a.update)
        candidate = tanh(a.candidate)
        return update_gate * h + (1 - update_gate) * candidate


class ResetAfter(Cell):
    """nn.GRU."""

    gates = {"reset": "x + h", "update": "x + h", "candidate": "x, h"}  # noqa: RUF012
    states = ("h",)

    def update(self, a: Any, h: Tensor) -> Tensor:
        reset_gate = sigmoid(a.reset)
        update_gate = sigmoid(a.update)
        candidate = tanh(a.candidate.x + reset_gate * a.candidate.h)
        return (1 - update_gate) * candidate + update_gate * h


class Stabilized(Cell):
    """Several states, preactivations that stand twice, a value of update in readout, symbols of its own."""

    gates = ("input", "forget", "candidate", "output")
    states = ("c", "n", "m")
    symbols = {"candidate": "z", "log_forget": r"\bar{f}"}  # noqa: RUF012

    def update(self, a: Any, c: Tensor, n: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_forget = logsigmoid(a.forget)
        largest = torch.maximum(log_forget + m, a.input)
        input_gate = torch.exp(a.input - largest)
        forget_gate = torch.exp(log_forget + m - largest)
        candidate = tanh(a.candidate)
        return forget_gate * c + input_gate * candidate, forget_gate * n + input_gate, largest

    def readout(self, a: Any, c: Tensor, n: Tensor, input_gate: Tensor) -> Tensor:
        output_gate = sigmoid(a.output)
        return output_gate * (c / (n + 1) - 0.5 * input_gate)


class Odd(Cell):
    """Names without a letter, and operations whose order brackets must keep."""

    gates = {"leak": "x", "alpha": "h", "new_memory": "x + h"}  # noqa: RUF012
    vectors = {"decay": ("leak",), "own": ("u",)}  # noqa: RUF012

    def update(self, a: Any, c: Tensor, p: Any) -> Tensor:
        leak = -((a.leak - (p.leak - c)) ** 2)
        kept = torch.where(leak > -0.5, p.u * c * 0.25, (leak - (a.alpha + 2 * c) * -1.5) / ((1 + c.exp()) / 3))
        return kept - (tanh(a.new_memory) - 1 / (2 + a.alpha.abs()))

    def readout(self, c: Tensor) -> Tensor:
        return torch.relu(c) - -torch.clamp(c, -0.1, 0.1)


class Mixing(LSTM):
    pointwise = False


JANET = {"coupled": "forget", "coupling_shift": 1.0, "output_gate": False, "output_activation": "identity"}
CELLS = {
    "LSTM": LSTM(),
    "no input gate": LSTM(input_gate=False),
    "coupled": LSTM(coupled="input"),
    "JANET": LSTM(**JANET),  # type: ignore[arg-type]
    "peepholes": LSTM(peepholes=True),
    "gate recurrence": LSTM(gate_recurrence=True),
    "1997": LSTM(forget_gate=False, candidate_activation="tanh_1997", output_activation="tanh_1997"),
    "reset before": ResetBefore(),
    "reset after": ResetAfter(),
    "stabilized": Stabilized(),
    "odd": Odd(),
    **{name: getattr(cells, name)() for name in ("GRU", "GRU2014", "MGU", "UGRNN", "RAN", "MinGRU", "MinLSTM")},
}


def lines(cell: Cell, **settings: bool) -> list[str]:
    return [text(tree) for tree in formula(cell, **settings)]


def test_the_lstm_has_the_six_equations_of_a_textbook() -> None:
    assert lines(LSTM()) == [
        "i_t = σ(W_i x_t + U_i h_{t−1} + b_i)",
        "f_t = σ(W_f x_t + U_f h_{t−1} + b_f)",
        "c̃_t = tanh(W_c x_t + U_c h_{t−1} + b_c)",
        "c_t = f_t ∘ c_{t−1} + i_t ∘ c̃_t",
        "o_t = σ(W_o x_t + U_o h_{t−1} + b_o)",
        "h_t = o_t ∘ tanh(c_t)",
    ]
    assert [latex(tree) for tree in formula(LSTM())] == [
        r"i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)",
        r"f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)",
        r"\tilde{c}_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)",
        r"c_t = f_t \circ c_{t-1} + i_t \circ \tilde{c}_t",
        r"o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o)",
        r"h_t = o_t \circ \tanh(c_t)",
    ]


def test_a_variant_differs_in_its_own_lines() -> None:
    plain = set(lines(LSTM()))
    differing = {name: [line for line in lines(cell) if line not in plain] for name, cell in CELLS.items()}
    assert differing["no input gate"] == ["c_t = f_t ∘ c_{t−1} + c̃_t"]
    assert differing["coupled"] == ["f_t = 1 − i_t"]
    assert differing["JANET"] == [
        "a_{f,t} = W_f x_t + U_f h_{t−1} + b_f",
        "i_t = 1 − σ(a_{f,t} − 1)",
        "f_t = σ(a_{f,t})",
        "h_t = c_t",
    ]
    assert differing["peepholes"] == [
        "i_t = σ(W_i x_t + U_i h_{t−1} + b_i + p_i ∘ c_{t−1})",
        "f_t = σ(W_f x_t + U_f h_{t−1} + b_f + p_f ∘ c_{t−1})",
        "o_t = σ(W_o x_t + U_o h_{t−1} + b_o + p_o ∘ c_t)",
    ]
    assert differing["gate recurrence"][0] == (
        "i_t = σ(W_i x_t + U_i h_{t−1} + V_{i,i} i_{t−1} + V_{i,f} f_{t−1} + V_{i,o} o_{t−1} + b_i)"
    )
    assert differing["1997"] == [
        "c̃_t = 2 tanh((W_c x_t + U_c h_{t−1} + b_c) / 2)",
        "c_t = c_{t−1} + i_t ∘ c̃_t",
        "h_t = o_t ∘ tanh(c_t / 2)",
    ]
    assert latex(formula(CELLS["1997"])[-1]) == r"h_t = o_t \circ \tanh\left(\frac{c_t}{2}\right)"


def test_layer_norm_is_written_where_it_acts() -> None:
    shown = lines(LSTM(), layer_norm=True)
    assert shown[0] == "i_t = σ(LN_i(W x_t) + LN_i(U h_{t−1}) + b_i)"
    assert shown[-1] == "h_t = o_t ∘ tanh(LN(c_t))"


def test_gates_apart_and_gates_that_see_an_inner_value() -> None:
    assert lines(ResetAfter())[2:] == [
        "h̃_t = tanh(W_h x_t + b_h + r_t ∘ (U_h h_{t−1} + b′_h))",
        "h_t = (1 − z_t) ∘ h̃_t + z_t ∘ h_{t−1}",
    ]
    assert lines(ResetBefore()) == [
        "r_t = σ(W_r x_t + U_r h_{t−1} + b_r)",
        "z_t = σ(W_z x_t + U_z h_{t−1} + b_z)",
        "h̃_t = tanh(W_h x_t + U_h (r_t ∘ h_{t−1}) + b_h)",
        "h_t = z_t ∘ h_{t−1} + (1 − z_t) ∘ h̃_t",
    ]


def test_a_cell_may_choose_its_symbols() -> None:
    shown = formula(Stabilized())
    assert "z_t = tanh(W_z x_t + U_z h_{t−1} + b_z)" in map(text, shown)
    assert r"\bar{f}_t = \log(\sigma(W_f x_t + U_f h_{t-1} + b_f))" in map(latex, shown)

    class Wrong(LSTM):
        symbols = {"candidate": r"\frac{c}{2}"}  # noqa: RUF012

    with pytest.raises(CellError, match=r"symbols\['candidate'\].* is no symbol"):
        formula(Wrong())


def test_values_with_the_same_letter_are_distinguishable() -> None:
    class Clashing(Cell):
        gates = ("input", "x")
        states = ("i", "z")

        def update(self, a: Any, i: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
            input_gate = sigmoid(a.input)
            update_gate = sigmoid(a.x)
            return input_gate * i, update_gate * z

        def readout(self, i: Tensor, z: Tensor) -> Tensor:
            return i * z

    assert lines(Clashing())[:2] == [
        "input_t = σ(W_input x_t + U_input h_{t−1} + b_input)",
        "update_t = σ(W_x x_t + U_x h_{t−1} + b_x)",
    ]


def test_what_cannot_be_written_out_is_outlined() -> None:
    class Long(Cell):
        gates = ("candidate",)

        def update(self, a: Any, c: Tensor) -> Tensor:
            value = a.candidate
            for _ in range(40):
                value = value * tanh(value + c)
            return value

        def readout(self, c: Tensor) -> Tensor:
            return c

    assert lines(Long()) == ["a_t = W x_t + U h_{t−1} + b", "c_t = update(a_t, c_{t−1})", "h_t = readout(c_t)"]
    assert lines(Mixing())[-2:] == ["c_t = update(a_t, c_{t−1}, p)", "h_t = readout(a_t, c_t, p)"]


@pytest.mark.parametrize("name", CELLS)
def test_the_text_evaluates_to_the_numbers_of_the_cell(name: str) -> None:
    cell = CELLS[name]
    torch.manual_seed(1)
    layers = Recurrent(cell, 2, H, batch_first=True, dtype=torch.float64)
    weights = layers.weights(0)
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    state = [torch.rand(1, H, dtype=torch.float64) for _ in cell.state_names]
    with torch.no_grad():
        expected, _ = trace_layer(x, state, weights, cell, None, Noise())
        values = {f"{key}_{{t−1}}": part[0] for key, part in zip(cell.state_names, state, strict=True)}
        values |= {f"{key}_{{t−1}}": torch.zeros(H, dtype=torch.float64) for key in ("i", "f", "o")}
        values |= named_weights(cell, layers)
        for t in range(x.shape[1]):
            values["x_t"] = x[0, t]
            for line in lines(cell):
                left, _, right = line.partition(" = ")
                values[left] = Reader(right, values).value()
            for key in cell.state_names:
                torch.testing.assert_close(values[f"{key}_t"], expected[key][0, t], rtol=1e-12, atol=1e-12)
            values |= {key.replace("_t", "_{t−1}"): value for key, value in values.items() if key.endswith("_t")}


def named_weights(cell: Cell, layers: Recurrent) -> dict[str, Tensor]:
    """The parameters under the symbols of the formulas, whose letters are given here a second time."""
    letters = {"input": "i", "forget": "f", "output": "o", "reset": "r", "update": "z", "leak": "leak", "alpha": "α"}
    candidate = "z" if isinstance(cell, Stabilized) else "h" if cell.states == ("h",) else "c"
    letters |= {"candidate": candidate, "new_memory": "{new-memory}"}
    found: dict[str, Tensor] = {}
    x_only = torch.empty(0)  # in place of what a cell without recurrent product has not

    def rows(parameter: str, gates: list[str], symbol: str) -> None:
        blocks = getattr(layers, f"{parameter}_l0", x_only).split(H)
        for gate, block in zip(gates, blocks, strict=False):
            key = f"{symbol}_{letters[gate]}"
            found[key] = found.get(key, 0) + block

    from_x = [gate for gate, seen in cell.sees.items() if seen != "h"]
    from_h = [gate for gate, seen in cell.sees.items() if seen != "x"]
    apart = [gate for gate, seen in cell.sees.items() if seen == "x, h"]
    rows("weight_ih", from_x, "W")
    rows("weight_hh", from_h, "U")
    rows("bias_ih", from_x, "b")
    hidden_bias = getattr(layers, "bias_hh_l0", x_only).split(H)
    for gate, block in zip(from_h, hidden_bias, strict=False):
        key = f"{'b′' if gate in apart else 'b'}_{letters[gate]}"
        found[key] = found.get(key, 0) + block
    if isinstance(cell, Odd):
        found |= {"d_leak": layers.get_parameter("weight_decay_l0"), "u": layers.get_parameter("weight_own_l0")}
    elif cell.vectors:
        rows("weight_peephole", list(cell.vectors["peephole"]), "p")
    if cell.recurrent:
        for seeing, block in zip(cell.recurrent_gates, layers.get_parameter("weight_gates_l0").split(H), strict=True):
            for seen, part in zip("ifo", block.split(H, 1), strict=True):
                found[f"V_{{{letters[seeing]},{seen}}}"] = part
    return found


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "σ": sigmoid,
    "tanh": tanh,
    "exp": torch.exp,
    "log": torch.log,
    "max": torch.maximum,
    "min": torch.minimum,
    "relu": torch.relu,
    "abs": torch.abs,
    "clamp": lambda x, low, high: x.clamp(float(low), float(high)),
    "where": torch.where,
}


class Reader:
    """A little calculator for the plain text: sums over products over juxtaposition over powers."""

    def __init__(self, written: str, values: dict[str, Tensor]) -> None:
        self.tokens = re.findall(r"[^\W\d][\w\u0300-\u036f′]*(?:_?\{[^}]*\})?|[\d.]+|\S", written)
        self.values = values

    def take(self) -> str:
        return self.tokens.pop(0)

    def next_is(self, *signs: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in signs

    def value(self) -> Any:
        left = self.sum()
        if self.next_is(">"):
            self.take()
            return left > self.sum()
        return left

    def sum(self) -> Any:
        negative = self.next_is("−") and self.take()
        total = -self.product() if negative else self.product()
        while self.next_is("+", "−"):
            total = total + self.product() if self.take() == "+" else total - self.product()
        return total

    def product(self) -> Any:
        total = self.juxtaposed()
        while self.next_is("∘", "/"):
            total = total * self.juxtaposed() if self.take() == "∘" else total / self.juxtaposed()
        return total

    def juxtaposed(self) -> Any:
        total = self.power()
        while self.tokens and (self.tokens[0] == "(" or re.match(r"[\w]", self.tokens[0])):
            other = self.power()
            total = total @ other if getattr(total, "ndim", 0) == 2 else total * other
        return total

    def power(self) -> Any:
        base = self.atom()
        if self.next_is("^"):
            self.take()
            return base ** self.atom()
        return base

    def atom(self) -> Any:
        token = self.take()
        if token in FUNCTIONS:
            self.take()
            arguments = [self.value()]
            while self.take() == ",":
                arguments.append(self.value())
            return FUNCTIONS[token](*arguments)
        if token == "(":
            inside = self.value()
            self.take()
            return inside
        return torch.tensor(float(token), dtype=torch.float64) if token[0].isdigit() else self.values[token]
