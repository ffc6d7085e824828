"""Every variant at close to the closed kernel's speed on the CPU, with the backward pass by hand.

B batch, T time, E embedding, H hidden; N valid steps of all rows; G what has weights, S the gates among them.

Rows are sorted by length, and their valid steps laid out step by step (N, ·): at step t the rows still going are the
first sizes[t] ones, so rows that have ended cost nothing. The input terms of all steps are one GEMM before the loop.
Gates and states live in buffers of N rows (behind B initial states), written in place: but for layer normalisation's own
kernels nothing is allocated in the loop.

Backward, a step is linear in the gradients dh and dC of its states. All its factors are computed for many steps at once:

    dC      += dh · hidden_factor      hidden_factor = o h'(C)            (and what comes through o's peephole)
    da_o     = dh · A_o                A_o = h(C) σ'(a_o)
    da_ifC   = dC · A_ifC              A_i = C̃ σ'(a_i),  A_f = C_{t-1} σ'(a_f),  A_C = i g'(a_C)
    dC_{t-1} = dC · cell_factor        cell_factor = f                    (and what comes through i's and f's peepholes)
    dh_{t-1} = da · U

so that the loop itself is four products and one GEMM. The weight gradients are one GEMM after it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gatelab.recurrent.cell import Cell
from gatelab.recurrent.equations import EPSILON, Noise, State, Weights
from gatelab.recurrent.factors import Layout, fill_factors, learned_gates
from gatelab.recurrent.native import product_dtype
from gatelab.recurrent.ragged import StepOrder

aten = torch.ops.aten
CHUNK_BYTES = 2**20  # of the factors computed at once: they stay in the cache of a core


def run_layer(
    x: Tensor, h: Tensor, c: Tensor, weights: Weights, cell: Cell, order: StepOrder, noise: Noise
) -> tuple[Tensor, State]:
    """One layer in one direction over x (B, T, E) from h and c (B, H): as ``equations.trace_layer``, the states alone."""
    terms = input_terms(order.sort_steps(x), weights)  # (N, G·H)
    gemm_dtype = product_dtype(weights.U)
    with torch.autocast(x.device.type, enabled=False):
        states, h_n, c_n = FusedLSTM.apply(
            terms.to(weights.U.dtype),
            weights.U,
            weights.gates,
            weights.peepholes,
            weights.norm_hidden,
            weights.norm_cell,
            order.sort_rows(h.to(weights.U.dtype)),
            order.sort_rows(c.to(weights.U.dtype)),
            None if noise.hidden_mask is None else order.sort_rows(noise.hidden_mask),
            None if noise.keep_hidden is None else order.sort_noise(noise.keep_hidden),
            None if noise.keep_cell is None else order.sort_noise(noise.keep_cell),
            order,
            cell,
            gemm_dtype,
        )
    return order.unsort_steps(states), (order.unsort_rows(h_n), order.unsort_rows(c_n))


def input_terms(x: Tensor, weights: Weights) -> Tensor:
    """What the layer's input adds to the preactivations: x (…, E) → (…, G·H)."""
    if weights.norm_input is None:
        return F.linear(x, weights.W, weights.b)
    terms = F.linear(x, weights.W)
    return F.layer_norm(terms, terms.shape[-1:], weights.norm_input, weights.b, EPSILON)


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


def parts(buffer: Tensor, columns: slice | None, sizes: Sequence[int]) -> Any:
    """A view a step, of some columns."""
    return [None] * len(sizes) if columns is None else buffer[:, columns].split(sizes)


def first(rows: Tensor, count: int) -> Tensor:
    return rows if rows.shape[0] == count else rows[:count]


