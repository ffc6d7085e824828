"""Any pointwise cell at close to the closed kernel's speed on the CPU: the loop that a plan's functions run in.

B batch, T time, E embedding, H hidden; N valid steps of all rows; C columns of preactivations, R those that h reaches.

Rows are sorted by length, and their valid steps laid out step by step (N, ·): at step t the rows that continue are the
first sizes[t] ones, so rows that have ended cost nothing. The input terms of all steps are one GEMM before the loop.
Gates and states live in buffers of N rows (behind B initial states), written in place.

Backward, the factors of many steps are computed at once (plan.py), so that the loop is a few products and one GEMM a step.
The weight gradients are one GEMM after it. No derivative is written here: they all come from the equations.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.buffers import Buffers, extra_rows, first, signal_keys
from gatelab.recurrent.cell import EPSILON
from gatelab.recurrent.native import product_dtype
from gatelab.recurrent.plan import Plan, signal_key
from gatelab.recurrent.program import INNER_VALUE
from gatelab.recurrent.ragged import StepOrder
from gatelab.recurrent.weights import Noise, Weights

aten = torch.ops.aten
CHUNK_BYTES = 2**20  # of the factors computed at once: they stay in the cache of a core


def run_layer(
    x: Tensor, state: Sequence[Tensor], weights: Weights, plan: Plan, order: StepOrder, noise: Noise
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction over x (B, T, E) from state, (B, H) each: hidden states (B, T, H) and the state after each
    row's last step, as ``equations.trace_layer`` has them."""
    rows = in_columns(weights, plan, state[0].shape[1])
    terms = input_terms(order.sort_steps(x), rows)  # (N, ·)
    dtype = product_dtype(weights.U)
    with torch.autocast(x.device.type, enabled=False):
        states, *final = Engine.apply(
            terms.to(weights.U.dtype), rows.U, rows.bias_hidden, rows.gates, rows.vectors, rows.norm_hidden, rows.norm_cell, rows.U_inner,
            None if noise.hidden_mask is None else order.sort_rows(noise.hidden_mask),
            None if noise.keep_hidden is None else order.sort_noise(noise.keep_hidden),
            None if noise.keep_cell is None else order.sort_noise(noise.keep_cell),
            plan, order, dtype, *(order.sort_rows(part.to(weights.U.dtype)) for part in state),
        )  # fmt: skip
    return order.unsort_steps(states), tuple(order.unsort_rows(part) for part in final)


def in_columns(weights: Weights, plan: Plan, H: int) -> Weights:
    """The rows in the order of the columns. What h only reaches keeps its bias; else both biases are bias_input."""
    layout = plan.layout
    W, U, b, b_h = weights.W, weights.U, weights.bias_input, weights.bias_hidden
    norm_input, norm_hidden = weights.norm_input, weights.norm_hidden
    U_inner = b_inner = None
    if layout.input_order is not None:
        W, b, norm_input = (take_gates(part, layout.input_order, H) for part in (W, b, norm_input))
    if layout.inner:
        U_inner, b_inner = (take_gates(part, layout.inner_order, H) for part in (U, b_h))
    if layout.hidden_order is not None:
        U, b_h, norm_hidden = (take_gates(part, layout.hidden_order, H) for part in (U, b_h, norm_hidden))
    if b is not None and b_h is not None:
        inner, first, shared = (count * H for count in (len(layout.inner), layout.first_hidden, layout.num_shared))
        if not first and shared == len(b_h):
            b = b + b_h
        else:
            b = b + torch.cat([b[:0] if b_inner is None else b_inner, b.new_zeros(first - inner), b_h[:shared]])
        b_h = b_h[shared:] if layout.hidden_only else None
    return Weights(W, U, b, b_h, weights.vectors, weights.gates, norm_input, norm_hidden, weights.norm_cell, U_inner)


def take_gates(rows: Any, order: Any, H: int) -> Any:
    return rows if rows is None or order is None else rows.unflatten(0, (-1, H))[list(order)].flatten(0, 1)


