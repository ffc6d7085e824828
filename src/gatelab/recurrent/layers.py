"""Layers and directions of a cell as one module. B batch, T time, E embedding, H hidden, D = H × directions.

Parameters have torch's names and shapes, rows in the order of the cell's gates; those of a ``GatedLSTM`` are those of
``nn.LSTM`` (input, forget, candidate, output): a state_dict of either loads into the other. A cell without one of the gates
has no rows for it.
"""

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, get_args

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gatelab.annotations import Count, Dropout, Finite, Layers
from gatelab.errors import BackendError
from gatelab.recurrent import cuda, engine, equations, native
from gatelab.recurrent.c_source import compile_plan
from gatelab.recurrent.cell import INNER, Cell, GateWeights, H, X, check_names
from gatelab.recurrent.cells.lstm import LSTM
from gatelab.recurrent.compiler import build_plan
from gatelab.recurrent.emit import Calls
from gatelab.recurrent.operations import Unsupported
from gatelab.recurrent.plan import Plan
from gatelab.recurrent.ragged import StepOrder, reverse_valid
from gatelab.recurrent.state import LateState, stack_states
from gatelab.recurrent.weights import Noise, Weights

Backend = Literal["auto", "equations", "fused", "compiled", "native"]
NOISE = ("zoneout_hidden", "zoneout_cell", "recurrent_dropout", "input_dropout", "weight_drop")


