"""The gate-level LSTM as a module. B batch, T time, E embedding, H hidden, D = H × directions.

Parameters have the names, shapes and gate order (input, forget, candidate, output) of ``nn.LSTM``: a state_dict of
either loads into the other. A cell without one of the gates has no rows for it.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gatelab.errors import BackendError
from gatelab.recurrent import cuda, equations, fused, native
from gatelab.recurrent.cell import Cell
from gatelab.recurrent.equations import Noise, State, Step, Weights
from gatelab.recurrent.initialize import initialize_
from gatelab.recurrent.ragged import StepOrder, reverse_valid
from gatelab.recurrent.state import LateState, stack_states

Backend = Literal["auto", "equations", "fused", "native"]


class GatedLSTM(nn.Module):
    """``nn.LSTM`` with open gates: its arguments, weights and results, ragged batches without packing, any ``Cell``.

    backend: how the same numbers are computed.
        equations   step by step as in a textbook; does everything, anywhere, double backward included
        fused       one function with its own backward pass; every cell, on the CPU, and on CUDA in Triton kernels
        native      torch's own kernel; the plain LSTM only, in the dtypes that it can do on this machine
        auto        the fastest of them that is exact for what is asked
    cell: the fields of ``gatelab.recurrent.Cell`` as keywords: GatedLSTM(100, 128, peepholes=True, forget_bias=1.0).
    dropout acts on the outputs of every layer but the last, in training.

    Raises ValueError for sizes below 1, a dropout outside [0, 1), a cell that contradicts itself, and BackendError, a
    ValueError, for a backend that cannot compute it.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        backend: Backend = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **cell: Any,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, not {size}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {dropout}")
        self.cell = Cell(**cell)
        if not bias and (self.cell.forget_bias is not None or self.cell.chrono is not None):
            raise ValueError("forget_bias and chrono set biases, but bias=False leaves none")
        check_backend(backend, self.cell)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.backend = bias, batch_first, bidirectional, backend
        self.dropout = nn.Dropout(dropout)
        self.directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            layer_input = input_size if layer == 0 else hidden_size * len(self.directions)
            for direction in self.directions:
                for name, shape in self._shapes(layer_input).items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_l{layer}{direction}", parameter)
        self.reset_parameters()

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

    def _shapes(self, layer_input: int) -> dict[str, tuple[int, ...]]:
        H, cell = self.hidden_size, self.cell
        rows, gates = len(cell.learned) * H, len(cell.learned_gates) * H
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, layer_input), "weight_hh": (rows, H)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if cell.peepholes:
            shapes["weight_peephole"] = (gates,)
        if cell.gate_recurrence:
            shapes["weight_gates"] = (gates, gates)
        if cell.layer_norm:
            shapes |= {"norm_ih": (rows,), "norm_hh": (rows,), "norm_cell": (2, H)}
        return shapes

    def reset_parameters(self) -> None:
        """Uniform in ±1/√H, as ``nn.LSTM`` does, and from the same draws for the same seed; then what the cell asks for."""
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
            biases = [self.get_parameter(name + suffix) for name in ("bias_ih", "bias_hh") if self.bias]
            initialize_(self.cell, self.get_parameter("weight_hh" + suffix), biases)

    def _suffixes(self) -> list[str]:
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in self.directions]

    def weights(self, layer: int, direction: str = "") -> Weights:
        """The weights of one layer and direction ("" or "_reverse"), dropped ones at 0 in training."""
        suffix = f"_l{layer}{direction}"
        others = ("weight_peephole", "weight_gates", "norm_ih", "norm_hh", "norm_cell")
        b = self.get_parameter("bias_ih" + suffix) + self.get_parameter("bias_hh" + suffix) if self.bias else None
        return Weights(
            self.get_parameter("weight_ih" + suffix),
            self._recurrent_weight(suffix),
            b,
            *(getattr(self, name + suffix, None) for name in others),
        )

    def forward(
        self, input: Tensor | PackedSequence, hx: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Any, State]:
        """Run the layers over input (T, B, E), (B, T, E) with ``batch_first``, (T, E), or a PackedSequence.

        hx: initial (h_0, c_0), each (layers × directions, B, H); zeros without it. lengths (B,): the valid steps of each
        row, 0 to T, padding on the right; all of them without it.

        Returns (output, (h_n, c_n)): the last layer's hidden states, (T, B, D) or (B, T, D), zero past a row's end, and
        the state after each row's last valid step, each (layers × directions, B, H). The same as a packed ``nn.LSTM``; a
        PackedSequence comes out where one went in.

        Raises ValueError for shapes that do not fit, and where backend cannot compute what is asked.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() == 2:
            hx = None if hx is None else (hx[0][:, None], hx[1][:, None])
            output, (h_n, c_n) = self(input[None] if self.batch_first else input[:, None], hx)
            return output.squeeze(0 if self.batch_first else 1), (h_n[:, 0], c_n[:, 0])
        if input.dim() != 3:
            raise ValueError(f"the input has two or three dimensions (time, batch and features), not {input.dim()}")
        x = input if self.batch_first else input.transpose(0, 1)  # (B, T, E)
        lengths = self._check(x, lengths)
        x, finals, _ = self._run(x, hx, lengths, self._choose(x, ragged=lengths is not None, finals=True))
        h_n, c_n = stack_states(finals)
        return (x if self.batch_first else x.transpose(0, 1)), (h_n, c_n)

    def states(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states (B, T, D) alone for x (B, T, E); past a row's end they mean nothing.

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

    def trace(self, input: Tensor, hx: State | None = None, lengths: Tensor | None = None) -> dict[str, Step]:
        """Every gate, candidate, cell and hidden state, by layer and direction: {"l0": Step, "l0_reverse": Step, …}.

        Arguments as in ``forward``; each field of a Step has the output's layout, (T, B, H) or (B, T, H) with
        ``batch_first``, in the order of the input, zero past a row's end. Always computed by the equations, so it is the
        same for every backend.
        """
        x = input if self.batch_first else input.transpose(0, 1)
        _, _, traces = self._run(x, hx, self._check(x, lengths), "equations")
        if not self.batch_first:
            traces = {name: Step(*(part.transpose(0, 1) for part in step)) for name, step in traces.items()}
        return traces

    def _forward_packed(self, packed: PackedSequence, hx: State | None) -> tuple[PackedSequence, State]:
        x, lengths = pad_packed_sequence(packed, batch_first=True)
        self._check(x, lengths)
        backend = self._choose(x, ragged=True, finals=True)
        x, finals, _ = self._run(x, hx, lengths.to(x.device), backend)
        h_n, c_n = stack_states(finals)
        if packed.sorted_indices is not None:
            x, lengths = x[packed.sorted_indices], lengths[packed.sorted_indices.cpu()]
        data = pack_padded_sequence(x, lengths, batch_first=True).data
        return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices), (h_n, c_n)

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
        if self.backend == "fused" and x.device.type == "cuda":
            return "kernels"  # or equations, where they cannot
        no_fused = "" if x.device.type == "cpu" else f"runs on the CPU and on CUDA, and the input is on {x.device}"
        if self.backend == "fused" and no_fused:
            raise BackendError(f"backend=fused {no_fused}: use backend=auto or equations")
        if self.backend in ("equations", "fused"):
            return self.backend
        no_native = "; ".join(self.cell.extras) or (
            "the final cell states of a ragged batch" if ragged and finals else ""
        )
        if self.backend == "native" and no_native:
            raise BackendError(
                f"backend=native cannot give {no_native}: use backend=auto, or states() for the outputs alone"
            )
        other = "equations" if no_fused else "fused"
        if not no_native:
            problem = native.find_problem("lstm", self.get_parameter("weight_hh_l0"))
            if problem is None:
                return "native"
            if self.backend == "native":
                raise BackendError(f"backend=native: {problem}: use backend=auto")
            native.warn_of_other(problem, f"backend={other}")
        return other

    def _run(
        self, x: Tensor, hx: Sequence[Tensor] | None, lengths: Tensor | None, backend: str
    ) -> tuple[Tensor, list[Sequence[Tensor]], dict[str, Step]]:
        """x (B, T, E) → the last layer's states (B, T, D), the final (h, c) a layer and direction, and the trace."""
        B, T, _ = x.shape
        count = self.num_layers * len(self.directions)
        if hx is None:
            zeros = self.get_parameter("weight_hh_l0").new_zeros(count, B, self.hidden_size)
            hx = (zeros, zeros)
        for name, state in zip(("h_0", "c_0"), hx, strict=True):
            if state.shape != (count, B, self.hidden_size):
                raise ValueError(f"{name} must be {(count, B, self.hidden_size)}, not {tuple(state.shape)}")
        orders = {
            direction: StepOrder(B, T, lengths, x.device, bool(direction)) for direction in self.directions
            if backend == "fused"
        }  # fmt: skip
        final: Sequence[Tensor]
        finals: list[Sequence[Tensor]] = []
        traces: dict[str, Step] = {}
        for layer in range(self.num_layers):
            if layer:
                x = self.dropout(x)
            if self.cell.input_dropout:
                x = F.dropout1d(x.transpose(1, 2), self.cell.input_dropout, self.training).transpose(1, 2)
            outputs = []
            for direction in self.directions:
                h, c = (state[len(finals)] for state in hx)
                if backend == "native":
                    walked = reverse_valid(x, lengths) if direction else x
                    parameters = self._kernel_weights(layer, direction)
                    states, final = native.run_layer(walked, h, c, parameters, self.training)
                    if lengths is not None:
                        final = LateState(partial(native.row_ends, walked, h, c, parameters, lengths, final))
                    states = reverse_valid(states, lengths) if direction else states
                elif backend == "fused":
                    weights, noise = self.weights(layer, direction), self._noise(x)
                    states, final = fused.run_layer(x, h, c, weights, self.cell, orders[direction], noise)
                else:
                    walked = reverse_valid(x, lengths) if direction else x
                    weights, noise = self.weights(layer, direction), self._noise(x)
                    done = self._kernels(walked, h, c, weights, lengths, noise) if backend == "kernels" else None
                    if done is None:
                        trace, final = equations.trace_layer(walked, h, c, weights, self.cell, lengths, noise)
                        if direction:
                            trace = Step(*(reverse_valid(part, lengths) for part in trace))
                        traces[f"l{layer}{direction}"], states = trace, trace.hidden
                    else:
                        states, final = done
                        states = reverse_valid(states, lengths) if direction else states
                outputs.append(states)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)  # (B, T, D)
        return x, finals, traces

    def _kernels(
        self, x: Tensor, h: Tensor, c: Tensor, weights: Weights, lengths: Tensor | None, noise: Noise
    ) -> tuple[Tensor, State] | None:
        """The CUDA kernels' states (B, T, H) and final (h, c), or with one warning nothing where they cannot."""
        try:
            cuda.check(weights.U)
            return cuda.run_layer(x, h, c, weights, self.cell, lengths, noise)
        except cuda.Unsupported as problem:
            cuda.warn_of_equations(str(problem))
            return None

    def _recurrent_weight(self, suffix: str) -> Tensor:
        U = self.get_parameter(f"weight_hh{suffix}")
        return F.dropout(U, self.cell.weight_drop, self.training) if self.cell.weight_drop else U

    def _kernel_weights(self, layer: int, direction: str) -> list[Tensor]:
        """W, U and the two biases as torch's kernel wants them."""
        suffix = f"_l{layer}{direction}"
        biases = [self.get_parameter(name + suffix) for name in ("bias_ih", "bias_hh") if self.bias]
        return [self.get_parameter(f"weight_ih{suffix}"), self._recurrent_weight(suffix), *biases]

    def _noise(self, x: Tensor) -> Noise:
        """Drawn a layer and direction; in evaluation zoneout mixes in its proportions."""
        (B, T, _), H, cell = x.shape, self.hidden_size, self.cell
        weight = self.get_parameter("weight_hh_l0")

        def keep(share: float) -> Tensor | None:
            if not share:
                return None
            if not self.training:
                return weight.new_full((B, T, H), share)
            return torch.rand(B, T, H, device=x.device).lt(share).to(weight.dtype)  # much faster than bernoulli_

        mask = None
        if self.training and cell.recurrent_dropout:
            mask = F.dropout(weight.new_ones(B, H), cell.recurrent_dropout)
        return Noise(mask, keep(cell.zoneout_hidden), keep(cell.zoneout_cell))

    def extra_repr(self) -> str:
        words = [str(self.input_size), str(self.hidden_size), f"num_layers={self.num_layers}"]
        words += [f"bidirectional={self.bidirectional}", f"backend={self.backend}", *self.cell.extras]
        return ", ".join(words)


def check_backend(backend: str, cell: Cell) -> None:
    """Raises BackendError for a backend that does not exist or cannot compute the cell anywhere."""
    if backend not in get_args(Backend):
        raise BackendError(f"backend must be one of {', '.join(get_args(Backend))}, not {backend}")
    if backend == "native" and cell.extras:
        raise BackendError(
            f"backend=native is torch's own LSTM kernel, which cannot do {', '.join(cell.extras)}: "
            "use backend=fused or auto"
        )