def input_terms(x: Tensor, weights: Weights) -> Tensor:
    """What the layer's input adds to the preactivations: x (…, E) → (…, gates · H)."""
    if weights.norm_input is None:
        return F.linear(x, weights.W, weights.bias_input)
    terms = F.linear(x, weights.W)
    return F.layer_norm(terms, terms.shape[-1:], weights.norm_input, weights.bias_input, EPSILON)


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
    """terms (N, ·), U (R·H, H) and the state before, (B, H) each → hidden states (N, H) and the state after, (B, H) each.

    ``terms`` is consumed: what each column keeps is written over it.
    """

    @staticmethod
    def forward(
        ctx: Any, terms: Tensor, U: Tensor, bias_hidden: Tensor | None, V: Tensor | None, vectors: Tensor | None,
        norm_hidden: Tensor | None, norm_cell: Tensor | None, U_inner: Tensor | None, mask: Tensor | None,
        keep_hidden: Tensor | None, keep_cell: Tensor | None, plan: Plan, order: StepOrder, dtype: torch.dtype, *state: Tensor
    ) -> tuple[Tensor, ...]:  # fmt: skip
        B, H = state[0].shape
        N, sizes, layout, cell = terms.shape[0], order.sizes, plan.layout, plan.cell
        T = len(sizes)
        columns = terms.detach()
        if layout.hidden_only:
            columns = terms.new_empty(N, len(layout.columns) * H)
            columns[:, : terms.shape[1]] = terms
            columns[:, terms.shape[1] :] = 0 if bias_hidden is None else bias_hidden
        states = {name: terms.new_empty(B + N, H) for name in cell.state_names}
        for name, part in zip(cell.state_names, state, strict=True):
            states[name][:B] = part
        buffers = Buffers(plan, order, columns, states, vectors)
        kept = {key: terms.new_empty(N, H) for key in extra_rows(plan)}
        buffers.keep(kept, keep_hidden, keep_cell)

        if N and plan.before_loop.keys:
            plan.before_loop.run(*buffers.many(plan.before_loop.keys, 0, T))
        to_recurrent = columns[:, layout.first_hidden * H :]
        recurrent = None if norm_hidden is None else terms.new_empty(to_recurrent.shape)
        all_terms = to_recurrent.split(sizes) if N else ()
        all_recurrent = None if recurrent is None or not N else recurrent.split(sizes)
        by_U_T = Product(U.t(), B, dtype) if len(U) else None
        hs = [h for (h,) in buffers.each([("before", "h")], 0, T)]
        updates, readouts = buffers.each(plan.update.keys, 0, T), buffers.each(plan.readout.keys, 0, T)
        update, readout = plan.update.run, plan.readout.run
        masked = terms.new_empty(B, H)
        by_U_inner_T = None if U_inner is None else Product(U_inner.t(), B, dtype)
        if U_inner is not None and N:
            inners, inner_terms = buffers.each(plan.inner.keys, 0, T), columns[:, : len(layout.inner) * H].split(sizes)
            inner_values = buffers.each([signal_key(plan, INNER_VALUE)], 0, T)
        if V is not None:
            V_T, opened, signals = (
                V.t().contiguous(),
                terms.new_zeros(B, V.shape[1]),
                buffers.each(signal_keys(plan), 0, T),
            )
        normed = buffers.each([(kind, name) for name in plan.norms for kind in ("after", "norm")], 0, T)
        zoned = (
            buffers.each([(kind, name) for name in cell.inner_states for kind in ("after", "before", "carried")], 0, T)
            if keep_cell is not None
            else None
        )
        keep_parts = None if keep_cell is None or not N else keep_cell.split(sizes)

        for t, n in enumerate(sizes):
            if by_U_T is not None:
                h = hs[t]
                seen = h if mask is None else torch.mul(h, mask[:n], out=masked[:n])
                term = by_U_T.add(all_terms[t], seen) if all_recurrent is None else by_U_T.write(all_recurrent[t], seen)
                if V is not None:
                    for rows, at in plan.seeing_runs:
                        term[:, at.start * H : at.stop * H].addmm_(opened[:n], V_T[:, rows.start * H : rows.stop * H])
                if all_recurrent is not None:
                    all_terms[t].add_(torch.native_layer_norm(term, term.shape[1:], norm_hidden, None, EPSILON)[0])
            if by_U_inner_T is not None:
                plan.inner.run(*inners[t])
                (seen,) = inner_values[t]
                by_U_inner_T.add(inner_terms[t], seen if mask is None else torch.mul(seen, mask[:n], out=masked[:n]))
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
            columns, recurrent, U, V, vectors, norm_hidden, norm_cell, U_inner, mask, keep_hidden, keep_cell, *states.values(), *kept.values()
        )  # fmt: skip
        ctx.plan, ctx.order, ctx.dtype, ctx.kept, ctx.has_bias = plan, order, dtype, list(kept), bias_hidden is not None
        ctx.set_materialize_grads(False)
        return states["h"][B:], *(order.final(states[name]) for name in cell.state_names)

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, *d_final: Tensor | None) -> tuple[Any, ...]:
        refuse_second_derivative()
        (
            columns, recurrent, U, V, vectors, norm_hidden, norm_cell, U_inner, mask, keep_hidden, keep_cell, *others,
        ) = ctx.saved_tensors  # fmt: skip
        plan, order = ctx.plan, ctx.order
        cell, layout, sizes, offsets = plan.cell, plan.layout, order.sizes, order.offsets
        states = dict(zip(cell.state_names, others, strict=False))
        hs = states["h"]
        B, (N, width), H = order.num_rows, columns.shape, hs.shape[1]
        dh = torch.zeros_like(hs) if d_states is None else torch.cat([hs.new_zeros(B, H), d_states])  # (B + N, H)
        if d_final[0] is not None:
            order.add_final_(dh, d_final[0])
        da = torch.empty_like(columns)  # (N, C·H): factors, then the gradients of the preactivations
        buffers = Buffers(plan, order, columns, {**states, "dh": dh}, vectors)
        buffers.keep(dict(zip(ctx.kept, others[len(states) :], strict=True)), keep_hidden, keep_cell)
        buffers.split_columns("da", da)
        for name, d in zip(cell.inner_states, d_final[1:], strict=True):
            buffers.scratch["d", name] = hs.new_zeros(B, H) if d is None else d.clone()
        for name in cell.vector_names:
            buffers.scratch["d_vector", name] = hs.new_zeros(B, H)
        to_hidden = da[:, layout.first_hidden * H :]
        all_dh, all_da = dh.split([B, *sizes]), to_hidden.split(sizes) if N else ()
        by_U = Product(U, B, ctx.dtype) if len(U) else None
        carried = hs.new_empty(B, H)
        by_U_inner = None if U_inner is None else Product(U_inner, B, ctx.dtype)
        if U_inner is not None:
            d_inner = buffers.scratch["d_signal", INNER_VALUE] = hs.new_empty(B, H)
            to_inner = da[:, : len(layout.inner) * H]
            all_da_inner = to_inner.split(sizes) if N else ()
        d_recurrent: list[Tensor] = []  # of what U and V give, where layer normalisation stands between it and da
        if norm_hidden is not None:
            _, mean_r, rstd_r = torch.native_layer_norm(recurrent, recurrent.shape[1:], norm_hidden, None, EPSILON)
        statistics: dict[str, list[Tensor]] = {}
        for name in plan.norms:
            _, *statistics[name] = torch.native_layer_norm(
                buffers.rows["after", name], (H,), norm_cell[0], norm_cell[1], EPSILON
            )
            buffers.rows["d_norm", name] = hs.new_empty(N, H)
        if V is not None:
            d_opened = hs.new_zeros(B, V.shape[1])
            for name, part in zip(cell.recurrent, d_opened.split(H, 1), strict=True):
                buffers.scratch["d_signal", name] = part

        rows_at_once = max(B, CHUNK_BYTES // (columns.element_size() * max(1, width)))
        stop = len(sizes)
        while stop > 0:
            start = stop - 1
            while start > 0 and offsets[stop] - offsets[start - 1] <= rows_at_once:
                start -= 1
            for name in plan.norms:
                (new, normed) = buffers.many([("after", name), ("norm", name)], start, stop)
                normed.copy_(torch.native_layer_norm(new, (H,), norm_cell[0], norm_cell[1], EPSILON)[0])
            plan.factors.run(*buffers.many(plan.factors.keys, start, stop))
            readouts, updates, inners = (
                buffers.each(call.keys, start, stop) for call in (plan.back_readout, plan.back_update, plan.back_inner)
            )
            for t in range(stop - 1, start - 1, -1):
                n, rows = sizes[t], slice(offsets[t], offsets[t + 1])
                plan.back_readout.run(*readouts[t - start])
                for name in plan.norms:
                    d_normed, new = buffers.rows["d_norm", name][rows], buffers.rows["after", name][rows]
                    mean, rstd = (part[rows] for part in statistics[name])
                    buffers.scratch["d", name][:n] += aten.native_layer_norm_backward(
                        d_normed, new, (H,), mean, rstd, norm_cell[0], norm_cell[1], [True, False, False]
                    )[0]
                plan.back_update.run(*updates[t - start])
                if by_U_inner is not None:
                    d_seen = by_U_inner.write(first(d_inner, n), all_da_inner[t])
                    if mask is not None:
                        d_seen.mul_(mask[:n])
                    plan.back_inner.run(*inners[t - start])
                if by_U is None:
                    continue
                d_term, dh_before = all_da[t], first(all_dh[t], n)
                if norm_hidden is not None:
                    d_term = aten.native_layer_norm_backward(
                        d_term, recurrent[rows], recurrent.shape[1:], mean_r[rows], rstd_r[rows], norm_hidden, None,
                        [True, False, False],
                    )[0]  # fmt: skip
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
            stop = start

        everything = slice(0, N)
        d_terms = torch.cat(d_recurrent[::-1]) if d_recurrent else to_hidden
        h_before = order.before(hs, everything)
        if mask is not None:
            h_before = h_before * order.repeat_rows(mask)
        d_U = (d_terms.to(ctx.dtype).t() @ h_before.to(ctx.dtype)).to(U.dtype) if len(U) else torch.zeros_like(U)
        d_U_inner = d_bias = d_V = d_vectors = d_norm_hidden = d_norm_cell = None
        hidden_only = len(layout.hidden_only) * H
        if U_inner is not None:
            seen = buffers.rows[signal_key(plan, INNER_VALUE)]
            seen = seen if mask is None else seen * order.repeat_rows(mask)
            d_U_inner = (to_inner.to(ctx.dtype).t() @ seen.to(ctx.dtype)).to(U.dtype)
        if ctx.has_bias:
            d_bias = da[:, width - hidden_only :].sum(0)
        if V is not None:
            opened = torch.cat([buffers.rows[key] for key in signal_keys(plan)], 1)
            opened = order.before(torch.cat([opened.new_zeros(B, opened.shape[1]), opened]), everything)
            d_V = torch.cat([d_terms[:, at.start * H : at.stop * H] for _, at in plan.seeing_runs], 1).t() @ opened
        if vectors is not None:
            parts: list[Tensor] = []
            for name in cell.vector_names:
                if name in plan.from_columns:
                    column, key = plan.from_columns[name]
                    other = order.before(states[key[1]], everything) if key[0] == "before" else buffers.rows[key]
                    parts.append((buffers.rows["da", column] * other).sum(0))
                else:
                    parts.append(buffers.scratch["d_vector", name].sum(0))
            d_vectors = torch.cat(parts)
        if norm_hidden is not None:
            d_norm_hidden = aten.native_layer_norm_backward(
                to_hidden, recurrent, recurrent.shape[1:], mean_r, rstd_r, norm_hidden, None, [False, True, False]
            )[1]
        for name in plan.norms:
            _, gain, bias = aten.native_layer_norm_backward(
                buffers.rows["d_norm", name], buffers.rows["after", name], (H,), *statistics[name], norm_cell[0],
                norm_cell[1], [False, True, True],
            )  # fmt: skip
            both = torch.stack([gain, bias])
            d_norm_cell = both if d_norm_cell is None else d_norm_cell + both
        d_state = [dh[:B], *(buffers.scratch["d", name] for name in cell.inner_states)]
        return (
            da[:, : width - hidden_only],
            d_U,
            d_bias,
            d_V,
            d_vectors,
            d_norm_hidden,
            d_norm_cell,
            d_U_inner,
            *[None] * 6,
            *d_state,
        )


def pairs(values: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(*[iter(values)] * 2, strict=True)
