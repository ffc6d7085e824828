"""Any pointwise cell at close to the closed kernel's speed on the CPU: the loop that a plan's functions run in.

B batch, T time, E embedding, H hidden; N valid steps of all rows; C columns of preactivations, R those that h reaches.

Rows are sorted by length, and their valid steps laid out step by step (N, ·): at step t the rows that continue are the
first sizes[t] ones, so rows that have ended cost nothing. Gates and states live in buffers of N rows (behind B initial
states), written in place.

What is done for many steps at once is done for as many as a core's cache holds, just before or after the loop over them:
forward the input terms, backward the factors (plan.py) and the gradients of weights and input, each of them one GEMM. So the
loop is one GEMM and a few products a step. No derivative is written here: they all come from the equations.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gatelab.recurrent.buffers import Buffers, extra_rows, first, signal_keys
from gatelab.recurrent.cell import EPSILON
from gatelab.recurrent.emit import Calls
from gatelab.recurrent.native import product_dtype
from gatelab.recurrent.plan import Plan, signal_key
from gatelab.recurrent.program import INNER_VALUE
from gatelab.recurrent.ragged import StepOrder
from gatelab.recurrent.weights import Noise, Weights, in_columns

aten = torch.ops.aten
CHUNK_BYTES = 2**20  # of the columns of steps computed together


def run_layer(
    x: Tensor, state: Sequence[Tensor], weights: Weights, plan: Plan, calls: Calls, order: StepOrder, noise: Noise
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction over x (B, T, E) from state, (B, H) each: hidden states (B, T, H) and the state after each
    row's last step, as ``equations.trace_layer`` has them."""
    rows = in_columns(weights, plan.layout, state[0].shape[1])
    dtype = product_dtype(weights.U)
    with torch.autocast(x.device.type, enabled=False):
        states, *final = Engine.apply(
            order.sort_steps(x), rows.W, rows.bias_input, rows.norm_input, rows.U, rows.bias_hidden, rows.gates, rows.vectors,
            rows.norm_hidden, rows.norm_cell, rows.U_inner,
            None if noise.hidden_mask is None else order.sort_rows(noise.hidden_mask),
            None if noise.keep_hidden is None else order.sort_noise(noise.keep_hidden),
            None if noise.keep_cell is None else order.sort_noise(noise.keep_cell),
            plan, calls, order, dtype, *(order.sort_rows(part.to(weights.U.dtype)) for part in state),
        )  # fmt: skip
    return order.unsort_steps(states), tuple(order.unsort_rows(part) for part in final)


def refuse_second_derivative() -> None:
    if torch.is_grad_enabled():
        raise RuntimeError(
            "backend=fused has no second derivative (create_graph=True asks for one): use backend=equations"
        )


class Product:
    """x · matrix for x (n, ·), n up to num_rows, into float32 buffers; under autocast the GEMM itself is bfloat16."""

    def __init__(self, matrix: Tensor, num_rows: int, dtype: torch.dtype) -> None:
        self.matrix = matrix.to(dtype).contiguous()
        self.casts = dtype != matrix.dtype
        if self.casts:
            self.x = self.matrix.new_empty(num_rows, matrix.shape[0])
            self.product = self.matrix.new_empty(num_rows, matrix.shape[1])

    def write(self, target: Tensor, x: Tensor) -> Tensor:
        if not self.casts:
            return torch.mm(x, self.matrix, out=target)
        return target.copy_(self._cast_product(x))

    def add(self, target: Tensor, x: Tensor) -> Tensor:
        if not self.casts:
            return target.addmm_(x, self.matrix)
        return target.add_(self._cast_product(x))

    def _cast_product(self, x: Tensor) -> Tensor:
        return torch.mm(self.x[: len(x)].copy_(x), self.matrix, out=self.product[: len(x)])


