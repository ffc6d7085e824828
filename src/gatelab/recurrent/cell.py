"""What a gate-level cell is made of: its gates, how its weights begin, and how it is regularised."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args

from annotated_types import Ge

from gatelab.annotations import Dropout

Activation = Literal["tanh", "identity", "tanh_1997"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A description of the cell; the defaults are the LSTM of ``nn.LSTM``.

    Gates (docs/gates.md has every equation):
        input_gate, forget_gate, output_gate: without one, it is 1 (Greff et al. 2017: NIG, NFG, NOG).
        coupled: "input" learns the input gate and forgets f = 1 − i (Greff et al. 2017: CIFG); "forget" learns the forget
            gate and lets in i = 1 − σ(a_f − coupling_shift) (van der Westhuizen & Lasenby 2018).
        peepholes: the gates see the cell state (Gers & Schmidhuber 2000).
        gate_recurrence: the gates see the gates of the step before, which are 0 before the first (Greff et al. 2017: FGR).
        candidate_activation, output_activation: tanh, identity (Greff et al. 2017: NIAF, NOAF), or tanh_1997, the ranges
            of Hochreiter & Schmidhuber 1997: g(a) = 2 tanh(a/2) in [−2, 2] and h(C) = tanh(C/2) in [−1, 1].
        layer_norm: of the input term, the recurrent term and the cell state (Ba et al. 2016), each over its
            whole vector, ε = 1e-5.

    Initial weights:
        forget_bias: of the forget gate (Gers et al. 2000; Jozefowicz et al. 2015). Where f = 1 − i, −forget_bias is the
            input gate's.
        chrono: the longest dependency in steps, T: b_f = log u with u uniform in [1, T − 1], and b_i = −b_f (Tallec &
            Ollivier 2018).
        orthogonal: the recurrent matrix of every gate.

    Regularisation, in training; probabilities in [0, 1):
        zoneout_hidden, zoneout_cell: that a unit keeps its last state (Krueger et al. 2017); in evaluation the
            states are mixed in these proportions.
        recurrent_dropout, input_dropout: of h_{t-1} and of the layer's input, one mask a row for all its steps (Gal &
            Ghahramani 2016, one mask for all gates).
        weight_drop: of single recurrent weights, one mask a forward pass (Merity et al. 2018).

    Raises ValueError for what is out of range or contradicts itself.
    """

    input_gate: bool = True
    forget_gate: bool = True
    output_gate: bool = True
    coupled: Literal["input", "forget"] | None = None
    coupling_shift: float = 0.0
    peepholes: bool = False
    gate_recurrence: bool = False
    candidate_activation: Activation = "tanh"
    output_activation: Activation = "tanh"
    layer_norm: bool = False
    forget_bias: float | None = None
    chrono: Annotated[int, Ge(3)] | None = None
    orthogonal: bool = False
    zoneout_hidden: Dropout = 0.0
    zoneout_cell: Dropout = 0.0
    recurrent_dropout: Dropout = 0.0
    input_dropout: Dropout = 0.0
    weight_drop: Dropout = 0.0

    def __post_init__(self) -> None:
        for name in ("candidate_activation", "output_activation"):
            if getattr(self, name) not in get_args(Activation):
                raise ValueError(f"{name} must be one of {', '.join(get_args(Activation))}, not {getattr(self, name)}")
        for name in ("zoneout_hidden", "zoneout_cell", "recurrent_dropout", "input_dropout", "weight_drop"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.coupled not in (None, "input", "forget"):
            raise ValueError(f'coupled must be "input", "forget" or none at all, not {self.coupled}')
        for name in ("input_gate", "forget_gate"):
            if self.coupled and not getattr(self, name):
                raise ValueError(
                    f"coupled={self.coupled} ties the input and the forget gate, but {name}=false takes one away"
                )
        if self.coupling_shift and self.coupled != "forget":
            raise ValueError("coupling_shift belongs to coupled=forget: i = 1 − σ(a_f − coupling_shift)")
        if not self.learned_gates:
            for name in ("peepholes", "gate_recurrence"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name}=true needs a gate, but input_gate, forget_gate and output_gate are all false"
                    )
        if self.forget_bias is not None and self.chrono is not None:
            raise ValueError("forget_bias and chrono both set the forget gate's bias: leave one out")
        if self.chrono is not None and self.chrono < 3:
            raise ValueError(f"chrono is the longest dependency in steps, at least 3, not {self.chrono}")
        for name in ("forget_bias", "chrono"):
            if getattr(self, name) is not None and not self.forget_gate:
                raise ValueError(f"{name} sets the bias of the forget gate, which forget_gate=false takes away")

    @property
    def learned(self) -> tuple[str, ...]:
        """What has weights, in the order of their rows: that of ``nn.LSTM``."""
        present = {
            "input": self.input_gate and self.coupled != "forget",
            "forget": self.forget_gate and self.coupled != "input",
            "candidate": True,
            "output": self.output_gate,
        }
        return tuple(name for name, here in present.items() if here)

    @property
    def learned_gates(self) -> tuple[str, ...]:
        return tuple(name for name in self.learned if name != "candidate")

    @property
    def extras(self) -> list[str]:
        """The settings that make a step other than that of ``nn.LSTM``, as "name=value"."""
        harmless = {"forget_bias", "chrono", "orthogonal", "input_dropout", "weight_drop"}
        return [
            f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if field.name not in harmless and getattr(self, field.name) != field.default
        ]