class Recurrent(nn.Module):
    """A stack of layers of any ``Cell``, with the arguments and results of ``nn.LSTM``, ragged batches without packing.

    backend: how the same numbers are computed.
        equations   step by step as in a textbook; does everything, anywhere, double backward included
        fused       one function with its own backward pass; pointwise cells, on the CPU, and on CUDA in Triton kernels
        compiled    fused, with the pointwise part of a step in C, by the compiler of this machine (cc, or what CC names)
        native      torch's own kernel; the plain LSTM only, in the dtypes that it can do on this machine
        auto        the fastest of them that is exact for what is asked
    dropout acts on the outputs of every layer but the last, in training.

    layer_norm: of the input term, the recurrent term and what the cell says with ``normalize`` (Ba et al. 2016), each over its
        whole vector, ε = 1e-5.

    Initial weights, for cells with a gate that keeps the state (``Cell.keeps``):
        forget_bias: of that gate (Gers et al. 2000; Jozefowicz et al. 2015); where a shut gate keeps, its negative.
        chrono: the longest dependency in steps, T: the bias is log u with u uniform in [1, T − 1], and −log u that of the
            gate that lets in (Tallec & Ollivier 2018).
        orthogonal: the recurrent matrix of every gate.

    Regularisation, in training; probabilities in [0, 1):
        zoneout_hidden, zoneout_cell: that a unit keeps its last state (Krueger et al. 2017); in evaluation the states are
            mixed in these proportions.
        recurrent_dropout, input_dropout: of h_{t-1} and of the layer's input, one mask a row for all its steps (Gal &
            Ghahramani 2016, one mask for all gates).
        weight_drop: of single recurrent weights, one mask a forward pass (Merity et al. 2018).

    Raises ValueError for sizes below 1, what is out of range and what the cell has no gate or state for; CellError, a
    ValueError, for equations that cannot be computed; BackendError for a backend that cannot compute it.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: Count,
        num_layers: Layers = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: Dropout = 0.0,
        bidirectional: bool = False,
        *,
        backend: Backend = "auto",
        layer_norm: bool = False,
        forget_bias: Finite | None = None,
        chrono: Annotated[int, Ge(3), Lt(2**31)] | None = None,
        orthogonal: bool = False,
        zoneout_hidden: Dropout = 0.0,
        zoneout_cell: Dropout = 0.0,
        recurrent_dropout: Dropout = 0.0,
        input_dropout: Dropout = 0.0,
        weight_drop: Dropout = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, not {size}")
        self.cell, self.layer_norm, self.orthogonal = cell, layer_norm, orthogonal
        self.forget_bias, self.chrono = None if forget_bias is None else float(forget_bias), chrono
        self.zoneout_hidden, self.zoneout_cell = zoneout_hidden, zoneout_cell
        self.recurrent_dropout, self.input_dropout, self.weight_drop = recurrent_dropout, input_dropout, weight_drop
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.backend = bias, batch_first, bidirectional, backend
        for name, value in [("dropout", dropout), *((name, getattr(self, name)) for name in NOISE)]:
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {value}")
        self._check_settings()
        self.dropout = nn.Dropout(dropout)
        self.directions = ("", "_reverse") if bidirectional else ("",)
        self.plan: Plan | None = self._plan()
        check_backend(backend, self)
        for layer in range(num_layers):
            layer_input = input_size if layer == 0 else hidden_size * len(self.directions)
            for direction in self.directions:
                for name, shape in self._shapes(layer_input).items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_l{layer}{direction}", parameter)
        self.reset_parameters()

    def _check_settings(self) -> None:
        cell, kind = self.cell, type(self.cell).__name__
        if self.forget_bias is not None and self.chrono is not None:
            raise ValueError("forget_bias and chrono both set the forget gate's bias: leave one out")
        if self.chrono is not None and self.chrono < 3:
            raise ValueError(f"chrono is the longest dependency in steps, at least 3, not {self.chrono}")
        for name in ("forget_bias", "chrono"):
            if getattr(self, name) is not None and not set(cell.keeps) & set(cell.sees):
                raise ValueError(f"{name} sets the bias of the forget gate, and {kind} has none that keeps its state")
            if getattr(self, name) is not None and not self.bias:
                raise ValueError("forget_bias and chrono set biases, but bias=False leaves none")
        if self.zoneout_cell and not cell.inner_states:
            raise ValueError(f"zoneout_cell keeps cell states, and {kind} has none but h: use zoneout_hidden")
        if self.layer_norm and INNER in cell.sees.values():
            raise ValueError(f"layer_norm normalises the recurrent term as one, and {kind} takes it in two products")
        for name in ("recurrent_dropout", "weight_drop", "orthogonal"):
            if getattr(self, name) and not self._from("h"):
                raise ValueError(f"{name} acts on the recurrent product, and no gate of {kind} sees h")

    def _plan(self) -> Plan | None:
        """What the engine runs; nothing for a cell that has to be computed step by step."""
        if not self.cell.pointwise:
            check_names(self.cell)
            return None
        return build_plan(
            self.cell,
            layer_norm=self.layer_norm,
            zoneout_hidden=bool(self.zoneout_hidden),
            zoneout_cell=bool(self.zoneout_cell),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "plan"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.plan = self._plan()

    def _from(self, source: Literal["x", "h"]) -> list[str]:
        """The gates that have rows in weight_ih or in weight_hh."""
        other = H if source == "x" else X
        return [gate for gate, seen in self.cell.sees.items() if seen != other]

    def _shapes(self, layer_input: int) -> dict[str, tuple[int, ...]]:
        H, cell = self.hidden_size, self.cell
        from_x, from_h = len(self._from("x")) * H, len(self._from("h")) * H
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (from_x, layer_input), "weight_hh": (from_h, H)}
        if self.bias:
            shapes |= {"bias_ih": (from_x,), "bias_hh": (from_h,)}
        shapes |= {f"weight_{name}": (len(names) * H,) for name, names in cell.vectors.items() if names}
        if cell.recurrent:
            shapes["weight_gates"] = (len(cell.recurrent_gates) * H, len(cell.recurrent) * H)
        if self.layer_norm:
            shapes |= {"norm_ih": (from_x,), "norm_hh": (from_h,)}
            if self.plan.norms if self.plan else "h" not in cell.states:
                shapes["norm_cell"] = (2, H)
        return {name: shape for name, shape in shapes.items() if shape[0]}

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Uniform in ±1/√H, as ``nn.LSTM`` does, and from the same draws for the same seed; then what the cell and the
        settings ask for."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if not name.startswith("norm_"):
                nn.init.uniform_(parameter, -bound, bound)
            elif name.startswith("norm_cell"):
                nn.init.ones_(parameter.data[0])
                nn.init.zeros_(parameter.data[1])
            else:
                nn.init.ones_(parameter)
        for suffix in self._suffixes():
            self._initialize(suffix)

    def _initialize(self, suffix: str) -> None:
        def by_name(name: str, keys: Iterable[str]) -> dict[str, Tensor]:
            rows = getattr(self, name + suffix, None)
            return {} if rows is None else dict(zip(keys, rows.data.split(self.hidden_size), strict=True))

        from_x, from_h = self._from("x"), self._from("h")
        biases, others = by_name("bias_ih", from_x), by_name("bias_hh", from_h)
        recurrent = by_name("weight_hh", from_h)
        vectors = {
            key: value
            for name, keys in self.cell.vectors.items()
            for key, value in by_name(f"weight_{name}", keys).items()
        }
        if self.orthogonal:
            for block in recurrent.values():
                nn.init.orthogonal_(block)
        self.cell.initialize(
            GateWeights(by_name("weight_ih", from_x), recurrent, {**others, **biases}, vectors, others)
        )
        wanted: dict[str, Tensor] = {}
        like = next(iter(biases.values()), None)
        if like is not None and self.chrono is not None:
            log_u = torch.empty_like(like).uniform_(1, self.chrono - 1).log()
            wanted = {name: sign * log_u for name, sign in self.cell.keeps.items()}
            wanted |= {name: -sign * log_u for name, sign in self.cell.writes.items() if name not in wanted}
        elif like is not None and self.forget_bias is not None:
            wanted = {name: torch.full_like(like, sign * self.forget_bias) for name, sign in self.cell.keeps.items()}
        for name, value in wanted.items():
            if name in self.cell.sees:
                ({**others, **biases})[name].copy_(value)
                if name in others and name in biases:
                    others[name].zero_()

    def _suffixes(self) -> list[str]:
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in self.directions]

    def weights(self, layer: int, direction: str = "") -> Weights:
        """The weights of one layer and direction ("" or "_reverse"), dropped ones at 0 in training."""
        suffix = f"_l{layer}{direction}"

        def find(name: str) -> Any:
            return getattr(self, name + suffix, None)

        W, U = find("weight_ih"), self._recurrent_weight(suffix)
        vectors = [find(f"weight_{name}") for name, names in self.cell.vectors.items() if names]
        return Weights(
            W,
            W.new_zeros(0, self.hidden_size) if U is None else U,
            find("bias_ih"),
            find("bias_hh"),
            None if not vectors else vectors[0] if len(vectors) == 1 else torch.cat(vectors),
            find("weight_gates"),
            find("norm_ih"),
            find("norm_hh"),
            find("norm_cell"),
        )

    @property
    def _any_weight(self) -> Tensor:
        return next(self.parameters())

    def forward(
        self, input: Tensor | PackedSequence, hx: Sequence[Tensor] | None = None, lengths: Tensor | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Run the layers over input (T, B, E), (B, T, E) with ``batch_first``, (T, E), or a PackedSequence.

        hx: the initial states in the order of ``Cell.state_names``, (h_0, c_0) of an LSTM, each (layers × directions, B, H);
        ``Cell.initial`` or zeros without it. lengths (B,): the valid steps of each row, 0 to T, padding on the right; all without it.

        Returns (output, (h_n, c_n)): the last layer's hidden states, (T, B, D) or (B, T, D), zero past a row's end, and the
        states after each row's last valid step, each (layers × directions, B, H). The same as a packed ``nn.LSTM``; a
        PackedSequence comes out where one went in.

        Raises ValueError for shapes that do not fit, and where backend cannot compute what is asked.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() == 2:
            hx = None if hx is None else [part[:, None] for part in hx]
            output, final = self(input[None] if self.batch_first else input[:, None], hx)
            return output.squeeze(0 if self.batch_first else 1), tuple(part[:, 0] for part in final)
        if input.dim() != 3:
            raise ValueError(f"the input has two or three dimensions (time, batch and features), not {input.dim()}")
        x = input if self.batch_first else input.transpose(0, 1)  # (B, T, E)
        lengths = self._check(x, lengths)
        x, finals, _ = self._run(x, hx, lengths, self._choose(x, ragged=lengths is not None, finals=True))
        return (x if self.batch_first else x.transpose(0, 1)), stack_states(finals)

    def states(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states (B, T, D) without the final ones, for x (B, T, E); past a row's end they mean nothing.

        The plain LSTM runs in torch's own kernel even on ragged batches, which cannot give their final cell states.
        """
        return self.states_and_final(x, None, lengths)[0]

    def states_and_final(
        self, x: Tensor, hx: Sequence[Tensor] | None, lengths: Tensor | None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """``states`` from hx, and (h_n, c_n) as ``forward`` has them, computed when they are first looked at."""
        lengths = self._check(x, lengths)
        backend = self._choose(x, ragged=lengths is not None, finals=False)
        states, finals, _ = self._run(x, hx, lengths, backend)
        return states, LateState(partial(stack_states, finals))

    def trace(self, input: Tensor, hx: Sequence[Tensor] | None = None, lengths: Tensor | None = None) -> dict[str, Any]:
        """All that the equations call by a name, and the states, by layer and direction: {"l0": Step, "l0_reverse": Step, …}.

        Arguments as in ``forward``; each field of a Step, such as ``forget_gate``, ``cell`` and ``hidden``, has the output's
        layout, (T, B, H) or (B, T, H) with ``batch_first``, in the order of the input, zero past a row's end. Always computed
        by the equations, so it is the same for every backend.
        """
        x = input if self.batch_first else input.transpose(0, 1)
        _, _, traces = self._run(x, hx, self._check(x, lengths), "equations", named=True)
        if not self.batch_first:
            traces = {name: {key: part.transpose(0, 1) for key, part in step.items()} for name, step in traces.items()}
        return {name: equations.as_trace(step) for name, step in traces.items()}

    def _forward_packed(
        self, packed: PackedSequence, hx: Sequence[Tensor] | None
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        x, lengths = pad_packed_sequence(packed, batch_first=True)
        self._check(x, lengths)
        backend = self._choose(x, ragged=True, finals=True)
        x, finals, _ = self._run(x, hx, lengths.to(x.device), backend)
        final = stack_states(finals)
        if packed.sorted_indices is not None:
            x, lengths = x[packed.sorted_indices], lengths[packed.sorted_indices.cpu()]
        data = pack_padded_sequence(x, lengths, batch_first=True).data
        return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices), final

    def _check(self, x: Tensor, lengths: Tensor | None) -> Tensor | None:
        """The lengths, or None where every row is full. Raises ValueError for what does not fit x (B, T, E)."""
        B, T, E = x.shape
        if self.input_size != E:
            raise ValueError(f"the input has {E} features a step, but input_size is {self.input_size}")
        if lengths is None:
            return None
        if lengths.shape != (B,):
            raise ValueError(f"lengths must be {B} numbers from 0 to {T}, one a row, not {tuple(lengths.shape)}")
        if lengths.device.type != "cpu" or not B:  # elsewhere a look would wait for the device
            return lengths
        shortest, longest = (int(bound) for bound in lengths.aminmax())
        if shortest < 0 or longest > T:
            raise ValueError(f"lengths must be {B} numbers from 0 to {T}, one a row; they are {lengths.tolist()}")
        return None if shortest == T else lengths

    def _choose(self, x: Tensor, ragged: bool, finals: bool) -> str:
        """The backend for this input; see the class."""
        fused = self.backend in ("fused", "compiled")
        if fused and x.device.type == "cuda":
            return "kernels"  # or equations, where they cannot
        no_fused = "" if x.device.type == "cpu" else f"runs on the CPU and on CUDA, and the input is on {x.device}"
        if fused and no_fused:
            raise BackendError(f"backend={self.backend} {no_fused}: use backend=auto or equations")
        if fused or self.backend == "equations":
            return "fused" if fused else "equations"
        no_native = "; ".join(self.extras) or ("the final cell states of a ragged batch" if ragged and finals else "")
        if self.backend == "native" and no_native:
            raise BackendError(
                f"backend=native cannot give {no_native}: use backend=auto, or states() for the outputs only"
            )
        other = "equations" if no_fused or self.plan is None else "fused"
        if not no_native:
            problem = native.find_problem("lstm", self.get_parameter("weight_hh_l0"))
            if problem is None:
                return "native"
            if self.backend == "native":
                raise BackendError(f"backend=native: {problem}: use backend=auto")
            native.warn_of_other(problem, f"backend={other}")
        return other

    def _run(
        self, x: Tensor, hx: Sequence[Tensor] | None, lengths: Tensor | None, backend: str, named: bool = False
    ) -> tuple[Tensor, list[Sequence[Tensor]], dict[str, dict[str, Tensor]]]:
        """x (B, T, E) → the last layer's states (B, T, D), the final states a layer and direction, and the traces."""
        B, T, _ = x.shape
        count = self.num_layers * len(self.directions)
        names = self.cell.state_names
        if hx is None:
            sizes = (count, B, self.hidden_size)
            hx = [self._any_weight.new_full(sizes, self.cell.initial.get(name, 0.0)) for name in names]
        for name, part in zip(names, hx, strict=True):
            if part.shape != (count, B, self.hidden_size):
                raise ValueError(f"{name}_0 must be {(count, B, self.hidden_size)}, not {tuple(part.shape)}")
        orders = {
            direction: StepOrder(B, T, lengths, x.device, bool(direction)) for direction in self.directions
            if backend == "fused"
        }  # fmt: skip
        finals: list[Sequence[Tensor]] = []
        traces: dict[str, dict[str, Tensor]] = {}
        for layer in range(self.num_layers):
            if layer:
                x = self.dropout(x)
            if self.input_dropout:
                x = F.dropout1d(x.transpose(1, 2), self.input_dropout, self.training).transpose(1, 2)
            outputs = []
            for direction in self.directions:
                before = [part[len(finals)] for part in hx]
                final: Sequence[Tensor]
                if backend == "native":
                    walked = reverse_valid(x, lengths) if direction else x
                    h, c = before
                    parameters = self._kernel_weights(layer, direction)
                    states, final = native.run_layer(walked, h, c, parameters, self.training)
                    if lengths is not None:
                        final = LateState(partial(native.row_ends, walked, h, c, parameters, lengths, final))
                    states = reverse_valid(states, lengths) if direction else states
                elif backend == "fused":
                    assert self.plan is not None
                    weights, noise = self.weights(layer, direction), self._noise(x)
                    calls = self._calls(self.plan)
                    states, final = engine.run_layer(x, before, weights, self.plan, calls, orders[direction], noise)
                else:
                    walked = reverse_valid(x, lengths) if direction else x
                    weights, noise = self.weights(layer, direction), self._noise(x)
                    done = self._kernels(walked, before, weights, lengths, noise) if backend == "kernels" else None
                    if done is None:
                        trace, final = equations.trace_layer(walked, before, weights, self.cell, lengths, noise, named)
                        if direction:
                            trace = {name: reverse_valid(part, lengths) for name, part in trace.items()}
                        traces[f"l{layer}{direction}"], states = trace, trace["h"]
                    else:
                        states, final = done
                        states = reverse_valid(states, lengths) if direction else states
                outputs.append(states)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)  # (B, T, D)
        return x, finals, traces

    def _kernels(
        self, x: Tensor, state: Sequence[Tensor], weights: Weights, lengths: Tensor | None, noise: Noise
    ) -> tuple[Tensor, tuple[Tensor, ...]] | None:
        """The CUDA kernels' states (B, T, H) and the final ones, or with one warning nothing where they cannot."""
        try:
            assert self.plan is not None
            cuda.check(weights.U)
            return cuda.run_layer(x, state, weights, self.plan, lengths, noise)
        except cuda.Unsupported as problem:
            cuda.warn_of_equations(str(problem))
            return None

    def _calls(self, plan: Plan) -> Calls:
        """Of a step on the CPU: compiled where that is asked for, or with one warning torch's where this machine cannot."""
        dtype = self._any_weight.dtype
        if self.backend != "compiled":
            return plan.calls
        if dtype not in plan.compiled:
            try:
                plan.compiled[dtype] = compile_plan(plan, dtype)
            except Unsupported as problem:
                native.warn_of_other(f"backend=compiled {problem}", "backend=fused")
                plan.compiled[dtype] = plan.calls
        return plan.compiled[dtype]

    def _recurrent_weight(self, suffix: str) -> Any:
        U = getattr(self, f"weight_hh{suffix}", None)
        return F.dropout(U, self.weight_drop, self.training) if self.weight_drop and U is not None else U

    def _kernel_weights(self, layer: int, direction: str) -> list[Tensor]:
        """W, U and the two biases as torch's kernel wants them."""
        suffix = f"_l{layer}{direction}"
        biases = [self.get_parameter(name + suffix) for name in ("bias_ih", "bias_hh") if self.bias]
        return [self.get_parameter(f"weight_ih{suffix}"), self._recurrent_weight(suffix), *biases]

    def _noise(self, x: Tensor) -> Noise:
        """Drawn a layer and direction; in evaluation zoneout mixes in its proportions."""
        (B, T, _), H, weight = x.shape, self.hidden_size, self._any_weight

        def keep(fraction: float) -> Tensor | None:
            if not fraction:
                return None
            if not self.training:
                return weight.new_full((B, T, H), fraction)
            return torch.rand(B, T, H, device=x.device).lt(fraction).to(weight.dtype)  # much faster than bernoulli_

        mask = None
        if self.training and self.recurrent_dropout:
            mask = F.dropout(weight.new_ones(B, H), self.recurrent_dropout)
        return Noise(mask, keep(self.zoneout_hidden), keep(self.zoneout_cell))

    @property
    def extras(self) -> list[str]:
        """What makes a step other than that of ``nn.LSTM``, as "name=value"."""
        own = [f"{name}={value}" for name, value in self.cell.settings.items()]
        if type(self.cell) is not LSTM:
            own = [f"cell={type(self.cell).__name__}", *own]
        layer = ("layer_norm", "zoneout_hidden", "zoneout_cell", "recurrent_dropout")
        return own + [f"{name}={getattr(self, name)}" for name in layer if getattr(self, name)]

    def extra_repr(self) -> str:
        words = [str(self.input_size), str(self.hidden_size), f"num_layers={self.num_layers}"]
        words += [f"bidirectional={self.bidirectional}", f"backend={self.backend}", *self.extras]
        return ", ".join(words)


