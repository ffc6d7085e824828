"""The LSTM and its variants with gates taken away, coupled, peeping or seeing each other."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, sigmoid

from gatelab.annotations import Finite
from gatelab.recurrent.cell import Cell

Activation = Literal["tanh", "identity", "tanh_1997"]
CANDIDATE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "identity": lambda a: a,
    "tanh_1997": lambda a: 2 * torch.tanh(a / 2),
}
OUTPUT: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "identity": lambda c: c,
    "tanh_1997": lambda c: torch.tanh(c / 2),
}


class LSTM(Cell):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; the defaults are those of ``nn.LSTM``.

    input_gate, forget_gate, output_gate: without one, it is 1 (Greff et al. 2017: NIG, NFG, NOG).
    coupled: "input" learns the input gate and forgets f = 1 − i (Greff et al. 2017: CIFG); "forget" learns the forget gate
        and lets in i = 1 − σ(a_f − coupling_shift) (van der Westhuizen & Lasenby 2018).
    peepholes: the gates see the cell state (Gers & Schmidhuber 2000).
    gate_recurrence: the gates see the gates of the step before, which are 0 before the first (Greff et al. 2017: FGR).
    candidate_activation, output_activation: tanh, identity (Greff et al. 2017: NIAF, NOAF), or tanh_1997, the ranges of
        Hochreiter & Schmidhuber 1997: g(a) = 2 tanh(a/2) in [−2, 2] and h(C) = tanh(C/2) in [−1, 1].

    Raises ValueError for settings that contradict each other.
    """

    states = ("c",)

    def __init__(
        self,
        *,
        input_gate: bool = True,
        forget_gate: bool = True,
        output_gate: bool = True,
        coupled: Literal["input", "forget"] | None = None,
        coupling_shift: Finite = 0.0,
        peepholes: bool = False,
        gate_recurrence: bool = False,
        candidate_activation: Activation = "tanh",
        output_activation: Activation = "tanh",
    ) -> None:
        self.input_gate, self.forget_gate, self.output_gate = input_gate, forget_gate, output_gate
        self.coupled, self.coupling_shift = coupled, coupling_shift
        self.peepholes, self.gate_recurrence = peepholes, gate_recurrence
        self.candidate_activation, self.output_activation = candidate_activation, output_activation
        self.squash_candidate = pick("candidate_activation", candidate_activation, CANDIDATE)
        self.squash_output = pick("output_activation", output_activation, OUTPUT)
        if coupled not in (None, "input", "forget"):
            raise ValueError(f'coupled must be "input", "forget" or none at all, not {coupled}')
        for name, is_there in (("input_gate", input_gate), ("forget_gate", forget_gate)):
            if coupled and not is_there:
                raise ValueError(
                    f"coupled={coupled} ties the input and the forget gate, but {name}=false takes one away"
                )
        if coupling_shift and coupled != "forget":
            raise ValueError("coupling_shift belongs to coupled=forget: i = 1 − σ(a_f − coupling_shift)")
        has = {
            "input": input_gate and coupled != "forget",
            "forget": forget_gate and coupled != "input",
            "candidate": True,
            "output": output_gate,
        }
        self.gates = tuple(name for name, here in has.items() if here)
        learned = tuple(name for name in self.gates if name != "candidate")
        for name, wanted in (("peepholes", peepholes), ("gate_recurrence", gate_recurrence)):
            if wanted and not learned:
                raise ValueError(f"{name}=true needs a gate, but input_gate, forget_gate and output_gate are all false")
        self.vectors = {"peephole": learned} if peepholes else {}
        self.recurrent = tuple(f"{name}_gate" for name in learned) if gate_recurrence else ()
        self.recurrent_gates = learned if gate_recurrence else ()
        self.keeps = {"input": -1} if coupled == "input" else {"forget": 1} if forget_gate else {}

    def update(self, a: Any, c: Tensor, p: Any) -> Tensor:
        input_gate: Any = 1.0
        forget_gate: Any = 1.0
        if "input" in self.gates:
            input_gate = sigmoid(self.peeping("input", a, c, p))
        if "forget" in self.gates:
            forget_gate = sigmoid(self.peeping("forget", a, c, p))
        if self.coupled == "input":
            forget_gate = 1 - input_gate
        if self.coupled == "forget":
            input_gate = 1 - sigmoid(self.peeping("forget", a, c, p) - self.coupling_shift)
        candidate = self.squash_candidate(a.candidate)
        return forget_gate * c + input_gate * candidate

    def readout(self, a: Any, c: Tensor, p: Any) -> Tensor:
        output_gate = sigmoid(self.peeping("output", a, c, p)) if "output" in self.gates else 1.0
        return output_gate * self.squash_output(self.normalize(c))

    def peeping(self, gate: str, a: Any, c: Tensor, p: Any) -> Tensor:
        return getattr(a, gate) + getattr(p, gate) * c if self.peepholes else getattr(a, gate)


def pick(name: str, choice: str, functions: dict[str, Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    if choice not in functions:
        raise ValueError(f"{name} must be one of {', '.join(get_args(Activation))}, not {choice}")
    return functions[choice]