class FusedLSTM(torch.autograd.Function):
    """terms (N, G·H), U (G·H, H), V (S·H, S·H), P (S·H,), h_0 and c_0 (B, H) → states (N, H), h_n and c_n (B, H).

    ``terms`` is consumed: the gates are written over it.
    """

    @staticmethod
    def forward(
        ctx: Any, terms: Tensor, U: Tensor, V: Tensor | None, P: Tensor | None, norm_hidden: Tensor | None,
        norm_cell: Tensor | None, h_0: Tensor, c_0: Tensor, mask: Tensor | None, keep_hidden: Tensor | None,
        keep_cell: Tensor | None, order: StepOrder, cell: Cell, gemm_dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        B, H = h_0.shape
        N, sizes, at = terms.shape[0], order.sizes, Layout(cell, H)
        gates = terms.detach()
        hs, cs = terms.new_empty(B + N, H), terms.new_empty(B + N, H)  # the states before and after every step
        hs[:B], cs[:B] = h_0, c_0
        news = cs[B:] if keep_cell is None else terms.new_empty(N, H)  # the cell states before zoneout
        recurrent = None if norm_hidden is None else terms.new_empty(N, U.shape[0])
        by_U_T = Product(U.t(), B, gemm_dtype)
        scratch, masked, shifted = terms.new_empty(B, H), terms.new_empty(B, H), terms.new_empty(B, H)
        if V is not None:
            V_T, opened = V.t().contiguous(), terms.new_zeros(B, V.shape[0])
            V_early, V_output = V_T[:, at.early], V_T[:, at.early.stop :]
        if P is not None:
            P_early, P_output = P[at.early].view(at.num_early, H), P[at.early.stop :]

        all_h, all_c = hs.split([B, *sizes]), cs.split([B, *sizes])
        all_gates, all_early = gates.split(sizes), parts(gates, at.early, sizes)
        all_i, all_f = parts(gates, at.input, sizes), parts(gates, at.forget, sizes)
        all_candidates, all_o = parts(gates, at.candidate, sizes), parts(gates, at.output, sizes)
        all_new, all_recurrent = (
            news.split(sizes),
            parts(recurrent, slice(None), sizes) if recurrent is not None else None,
        )
        keeps_h = None if keep_hidden is None else keep_hidden.split(sizes)
        keeps_c = None if keep_cell is None else keep_cell.split(sizes)

        for t, n in enumerate(sizes):
            a, early, o, candidate = all_gates[t], all_early[t], all_o[t], all_candidates[t]
            h_before, c_before = first(all_h[t], n), first(all_c[t], n)
            seen = h_before if mask is None else torch.mul(h_before, mask[:n], out=masked[:n])
            term = by_U_T.add(a, seen) if all_recurrent is None else by_U_T.write(all_recurrent[t], seen)
            if V is not None:
                if at.num_early:
                    term[:, at.early].addmm_(opened[:n], V_early)
                if at.output is not None:
                    term[:, at.output].addmm_(opened[:n], V_output)
            if all_recurrent is not None:
                a.add_(torch.native_layer_norm(term, term.shape[1:], norm_hidden, None, EPSILON)[0])

            if at.num_early:
                if P is not None:
                    early.view(n, -1, H).addcmul_(P_early, c_before[:, None])
                if cell.coupling_shift:
                    torch.sub(cell.coupling_shift, all_f[t], out=shifted[:n]).sigmoid_()  # i = 1 − σ(a_f − shift)
                early.sigmoid_()
            activate_(candidate, cell.candidate_activation, 2.0)
            c = new_cell(all_new[t], c_before, all_i[t], all_f[t], candidate, shifted[:n], cell)
            if o is not None:
                if P is not None:
                    o.addcmul_(P_output, c)
                o.sigmoid_()
            squashed = first(scratch, n)
            if norm_cell is not None:
                squashed = torch.native_layer_norm(c, (H,), norm_cell[0], norm_cell[1], EPSILON)[0]
                activate_(squashed, cell.output_activation)
            elif cell.output_activation == "tanh":
                torch.tanh(c, out=squashed)
            elif cell.output_activation == "identity":
                squashed = c
            else:
                torch.mul(c, 0.5, out=squashed).tanh_()
            h = all_h[t + 1]
            if o is None:
                h.copy_(squashed)
            else:
                torch.mul(o, squashed, out=h)
            if keeps_h is not None:
                torch.lerp(h, h_before, keeps_h[t], out=h)
            if keeps_c is not None:
                torch.lerp(c, c_before, keeps_c[t], out=all_c[t + 1])
            if V is not None:
                gates_now = [part for part in (early, o) if part is not None]
                torch.cat(gates_now, 1, out=opened[:n])

        ctx.save_for_backward(
            gates, hs, cs, None if keep_cell is None else news, recurrent, U, V, P, norm_hidden, norm_cell, mask,
            keep_hidden, keep_cell,
        )  # fmt: skip
        ctx.order, ctx.cell, ctx.gemm_dtype = order, cell, gemm_dtype
        ctx.set_materialize_grads(False)
        return hs[B:], order.final(hs), order.final(cs)

    @staticmethod
    def backward(ctx: Any, d_states: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None) -> tuple[Any, ...]:
        refuse_second_derivative()
        gates, hs, cs, news, recurrent, U, V, P, norm_hidden, norm_cell, mask, keep_hidden, keep_cell = (
            ctx.saved_tensors
        )
        order, cell = ctx.order, ctx.cell
        B, N, H = order.num_rows, gates.shape[0], hs.shape[1]
        sizes, at = order.sizes, Layout(cell, H)
        news = cs[B:] if news is None else news
        dh = torch.zeros_like(hs) if d_states is None else torch.cat([hs.new_zeros(B, H), d_states])  # (B + N, H)
        if d_h_n is not None:
            order.add_final_(dh, d_h_n)
        dc_all = hs.new_zeros(B, H) if d_c_n is None else d_c_n.clone()
        da = torch.empty_like(gates)  # (N, G·H): the factors, then the gradients of the preactivations
        normalized = norm_hidden is not None
        d_recurrent: list[Tensor] = []  # of what U and V give, where layer normalisation stands between it and da
        d_cell_norm = torch.empty_like(news) if norm_cell is not None else None
        if V is not None:
            slopes = gates.new_empty(N, V.shape[0])
            d_opened, through = gates.new_zeros(B, V.shape[0]), gates.new_empty(B, V.shape[0])
            V_early, V_output = V[at.early], V[at.early.stop :]
            S_early, S_output = slice(0, at.early.stop), slice(at.early.stop, V.shape[0])
        if P is not None:
            P_early, P_output = P[at.early].view(at.num_early, H), P[at.early.stop :]
        if normalized:
            _, mean_r, rstd_r = torch.native_layer_norm(recurrent, recurrent.shape[1:], norm_hidden, None, EPSILON)
        if norm_cell is not None:
            _, mean_c, rstd_c = torch.native_layer_norm(news, (H,), norm_cell[0], norm_cell[1], EPSILON)

        all_dh, all_da = dh.split([B, *sizes]), da.split(sizes)
        all_da_o, all_da_rest = parts(da, at.output, sizes), parts(da, at.before_output, sizes)
        keeps_h = None if keep_hidden is None else keep_hidden.split(sizes)
        keeps_c = None if keep_cell is None else keep_cell.split(sizes)
        scratch, carried = gates.new_empty(B, H), gates.new_empty(B, H)
        by_U = Product(U, B, ctx.gemm_dtype)

        rows_at_once = max(B, CHUNK_BYTES // (gates.element_size() * gates.shape[1]))
        hidden_factors, cell_factors = gates.new_empty(rows_at_once, H), gates.new_empty(rows_at_once, H)
        peephole_factors = gates.new_empty(rows_at_once, H) if P is not None and norm_cell is not None else None
        offsets = order.offsets
        stop = len(sizes)
        while stop > 0:
            start = stop - 1
            while start > 0 and offsets[stop] - offsets[start - 1] <= rows_at_once:
                start -= 1
            rows = slice(offsets[start], offsets[stop])
            count = rows.stop - rows.start
            cell_factor = fill_factors(
                da[rows], hidden_factors[:count], cell_factors[:count],
                None if peephole_factors is None else peephole_factors[:count],
                gates[rows], order.before(cs, rows), news[rows], P, norm_cell,
                None if keep_hidden is None else keep_hidden[rows], at, cell,
            )  # fmt: skip
            if V is not None:
                opened_now = learned_gates(gates[rows], at)
                aten.sigmoid_backward.grad_input(torch.ones_like(opened_now), opened_now, grad_input=slopes[rows])
            chunk = sizes[start:stop]
            hidden_parts = hidden_factors[:count].split(chunk)
            cell_parts = None if cell_factor is None else cell_factor.split(chunk)
            peephole_parts = None if peephole_factors is None else peephole_factors[:count].split(chunk)

            for t in range(stop - 1, start - 1, -1):
                n = sizes[t]
                begin = offsets[t]
                dh_t, dh_before, dc = all_dh[t + 1], first(all_dh[t], n), first(dc_all, n)
                if keeps_h is not None:
                    dh_before.addcmul_(dh_t, keeps_h[t])
                if keeps_c is not None:
                    kept = torch.mul(dc, keeps_c[t], out=carried[:n])
                    dc.sub_(kept)
                if d_cell_norm is None:
                    dc.addcmul_(dh_t, hidden_parts[t - start])
                else:
                    d_normed = torch.mul(dh_t, hidden_parts[t - start], out=d_cell_norm[begin : begin + n])
                    dc.add_(
                        aten.native_layer_norm_backward(
                            d_normed, news[begin : begin + n], (H,), mean_c[begin : begin + n],
                            rstd_c[begin : begin + n], norm_cell[0], norm_cell[1], [True, False, False],
                        )[0]
                    )  # fmt: skip
                    if peephole_parts is not None:
                        dc.addcmul_(dh_t, peephole_parts[t - start])
                if at.output is not None:
                    all_da_o[t].mul_(dh_t)
                if V is not None:
                    seen = torch.mul(d_opened[:n], slopes[begin : begin + n], out=through[:n])
                    if at.output is not None:
                        all_da_o[t].add_(seen[:, S_output])
                        if P is not None:
                            dc.addcmul_(seen[:, S_output], P_output)
                all_da_rest[t].view(n, -1, H).mul_(dc[:, None])
                if cell_parts is not None:
                    dc.mul_(cell_parts[t - start])
                if V is not None and at.num_early:
                    all_da[t][:, at.early].add_(seen[:, S_early])
                    if P is not None:
                        for gate in range(at.num_early):
                            dc.addcmul_(seen[:, gate * H : (gate + 1) * H], P_early[gate])
                if keeps_c is not None:
                    dc.add_(kept)
                d_term = all_da[t]
                if normalized:
                    d_term = aten.native_layer_norm_backward(
                        d_term, recurrent[begin : begin + n], recurrent.shape[1:], mean_r[begin : begin + n],
                        rstd_r[begin : begin + n], norm_hidden, None, [True, False, False],
                    )[0]  # fmt: skip
                    d_recurrent.append(d_term)
                if mask is None:
                    by_U.add(dh_before, d_term)
                else:
                    dh_before.addcmul_(by_U.write(scratch[:n], d_term), mask[:n])
                if V is not None:
                    d_opened_now = d_opened[:n]
                    d_opened_now.zero_()
                    if at.num_early:
                        d_opened_now.addmm_(d_term[:, at.early], V_early)
                    if at.output is not None:
                        d_opened_now.addmm_(d_term[:, at.output], V_output)
            stop = start

        everything = slice(0, N)
        d_terms = torch.cat(d_recurrent[::-1]) if d_recurrent else da
        h_before = order.before(hs, everything)
        if mask is not None:
            h_before = h_before * order.repeat_rows(mask)
        d_U = (d_terms.to(ctx.gemm_dtype).t() @ h_before.to(ctx.gemm_dtype)).to(U.dtype)
        d_V = d_P = d_norm_hidden = d_norm_cell = None
        if V is not None:
            opened = learned_gates(gates, at)
            opened = order.before(torch.cat([opened.new_zeros(B, opened.shape[1]), opened]), everything)
            d_gates = learned_gates(d_terms, at)
            d_V = d_gates.t() @ opened
        if P is not None:
            early = (da[:, at.early].view(N, at.num_early, H) * order.before(cs, everything)[:, None]).sum(0).flatten()
            d_P = early if at.output is None else torch.cat([early, (da[:, at.output] * news).sum(0)])
        if normalized:
            d_norm_hidden = aten.native_layer_norm_backward(
                da, recurrent, recurrent.shape[1:], mean_r, rstd_r, norm_hidden, None, [False, True, False]
            )[1]
        if norm_cell is not None:
            _, gain, bias = aten.native_layer_norm_backward(
                d_cell_norm, news, (H,), mean_c, rstd_c, norm_cell[0], norm_cell[1], [False, True, True]
            )
            d_norm_cell = torch.stack([gain, bias])
        return da, d_U, d_V, d_P, d_norm_hidden, d_norm_cell, dh[:B], dc_all, *[None] * 6


def activate_(a: Tensor, activation: str, scale: float = 1.0) -> None:
    """tanh, identity or scale · tanh(a/2), in place."""
    if activation == "tanh":
        a.tanh_()
    elif activation == "tanh_1997":
        a.mul_(0.5).tanh_()
        if scale != 1:
            a.mul_(scale)


def new_cell(
    out: Tensor, before: Tensor, i: Tensor | None, f: Tensor | None, candidate: Tensor, shifted: Tensor, cell: Cell
) -> Tensor:
    """f · before + i · candidate, written to out, in as few passes as the gates that are there allow."""
    if i is not None and f is not None:
        return torch.mul(i, candidate, out=out).addcmul_(f, before)
    if f is not None:
        if cell.coupling_shift:
            return torch.mul(shifted, candidate, out=out).addcmul_(f, before)
        if cell.coupled:
            return torch.lerp(candidate, before, f, out=out)
        return torch.addcmul(candidate, f, before, out=out)
    if i is not None:
        if cell.coupled:
            return torch.lerp(before, candidate, i, out=out)
        return torch.addcmul(before, i, candidate, out=out)
    return torch.add(before, candidate, out=out)