class GatedLSTM(Recurrent):
    """``nn.LSTM`` with open gates: its arguments, weights and results, and any setting of ``cells.LSTM`` and ``Recurrent``
    by keyword: GatedLSTM(100, 128, peepholes=True, forget_bias=1.0).
    """

    cell: LSTM

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **settings: Any,
    ) -> None:
        cell, others = lstm_of(settings)
        super().__init__(cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, **others)

    @classmethod
    def from_torch(cls, lstm: nn.LSTM, backend: Backend = "auto") -> "GatedLSTM":
        """A gate-level copy of a trained ``nn.LSTM``, to look into. Raises ValueError for projections."""
        if lstm.proj_size:
            raise ValueError(f"an nn.LSTM with proj_size={lstm.proj_size} has no gate-level counterpart")
        weight = lstm.get_parameter("weight_ih_l0")
        gated = cls(
            lstm.input_size, lstm.hidden_size, lstm.num_layers, lstm.bias, lstm.batch_first, lstm.dropout,
            lstm.bidirectional, backend=backend, device=weight.device, dtype=weight.dtype,
        )  # fmt: skip
        gated.load_state_dict(lstm.state_dict())
        return gated.train(lstm.training)


def lstm_of(settings: Mapping[str, Any]) -> tuple[LSTM, dict[str, Any]]:
    """The cell of a ``GatedLSTM``, and the settings that are not its own."""
    own = inspect.signature(LSTM).parameters
    others = {name: value for name, value in settings.items() if name not in own}
    return LSTM(**{name: value for name, value in settings.items() if name in own}), others


def check_backend(backend: str, layers: Recurrent) -> None:
    """Raises BackendError for a backend that does not exist or cannot compute the cell anywhere."""
    if backend not in get_args(Backend):
        raise BackendError(f"backend must be one of {', '.join(get_args(Backend))}, not {backend}")
    if backend == "native" and layers.extras:
        raise BackendError(
            f"backend=native is torch's own LSTM kernel, which cannot do {', '.join(layers.extras)}: "
            "use backend=fused or auto"
        )
    if backend in ("fused", "compiled") and layers.plan is None:
        raise BackendError(
            f"backend={backend} computes pointwise cells, and {type(layers.cell).__name__} is none: use backend=auto or equations"
        )