class Engine(torch.autograd.Function):
    """x (N, E), weights in the order of the columns, noise and the state before, (B, H) each → hidden states (N, H) and the
    state after, (B, H) each."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, W: Tensor, bias: Tensor | None, norm_input: Tensor | None, U: Tensor, bias_hidden: Tensor | None,
        V: Tensor | None, vectors: Tensor | None, norm_hidden: Tensor | None, norm_cell: Tensor | None, U_inner: Tensor | None,
        mask: Tensor | None, keep_hidden: Tensor | None, keep_cell: Tensor | None, plan: Plan, calls: Calls, order: StepOrder,
        dtype: torch.dtype, *state: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        B, H = state[0].shape
        N, sizes, offsets, layout, cell = len(x), order.sizes, order.offsets, plan.layout, plan.cell
        T, width = len(sizes), len(W)
        columns = U.new_empty(N, len(layout.columns) * H)
        states = {name: U.new_empty(B + N, H) for name in cell.state_names}
        for name, part in zip(cell.state_names, state, strict=True):
            states[name][:B] = part
        chunks = split_steps(order, columns)
        buffers = Buffers(plan, order, columns, states, vectors, chunks)
        kept = {key: U.new_empty(N, H) for key in extra_rows(plan)}
        buffers.keep(kept, keep_hidden, keep_cell)

        to_input, to_recurrent = columns[:, :width], columns[:, layout.first_hidden * H :]
        terms = to_input if norm_input is None else U.new_empty(N, width)
        recurrent = None if norm_hidden is None else U.new_empty(to_recurrent.shape)
        all_terms = to_recurrent.split(sizes) if N else ()
        all_recurrent = None if recurrent is None or not N else recurrent.split(sizes)
        by_W_T = Product(W.t(), buffers.num_chunk_rows, dtype)
        by_U_T = Product(U.t(), B, dtype) if len(U) else None
        hs = [h for (h,) in buffers.each([("before", "h")], 0, T)]
        updates, readouts = buffers.each(calls.update.keys, 0, T), buffers.each(calls.readout.keys, 0, T)
        update, readout = calls.update.run, calls.readout.run
        masked = U.new_empty(B, H)
        by_U_inner_T = None if U_inner is None else Product(U_inner.t(), B, dtype)
        if U_inner is not None and N:
            inners, inner_terms = buffers.each(calls.inner.keys, 0, T), columns[:, : len(layout.inner) * H].split(sizes)
            inner_values = buffers.each([signal_key(plan, INNER_VALUE)], 0, T)
        if V is not None:
            V_T, opened = V.t().contiguous(), U.new_zeros(B, V.shape[1])
            signals = buffers.each(signal_keys(plan), 0, T)
        normed = buffers.each([(kind, name) for name in plan.norms for kind in ("after", "norm")], 0, T)
        zoned = (
            buffers.each([(kind, name) for name in cell.inner_states for kind in ("after", "before", "carried")], 0, T)
            if keep_cell is not None
            else None
        )
        keep_parts = None if keep_cell is None or not N else keep_cell.split(sizes)
        input_moments: list[list[Tensor]] = []  # mean and 1/σ of what is normalised
        recurrent_moments: list[list[Tensor]] = []

        for start, stop in chunks:
            now = slice(offsets[start], offsets[stop])
            by_W_T.write(terms[now], x[now])
            if norm_input is not None:
                standard, *moments = torch.native_layer_norm(terms[now], (width,), norm_input, bias, EPSILON)
                to_input[now] = standard
                input_moments.append(moments)
            elif bias is not None:
                to_input[now].add_(bias)
            if layout.hidden_only:
                columns[now, width:] = 0 if bias_hidden is None else bias_hidden
            if calls.before_loop.keys:
                calls.before_loop.run(*buffers.many(calls.before_loop.keys, start, stop))
            for t in range(start, stop):
                n = sizes[t]
                if by_U_T is not None:
                    h = hs[t]
                    seen = h if mask is None else torch.mul(h, mask[:n], out=masked[:n])
                    term = (
                        by_U_T.add(all_terms[t], seen)
                        if all_recurrent is None
                        else by_U_T.write(all_recurrent[t], seen)
                    )
                    if V is not None:
                        for rows, at in plan.seeing_runs:
                            term[:, at.start * H : at.stop * H].addmm_(
                                opened[:n], V_T[:, rows.start * H : rows.stop * H]
                            )
                    if all_recurrent is not None:
                        standard, *moments = torch.native_layer_norm(term, term.shape[1:], norm_hidden, None, EPSILON)
                        all_terms[t].add_(standard)
                        recurrent_moments.append(moments)
                if by_U_inner_T is not None:
                    calls.inner.run(*inners[t])
                    (seen,) = inner_values[t]
                    by_U_inner_T.add(
                        inner_terms[t], seen if mask is None else torch.mul(seen, mask[:n], out=masked[:n])
                    )
                update(*updates[t])
                if norm_cell is not None:
                    for c, place in pairs(normed[t]):
                        place.copy_(torch.native_layer_norm(c, (H,), norm_cell[0], norm_cell[1], EPSILON)[0])
                readout(*readouts[t])
                if zoned is not None and keep_parts is not None:
                    for new, before, carried in zip(*[iter(zoned[t])] * 3, strict=True):
                        torch.lerp(new, before, keep_parts[t], out=carried)
                if V is not None:
                    torch.cat(signals[t], 1, out=opened[:n])

        ctx.save_for_backward(
            x, W, bias, norm_input, None if norm_input is None else terms, *joined(input_moments), columns, recurrent,
            *joined(recurrent_moments), U, bias_hidden, V, vectors, norm_hidden, norm_cell, U_inner, mask, keep_hidden, keep_cell, *states.values(), *kept.values(),
        )  # fmt: skip
        ctx.plan, ctx.calls, ctx.order, ctx.dtype, ctx.kept = plan, calls, order, dtype, list(kept)
        ctx.set_materialize_grads(False)
        return states["h"][B:], *(order.final(states[name]) for name in cell.state_names)

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, *d_final: Tensor | None) -> tuple[Any, ...]:
        refuse_second_derivative()
        (
            x, W, bias, norm_input, terms, input_mean, input_scale, columns, recurrent, mean, scale, U, bias_hidden, V, vectors,
            norm_hidden, norm_cell, U_inner, mask, keep_hidden, keep_cell, *others,
        ) = ctx.saved_tensors  # fmt: skip
        plan, calls, order, dtype = ctx.plan, ctx.calls, ctx.order, ctx.dtype
        cell, layout, sizes, offsets = plan.cell, plan.layout, order.sizes, order.offsets
        states = dict(zip(cell.state_names, others, strict=False))
        hs = states["h"]
        B, N, H, width = order.num_rows, len(x), hs.shape[1], len(W)
        dh = torch.zeros_like(hs) if d_states is None else torch.cat([hs.new_zeros(B, H), d_states])  # (B + N, H)
        if d_final[0] is not None:
            order.add_final_(dh, d_final[0])
        chunks = split_steps(order, columns)
        buffers = Buffers(plan, order, columns, {**states, "dh": dh}, vectors, chunks)
        buffers.keep(dict(zip(ctx.kept, others[len(states) :], strict=True)), keep_hidden, keep_cell)
        # Of a chunk, so that it stays in the cache: factors, then the gradients of the preactivations.
        da = columns.new_empty(buffers.num_chunk_rows, columns.shape[1])
        buffers.split_columns("da", da, buffers.chunk)
        for name, d in zip(cell.inner_states, d_final[1:], strict=True):
            buffers.scratch["d", name] = (
                hs.new_zeros(B, H) if d is None else d.clone(memory_format=torch.contiguous_format)
            )
        for name in cell.vector_names:
            buffers.scratch["d_vector", name] = hs.new_zeros(B, H)
        all_dh = dh.split([B, *sizes])
        by_U = Product(U, B, dtype) if len(U) else None
        by_U_inner = None if U_inner is None else Product(U_inner, B, dtype)
        by_W = Product(W, buffers.num_chunk_rows, dtype)
        carried = hs.new_empty(B, H)
        if U_inner is not None:
            d_inner = buffers.scratch["d_signal", INNER_VALUE] = hs.new_empty(B, H)
        if V is not None:
            d_opened = hs.new_zeros(B, V.shape[1])
            for name, part in zip(cell.recurrent, d_opened.split(H, 1), strict=True):
                buffers.scratch["d_signal", name] = part
            opened = torch.cat([buffers.rows[key] for key in signal_keys(plan)], 1)
            opened = order.before(torch.cat([opened.new_zeros(B, opened.shape[1]), opened]), slice(0, N))
        masks = None if mask is None else order.repeat_rows(mask)  # (N, H)
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_W, d_U = torch.zeros_like(W), torch.zeros_like(U)
        d_bias, d_norm_input, d_bias_hidden, d_V, d_norm_hidden, d_norm_cell, d_U_inner = map(
            zeros_or_none, (bias, norm_input, bias_hidden, V, norm_hidden, norm_cell, U_inner)
        )
        d_affine_cell = () if d_norm_cell is None else d_norm_cell.unbind()
        d_vectors: dict[str, Any] = dict.fromkeys(cell.vector_names, 0)

        for start, stop in reversed(chunks):
            now = slice(offsets[start], offsets[stop])
            statistics = []
            for name in plan.norms:
                new, normed = buffers.many([("after", name), ("norm", name)], start, stop)
                standard, *moments = torch.native_layer_norm(new, (H,), norm_cell[0], norm_cell[1], EPSILON)
                normed.copy_(standard)
                statistics.append([part.split(sizes[start:stop]) for part in moments])
            calls.factors.run(*buffers.many(calls.factors.keys, start, stop))
            readouts, updates, inners = (
                buffers.each(call.keys, start, stop)
                for call in (calls.back_readout, calls.back_update, calls.back_inner)
            )
            norms = buffers.each(
                [(kind, name) for name in plan.norms for kind in ("d_norm", "after", "d")], start, stop
            )
            d_columns = da[: now.stop - now.start]
            d_terms = d_columns[:, layout.first_hidden * H :]  # of what U and V give
            all_da = d_terms.split(sizes[start:stop])
            all_da_inner = d_columns[:, : len(layout.inner) * H].split(sizes[start:stop])
            d_recurrent: list[Tensor] = []  # d_terms where layer normalisation stands between them and da
            for t in range(stop - 1, start - 1, -1):
                n, step = sizes[t], t - start
                calls.back_readout.run(*readouts[step])
                for (d_normed, new, d), moments in zip(
                    zip(*[iter(norms[step])] * 3, strict=True), statistics, strict=True
                ):
                    d_new, *d_affine = aten.native_layer_norm_backward(
                        d_normed, new, (H,), *(part[step] for part in moments), norm_cell[0], norm_cell[1], [True] * 3
                    )
                    d += d_new
                    for total, part in zip(d_affine_cell, d_affine, strict=True):
                        total += part
                calls.back_update.run(*updates[step])
                if by_U_inner is not None:
                    d_seen = by_U_inner.write(first(d_inner, n), all_da_inner[step])
                    if mask is not None:
                        d_seen.mul_(mask[:n])
                    calls.back_inner.run(*inners[step])
                if by_U is None:
                    continue
                d_term, dh_before = all_da[step], first(all_dh[t], n)
                if norm_hidden is not None:
                    rows = slice(offsets[t], offsets[t + 1])
                    d_term, d_gain, _ = aten.native_layer_norm_backward(
                        d_term, recurrent[rows], recurrent.shape[1:], mean[rows], scale[rows], norm_hidden, None,
                        [True, True, False],
                    )  # fmt: skip
                    d_norm_hidden += d_gain
                    d_recurrent.append(d_term)
                if mask is None:
                    by_U.add(dh_before, d_term)
                else:
                    dh_before.addcmul_(by_U.write(carried[:n], d_term), mask[:n])
                if V is not None:
                    d_opened_now = d_opened[:n].zero_()
                    for seeing, at in plan.seeing_runs:
                        d_opened_now.addmm_(
                            d_term[:, at.start * H : at.stop * H], V[seeing.start * H : seeing.stop * H]
                        )

            if d_recurrent:
                d_terms = torch.cat(d_recurrent[::-1])
            if len(U):
                h_before = order.before(hs, now)
                add_product(d_U, d_terms, h_before if masks is None else h_before * masks[now], dtype)
            if U_inner is not None:
                seen = buffers.rows[signal_key(plan, INNER_VALUE)][now]
                d_inner_terms = d_columns[:, : len(layout.inner) * H]
                add_product(d_U_inner, d_inner_terms, seen if masks is None else seen * masks[now], dtype)
            if V is not None:
                d_seeing = torch.cat([d_terms[:, at.start * H : at.stop * H] for _, at in plan.seeing_runs], 1)
                add_product(d_V, d_seeing, opened[now], V.dtype)
            for name, (column, key) in plan.from_columns.items():
                d, other = buffers.many([("da", column), key], start, stop)
                d_vectors[name] = d_vectors[name] + (d * other).sum(0)
            d_input = d_columns[:, :width]
            if bias_hidden is not None:
                d_bias_hidden += d_columns[:, width:].sum(0)
            if norm_input is not None:
                d_input, d_gain, d_shift = aten.native_layer_norm_backward(
                    d_input, terms[now], (width,), input_mean[now], input_scale[now], norm_input, bias,
                    [True, True, bias is not None],
                )  # fmt: skip
                d_norm_input += d_gain
                if bias is not None:
                    d_bias += d_shift
            elif bias is not None:
                d_bias += d_input.sum(0)
            add_product(d_W, d_input, x[now], dtype)
            if d_x is not None:
                by_W.write(d_x[now], d_input)

        for name in cell.vector_names:
            d_vectors[name] = d_vectors[name] + buffers.scratch["d_vector", name].sum(0)
        d_state = [dh[:B], *(buffers.scratch["d", name] for name in cell.inner_states)]
        return (
            d_x, d_W, d_bias, d_norm_input, d_U, d_bias_hidden, d_V, torch.cat([*d_vectors.values()]) if d_vectors else None,
            d_norm_hidden, d_norm_cell, d_U_inner, *[None] * 7, *d_state,
        )  # fmt: skip


def split_steps(order: StepOrder, columns: Tensor) -> list[tuple[int, int]]:
    """Runs of steps, (start, stop), whose columns stay in a core's cache while they are computed."""
    rows_at_once = max(order.num_rows, CHUNK_BYTES // (columns.element_size() * max(1, columns.shape[1])))
    runs, start = [], 0
    for stop in range(1, len(order.sizes) + 1):
        if stop == len(order.sizes) or order.offsets[stop + 1] - order.offsets[start] > rows_at_once:
            runs.append((start, stop))
            start = stop
    return runs


def joined(moments: Sequence[Sequence[Tensor]]) -> list[Any]:
    """Mean and 1/σ of every row."""
    return [torch.cat(parts) for parts in zip(*moments, strict=True)] or [None, None]


def zeros_or_none(weight: Tensor | None) -> Any:
    return None if weight is None else torch.zeros_like(weight)


def add_product(total: Tensor, d: Tensor, seen: Tensor, dtype: torch.dtype) -> None:
    """dᵀ · seen, the gradient of a weight."""
    if dtype == total.dtype:
        total.addmm_(d.t(), seen)
    else:
        total.add_(d.to(dtype).t() @ seen.to(dtype))


def pairs(values: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(*[iter(values)] * 2, strict=True)
