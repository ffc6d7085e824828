"""The time loop of every variant as two Triton kernels, forward and backward; cuda.py launches them.

B batch, T time, H hidden; G what has weights, S the gates among them. Buffers are time-major: (T, B, ·).

A program owns a tile: some rows of the batch and, for those, the same hidden columns of all gates, so that what is
elementwise in the equations stays inside it. What it needs of others is the hidden state before (backward: the gradients of
the preactivations after), which all programs of a batch tile write, then meet at a counter, then read from the L2 cache.
A step has as many phases as meetings: one, or three with layer normalisation, whose two reductions go over all of a row.

The phases begin … end − 1 of all T · PHASES run in one launch. Programs of different columns may only share a launch
where they can meet (MEETING, all of them resident at once); otherwise each phase is a launch of its own. That is how the
interpreter runs them, one program after another.

Backward, gradients of states are kept in ACC (float32) and the gates opened again from the saved preactivations, since
σ(1 − σ) of a gate rounded to 16 bits is zero near saturation.
"""

import triton
import triton.language as tl


@triton.jit
def sigmoid(a):
    return 1 / (1 + tl.exp(-a))


@triton.jit
def tanh(a):
    e = tl.exp(-2 * tl.abs(a))
    magnitude = (1 - e) / (1 + e)
    return tl.where(a < 0, -magnitude, magnitude)


@triton.jit
def own_tile(tile, row_tile, B, H: tl.constexpr, G: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """A program's rows and columns, which of them exist, and where they stand in a (B, H) and in a (B, G·H)."""
    rows, cols = row_tile * ROWS + tl.arange(0, ROWS), tile * COLUMNS + tl.arange(0, COLUMNS)
    row_ok, col_ok = rows < B, cols < H
    own = rows[:, None] * H + cols[None, :]
    own_gates = rows[:, None] * (G * H) + cols[None, :]
    return rows, cols, row_ok, col_ok, row_ok[:, None] & col_ok[None, :], own, own_gates


@triton.jit
def take(pointer, offsets, ok, ACC: tl.constexpr):
    return tl.load(pointer + offsets, mask=ok, other=0.0).to(ACC)


@triton.jit
def take_shared(pointer, offsets, ok):
    """What another program wrote: past this multiprocessor's own cache, which may hold an older line."""
    return tl.load(pointer + offsets, mask=ok, other=0.0, cache_modifier=".cg")


@triton.jit
def meet(counter, arrivals, MEETING: tl.constexpr):
    """All programs of a batch tile: what each wrote before is seen by all after. Alone, the program's own threads."""
    tl.debug_barrier()
    if MEETING:
        tl.atomic_add(counter, 1, sem="release", scope="gpu")
        while tl.atomic_add(counter, 0, sem="acquire", scope="gpu") < arrivals:
            pass
        tl.debug_barrier()


@triton.jit
def add_product(acc, x, w, PRECISION: tl.constexpr):
    if PRECISION == "as float32":  # the interpreter's products do not know bfloat16
        acc = tl.dot(x.to(tl.float32), w.to(tl.float32), acc)
    else:
        acc = tl.dot(x, w, acc, input_precision=PRECISION, out_dtype=acc.dtype)
    return acc


@triton.jit
def add_rows(acc, x, W, gate: tl.constexpr, ks, cols, H: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr):
    """acc + x (rows, ks) · W[gate·H + cols, ks]ᵀ, W (·, K)."""
    ok = (ks < K)[:, None] & (cols < H)[None, :]
    w = tl.load(W + (gate * H + cols)[None, :] * K + ks[:, None], mask=ok, other=0.0)
    return add_product(acc, x, w, PRECISION)


@triton.jit
def add_columns(
    acc, x, W, row: tl.constexpr, ks, first, cols, H: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr
):
    """acc + x (rows, ks) · W[row·H + ks, first + cols], ks < H, W (·, K)."""
    ok = (ks < H)[:, None] & (cols < H)[None, :]
    w = tl.load(W + (row * H + ks)[:, None] * K + (first + cols)[None, :], mask=ok, other=0.0)
    return add_product(acc, x, w, PRECISION)


@triton.jit
def peephole(P, at: tl.constexpr, cols, H: tl.constexpr, ACC: tl.constexpr):
    """One gate's peephole weights as a row (1, columns)."""
    return take(P, at * H + cols, cols < H, ACC)[None, :]


@triton.jit
def open_gates(
    a_i, a_f, a_c, c_before, P, shift, cols, H: tl.constexpr, ACC: tl.constexpr,
    INPUT: tl.constexpr, FORGET: tl.constexpr, COUPLED: tl.constexpr, PEEPHOLES: tl.constexpr, CANDIDATE: tl.constexpr,
):  # fmt: skip
    """Input gate, forget gate and candidate from their preactivations and C_{t-1}; 1 for a gate that is not there."""
    if PEEPHOLES:
        if INPUT >= 0:
            a_i += peephole(P, INPUT, cols, H, ACC) * c_before
        if FORGET >= 0:
            a_f += peephole(P, FORGET, cols, H, ACC) * c_before
    i = tl.full(a_c.shape, 1.0, ACC)
    f = tl.full(a_c.shape, 1.0, ACC)
    if INPUT >= 0:
        i = sigmoid(a_i)
    if FORGET >= 0:
        f = sigmoid(a_f)
    if COUPLED == "input":
        f = 1 - i
    if COUPLED == "forget":
        i = 1 - sigmoid(a_f - shift)
    if CANDIDATE == "tanh":
        a_c = tanh(a_c)
    if CANDIDATE == "tanh_1997":
        a_c = 2 * tanh(a_c / 2)
    return i, f, a_c


@triton.jit
def open_output(
    a_o, c, P, cols, H: tl.constexpr, ACC: tl.constexpr, OUTPUT: tl.constexpr, PEEPHOLES: tl.constexpr
):  # fmt: skip
    o = tl.full(c.shape, 1.0, ACC)
    if OUTPUT >= 0:
        if PEEPHOLES:
            a_o += peephole(P, OUTPUT - 1, cols, H, ACC) * c
        o = sigmoid(a_o)
    return o


@triton.jit
def squash(c, SQUASH: tl.constexpr):
    if SQUASH == "tanh":
        c = tanh(c)
    if SQUASH == "tanh_1997":
        c = tanh(c / 2)
    return c


@triton.jit
def take_two(sums, t, rows, B, row_ok, tiles, NUM_TILES: tl.constexpr):
    """Two numbers of every row and tile, each (rows, tiles)."""
    ok = row_ok[:, None] & (tiles < NUM_TILES)[None, :]
    at = ((t * B + rows)[:, None] * NUM_TILES + tiles[None, :]) * 2
    return take_shared(sums, at, ok), take_shared(sums, at + 1, ok)


@triton.jit
def row_statistics(sums, t, rows, B, row_ok, count: tl.constexpr, COLUMNS: tl.constexpr, H: tl.constexpr,
                   NUM_TILES: tl.constexpr, TILES_PADDED: tl.constexpr, EPSILON: tl.constexpr):  # fmt: skip
    """Mean and 1/σ (rows, 1) over count · H numbers, from every tile's mean and squared deviations (Chan et al. 1979)."""
    tiles = tl.arange(0, TILES_PADDED)
    tile_mean, deviations = take_two(sums, t, rows, B, row_ok, tiles, NUM_TILES)
    n = tl.maximum(tl.minimum(COLUMNS, H - tiles * COLUMNS), 0)[None, :] * count
    mean = tl.sum(tile_mean * n, 1)[:, None] / (count * H)
    distance = tile_mean - mean
    variance = tl.sum(deviations + n * distance * distance, 1)[:, None] / (count * H)
    return mean, 1 / tl.sqrt(variance + EPSILON)


@triton.jit
def row_sums(sums, t, rows, B, row_ok, NUM_TILES: tl.constexpr, TILES_PADDED: tl.constexpr):
    """Two sums (rows, 1) over the whole row, from every tile's."""
    first, second = take_two(sums, t, rows, B, row_ok, tl.arange(0, TILES_PADDED), NUM_TILES)
    return tl.sum(first, 1)[:, None], tl.sum(second, 1)[:, None]


@triton.jit
def take_statistics(statistics, t, rows, B, row_ok, ACC: tl.constexpr):
    """Mean and 1/σ (rows, 1) out of a (T, B, 2)."""
    at = (t * B + rows) * 2
    return take(statistics, at, row_ok, ACC)[:, None], take(statistics, at + 1, row_ok, ACC)[:, None]


@triton.jit
def normalized(
    recurrent, gain, at: tl.constexpr, own_gates, cols, valid, mean, scale, H: tl.constexpr, ACC: tl.constexpr
):
    """One gate's recurrent term after layer normalisation."""
    r = take(recurrent, own_gates + at * H, valid, ACC)
    return (r - mean) * scale * take(gain, at * H + cols, cols < H, ACC)[None, :]


@triton.jit
def put_two(sums, t, rows, B, row_ok, tile, first, second, NUM_TILES: tl.constexpr):
    at = ((t * B + rows) * NUM_TILES + tile) * 2
    tl.store(sums + at, first, mask=row_ok)
    tl.store(sums + at + 1, second, mask=row_ok)


@triton.jit
def squared_deviations(x, mean, ok):
    distance = tl.where(ok, x - mean[:, None], 0.0)
    return tl.sum(distance * distance, 1)


@triton.jit(do_not_specialize=["B", "T", "begin", "end"])
def forward_kernel(
    counters, a, U, V, P, norm_hidden, norm_cell, hs, cs, news, opened, recurrent, hidden_sums, cell_sums, mask, keep_hidden,
    keep_cell, lengths, B, T, begin, end, shift,
    H: tl.constexpr, G: tl.constexpr, S: tl.constexpr,
    INPUT: tl.constexpr, FORGET: tl.constexpr, CANDIDATE_AT: tl.constexpr, OUTPUT: tl.constexpr,
    COUPLED: tl.constexpr, PEEPHOLES: tl.constexpr, GATE_RECURRENCE: tl.constexpr, CANDIDATE: tl.constexpr,
    SQUASH: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr, ZONEOUT_HIDDEN: tl.constexpr,
    ZONEOUT_CELL: tl.constexpr, RAGGED: tl.constexpr, EPSILON: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr,
    MEETING: tl.constexpr, NUM_TILES: tl.constexpr, TILES_PADDED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """a (T, B, G·H): the input terms, over which the preactivations (without peepholes) are written.

    hs, cs (T + 1, B, H): the states, of which the first are given; news (T, B, H): the cell states before zoneout. Past a
    row's end nothing is written.
    """
    tile, row_tile = tl.program_id(0), tl.program_id(1)
    rows, cols, row_ok, col_ok, ok, own, own_gates = own_tile(tile, row_tile, B, H, G, ROWS, COLUMNS)
    B_long = B.to(tl.int64)
    PHASES: tl.constexpr = 3 if NORM else 1
    longest = T
    if RAGGED:
        length = tl.load(lengths + rows, mask=row_ok, other=0)
        longest = tl.max(length, 0)
    arrivals = 0

    for s in range(begin, tl.minimum(end, longest * PHASES)):
        t = s // PHASES
        phase = s % PHASES
        state = t * B_long * H  # of step t in a (·, B, H)
        after = state + B_long * H
        gates = t * B_long * (G * H)
        valid = ok
        if RAGGED:
            valid = ok & (t < length)[:, None]

        r_i = tl.zeros((ROWS, COLUMNS), ACC)
        r_f = tl.zeros((ROWS, COLUMNS), ACC)
        r_c = tl.zeros((ROWS, COLUMNS), ACC)
        r_o = tl.zeros((ROWS, COLUMNS), ACC)
        if phase == 0:  # U h_{t-1}, and what the gates see of the gates before
            for k in range(0, H, DEPTH):
                ks = k + tl.arange(0, DEPTH)
                seen_ok = row_ok[:, None] & (ks < H)[None, :]
                seen = take_shared(hs + state, rows[:, None] * H + ks[None, :], seen_ok)
                if MASKED:
                    masked = seen.to(ACC) * take(mask, rows[:, None] * H + ks[None, :], seen_ok, ACC)
                    seen = masked.to(hs.dtype.element_ty)
                if INPUT >= 0:
                    r_i = add_rows(r_i, seen, U, INPUT, ks, cols, H, H, PRECISION)
                if FORGET >= 0:
                    r_f = add_rows(r_f, seen, U, FORGET, ks, cols, H, H, PRECISION)
                r_c = add_rows(r_c, seen, U, CANDIDATE_AT, ks, cols, H, H, PRECISION)
                if OUTPUT >= 0:
                    r_o = add_rows(r_o, seen, U, OUTPUT, ks, cols, H, H, PRECISION)
            if GATE_RECURRENCE:
                for k in range(0, S * H, DEPTH):
                    ks = k + tl.arange(0, DEPTH)
                    seen_ok = row_ok[:, None] & (ks < S * H)[None, :]
                    seen = take_shared(opened + state * S, rows[:, None] * (S * H) + ks[None, :], seen_ok)
                    if INPUT >= 0:
                        r_i = add_rows(r_i, seen, V, INPUT, ks, cols, H, S * H, PRECISION)
                    if FORGET >= 0:
                        r_f = add_rows(r_f, seen, V, FORGET, ks, cols, H, S * H, PRECISION)
                    if OUTPUT >= 0:
                        r_o = add_rows(r_o, seen, V, OUTPUT - 1, ks, cols, H, S * H, PRECISION)
            if NORM:
                width = tl.minimum(COLUMNS, H - tile * COLUMNS) * G
                total = tl.sum(r_c, 1)
                if INPUT >= 0:
                    tl.store(recurrent + gates + own_gates + INPUT * H, r_i, mask=valid)
                    total += tl.sum(r_i, 1)
                if FORGET >= 0:
                    tl.store(recurrent + gates + own_gates + FORGET * H, r_f, mask=valid)
                    total += tl.sum(r_f, 1)
                tl.store(recurrent + gates + own_gates + CANDIDATE_AT * H, r_c, mask=valid)
                if OUTPUT >= 0:
                    tl.store(recurrent + gates + own_gates + OUTPUT * H, r_o, mask=valid)
                    total += tl.sum(r_o, 1)
                mean = total / width
                deviations = squared_deviations(r_c, mean, ok)
                if INPUT >= 0:
                    deviations += squared_deviations(r_i, mean, ok)
                if FORGET >= 0:
                    deviations += squared_deviations(r_f, mean, ok)
                if OUTPUT >= 0:
                    deviations += squared_deviations(r_o, mean, ok)
                put_two(hidden_sums, t, rows, B, row_ok, tile, mean, deviations, NUM_TILES)

        c = tl.zeros((ROWS, COLUMNS), ACC)
        a_o = tl.zeros((ROWS, COLUMNS), ACC)
        if phase == PHASES // 2:  # the gates and the cell state
            if NORM:
                mean_r, scale = row_statistics(
                    hidden_sums, t, rows, B, row_ok, G, COLUMNS, H, NUM_TILES, TILES_PADDED, EPSILON
                )
                if INPUT >= 0:
                    r_i = normalized(
                        recurrent + gates, norm_hidden, INPUT, own_gates, cols, valid, mean_r, scale, H, ACC
                    )
                if FORGET >= 0:
                    r_f = normalized(
                        recurrent + gates, norm_hidden, FORGET, own_gates, cols, valid, mean_r, scale, H, ACC
                    )
                r_c = normalized(
                    recurrent + gates, norm_hidden, CANDIDATE_AT, own_gates, cols, valid, mean_r, scale, H, ACC
                )
                if OUTPUT >= 0:
                    r_o = normalized(
                        recurrent + gates, norm_hidden, OUTPUT, own_gates, cols, valid, mean_r, scale, H, ACC
                    )
            if INPUT >= 0:
                r_i += take(a + gates, own_gates + INPUT * H, valid, ACC)
                tl.store(a + gates + own_gates + INPUT * H, r_i, mask=valid)
            if FORGET >= 0:
                r_f += take(a + gates, own_gates + FORGET * H, valid, ACC)
                tl.store(a + gates + own_gates + FORGET * H, r_f, mask=valid)
            r_c += take(a + gates, own_gates + CANDIDATE_AT * H, valid, ACC)
            tl.store(a + gates + own_gates + CANDIDATE_AT * H, r_c, mask=valid)
            if OUTPUT >= 0:
                a_o = take(a + gates, own_gates + OUTPUT * H, valid, ACC) + r_o
                tl.store(a + gates + own_gates + OUTPUT * H, a_o, mask=valid)
            c_before = take(cs + state, own, ok, ACC)
            i, f, candidate = open_gates(
                r_i, r_f, r_c, c_before, P, shift, cols, H, ACC, INPUT, FORGET, COUPLED, PEEPHOLES, CANDIDATE
            )
            c = f * c_before + i * candidate
            carried = c
            if ZONEOUT_CELL:
                kept = take(keep_cell + state, own, valid, ACC)
                carried = kept * c_before + (1 - kept) * c
                tl.store(news + state + own, c, mask=valid)
            tl.store(cs + after + own, carried, mask=valid)
            if GATE_RECURRENCE:
                opened_at = opened + after * S + rows[:, None] * (S * H) + cols[None, :]
                if INPUT >= 0:
                    tl.store(opened_at + INPUT * H, i, mask=valid)
                if FORGET >= 0:
                    tl.store(opened_at + FORGET * H, f, mask=valid)
            if NORM:
                mean = tl.sum(tl.where(ok, c, 0.0), 1) / tl.minimum(COLUMNS, H - tile * COLUMNS)
                put_two(cell_sums, t, rows, B, row_ok, tile, mean, squared_deviations(c, mean, ok), NUM_TILES)

        if phase == PHASES - 1:  # the hidden state
            normed = c
            if NORM:
                c = take(news + state, own, valid, ACC)
                mean_c, scale = row_statistics(
                    cell_sums, t, rows, B, row_ok, 1, COLUMNS, H, NUM_TILES, TILES_PADDED, EPSILON
                )
                normed = (c - mean_c) * scale * take(norm_cell, cols, col_ok, ACC)[None, :]
                normed += take(norm_cell, H + cols, col_ok, ACC)[None, :]
                if OUTPUT >= 0:
                    a_o = take(a + gates, own_gates + OUTPUT * H, valid, ACC)
            o = open_output(a_o, c, P, cols, H, ACC, OUTPUT, PEEPHOLES)
            h = o * squash(normed, SQUASH)
            if ZONEOUT_HIDDEN:
                kept = take(keep_hidden + state, own, valid, ACC)
                h = kept * take(hs + state, own, ok, ACC) + (1 - kept) * h
            tl.store(hs + after + own, h, mask=valid)
            if GATE_RECURRENCE and OUTPUT >= 0:
                opened_at = opened + after * S + rows[:, None] * (S * H) + cols[None, :]
                tl.store(opened_at + (OUTPUT - 1) * H, o, mask=valid)
        arrivals += NUM_TILES
        meet(counters + row_tile, arrivals, MEETING)


@triton.jit(do_not_specialize=["B", "T", "begin", "end"])
def backward_kernel(
    counters, a, U, V, P, norm_hidden, norm_cell, cs, news, recurrent, hidden_statistics, cell_statistics, hidden_sums, cell_sums,
    mask, keep_hidden, keep_cell, lengths, d_states, dh_all, dc_all, da, d_recurrent, d_normed,
    B, T, begin, end, shift,
    H: tl.constexpr, G: tl.constexpr, S: tl.constexpr,
    INPUT: tl.constexpr, FORGET: tl.constexpr, CANDIDATE_AT: tl.constexpr, OUTPUT: tl.constexpr,
    COUPLED: tl.constexpr, PEEPHOLES: tl.constexpr, GATE_RECURRENCE: tl.constexpr, CANDIDATE: tl.constexpr,
    SQUASH: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr, ZONEOUT_HIDDEN: tl.constexpr,
    ZONEOUT_CELL: tl.constexpr, RAGGED: tl.constexpr, EPSILON: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr,
    MEETING: tl.constexpr, NUM_TILES: tl.constexpr, TILES_PADDED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """da (T, B, G·H): the gradients of a; d_recurrent: of the recurrent terms, which is da itself but for NORM.

    dh_all, dc_all (B, H) hold the gradients of the final states; left there: those of the first, but for U's part of dh.
    hidden_statistics, cell_statistics (T, B, 2): mean and 1/σ of what was normalised.
    """
    tile, row_tile = tl.program_id(0), tl.program_id(1)
    rows, cols, row_ok, col_ok, ok, own, own_gates = own_tile(tile, row_tile, B, H, G, ROWS, COLUMNS)
    B_long = B.to(tl.int64)
    PHASES: tl.constexpr = 3 if NORM else 1
    longest = T
    if RAGGED:
        length = tl.load(lengths + rows, mask=row_ok, other=0)
        longest = tl.max(length, 0)
    arrivals = 0

    for s in range(tl.maximum(begin, (T - longest) * PHASES), end):
        t = T - 1 - s // PHASES
        phase = s % PHASES
        state = t * B_long * H
        gates = t * B_long * (G * H)
        gates_after = gates + B_long * (G * H)
        valid = ok
        if RAGGED:
            valid = ok & (t < length)[:, None]
        inner = tl.where(t + 1 < longest, H, 0)  # of the products with what came after: nothing at the last step

        c = take(news + state, own, valid, ACC)
        dh = take(dh_all, own, ok, ACC)
        a_o = tl.zeros((ROWS, COLUMNS), ACC)
        if OUTPUT >= 0:
            a_o = take(a + gates, own_gates + OUTPUT * H, valid, ACC)
        o = open_output(a_o, c, P, cols, H, ACC, OUTPUT, PEEPHOLES)
        normed = c
        if NORM:
            mean_c, scale_c = take_statistics(cell_statistics, t, rows, B_long, row_ok, ACC)
            standard_c = (c - mean_c) * scale_c
            gain_c = take(norm_cell, cols, col_ok, ACC)[None, :]
            normed = standard_c * gain_c + take(norm_cell, H + cols, col_ok, ACC)[None, :]
        squashed = squash(normed, SQUASH)

        if phase == 0:  # dh_t: from the states themselves, and through U from the step after
            through = tl.zeros((ROWS, COLUMNS), ACC)
            for k in range(0, inner, DEPTH):
                ks = k + tl.arange(0, DEPTH)
                seen_ok = row_ok[:, None] & (ks < H)[None, :]
                seen_at = d_recurrent + gates_after + rows[:, None] * (G * H) + ks[None, :]
                for gate in tl.static_range(G):
                    seen = take_shared(seen_at, gate * H, seen_ok)
                    through = add_columns(through, seen, U, gate, ks, 0, cols, H, H, PRECISION)
            if MASKED:
                through *= take(mask, own, ok, ACC)
            dh = tl.where(valid, dh + through + take(d_states + state, own, valid, ACC), dh)
            if NORM:
                tl.store(dh_all + own, dh, mask=ok)

        taken = dh
        if ZONEOUT_HIDDEN:
            taken = dh * (1 - take(keep_hidden + state, own, valid, ACC))
        slope = tl.full(c.shape, 1.0, ACC)
        if SQUASH == "tanh":
            slope = 1 - squashed * squashed
        if SQUASH == "tanh_1997":
            slope = (1 - squashed * squashed) / 2
        d_squashed = tl.where(valid, taken * o * slope, 0.0)
        if NORM:
            if phase == 0:
                tl.store(d_normed + state + own, d_squashed, mask=ok)
                weighted = d_squashed * gain_c
                put_two(
                    cell_sums,
                    t,
                    rows,
                    B,
                    row_ok,
                    tile,
                    tl.sum(weighted, 1),
                    tl.sum(weighted * standard_c, 1),
                    NUM_TILES,
                )

        if phase == PHASES // 2:  # dC_t, dC_{t-1} and the gradients of the preactivations
            c_before = take(cs + state, own, ok, ACC)
            a_i = tl.zeros((ROWS, COLUMNS), ACC)
            a_f = tl.zeros((ROWS, COLUMNS), ACC)
            if INPUT >= 0:
                a_i = take(a + gates, own_gates + INPUT * H, valid, ACC)
            if FORGET >= 0:
                a_f = take(a + gates, own_gates + FORGET * H, valid, ACC)
            a_c = take(a + gates, own_gates + CANDIDATE_AT * H, valid, ACC)
            i, f, candidate = open_gates(
                a_i, a_f, a_c, c_before, P, shift, cols, H, ACC, INPUT, FORGET, COUPLED, PEEPHOLES, CANDIDATE
            )
            d_i = tl.zeros((ROWS, COLUMNS), ACC)  # of the gates, first from the gates after
            d_f = tl.zeros((ROWS, COLUMNS), ACC)
            d_o = tl.zeros((ROWS, COLUMNS), ACC)
            if GATE_RECURRENCE:
                for k in range(0, inner, DEPTH):
                    ks = k + tl.arange(0, DEPTH)
                    seen_ok = row_ok[:, None] & (ks < H)[None, :]
                    seen_at = d_recurrent + gates_after + rows[:, None] * (G * H) + ks[None, :]
                    for gate in tl.static_range(G):
                        if gate != CANDIDATE_AT:
                            seen = take_shared(seen_at, gate * H, seen_ok)
                            if INPUT >= 0:
                                d_i = add_columns(
                                    d_i, seen, V, gate - (gate > CANDIDATE_AT), ks, INPUT * H, cols, H, S * H, PRECISION
                                )
                            if FORGET >= 0:
                                d_f = add_columns(
                                    d_f,
                                    seen,
                                    V,
                                    gate - (gate > CANDIDATE_AT),
                                    ks,
                                    FORGET * H,
                                    cols,
                                    H,
                                    S * H,
                                    PRECISION,
                                )
                            if OUTPUT >= 0:
                                d_o = add_columns(
                                    d_o,
                                    seen,
                                    V,
                                    gate - (gate > CANDIDATE_AT),
                                    ks,
                                    (OUTPUT - 1) * H,
                                    cols,
                                    H,
                                    S * H,
                                    PRECISION,
                                )
            dc_carried = take(dc_all, own, ok, ACC)
            dc = dc_carried
            kept = tl.zeros((ROWS, COLUMNS), ACC)
            if ZONEOUT_CELL:
                kept = dc * take(keep_cell + state, own, valid, ACC)
                dc -= kept
            if NORM:
                total, along = row_sums(cell_sums, t, rows, B, row_ok, NUM_TILES, TILES_PADDED)
                dc += scale_c * (d_squashed * gain_c - total / H - standard_c * along / H)
            else:
                dc += d_squashed
            if OUTPUT >= 0:
                d_o = tl.where(valid, (d_o + taken * squashed) * o * (1 - o), 0.0)
                tl.store(da + gates + own_gates + OUTPUT * H, d_o, mask=ok)
                if PEEPHOLES:
                    dc += d_o * peephole(P, OUTPUT - 1, cols, H, ACC)

            if COUPLED == "input":
                d_i += dc * (candidate - c_before)
            elif COUPLED == "forget":
                d_f = (d_f + dc * c_before) * f * (1 - f) - dc * candidate * i * (1 - i)
            else:
                d_i += dc * candidate
                d_f += dc * c_before
            dc_before = dc * f + kept
            if INPUT >= 0:
                d_i = tl.where(valid, d_i * i * (1 - i), 0.0)
                tl.store(da + gates + own_gates + INPUT * H, d_i, mask=ok)
                if PEEPHOLES:
                    dc_before += d_i * peephole(P, INPUT, cols, H, ACC)
            if FORGET >= 0:
                if COUPLED != "forget":
                    d_f *= f * (1 - f)
                d_f = tl.where(valid, d_f, 0.0)
                tl.store(da + gates + own_gates + FORGET * H, d_f, mask=ok)
                if PEEPHOLES:
                    dc_before += d_f * peephole(P, FORGET, cols, H, ACC)
            slope = i
            if CANDIDATE == "tanh":
                slope = i * (1 - candidate * candidate)
            if CANDIDATE == "tanh_1997":
                slope = i * (1 - candidate * candidate / 4)
            d_c = tl.where(valid, dc * slope, 0.0)
            tl.store(da + gates + own_gates + CANDIDATE_AT * H, d_c, mask=ok)
            tl.store(dc_all + own, tl.where(valid, dc_before, dc_carried), mask=ok)
            tl.store(dh_all + own, tl.where(valid, dh - taken, dh), mask=ok)
            if NORM:
                mean_r, scale_r = take_statistics(hidden_statistics, t, rows, B_long, row_ok, ACC)
                total = tl.zeros((ROWS,), ACC)
                along = tl.zeros((ROWS,), ACC)
                for gate in tl.static_range(G):
                    d = d_c
                    if gate == INPUT:
                        d = d_i
                    if gate == FORGET:
                        d = d_f
                    if gate == OUTPUT:
                        d = d_o
                    weighted = d * take(norm_hidden, gate * H + cols, col_ok, ACC)[None, :]
                    r = take(recurrent + gates, own_gates + gate * H, valid, ACC)
                    total += tl.sum(weighted, 1)
                    along += tl.sum(weighted * (r - mean_r) * scale_r, 1)
                put_two(hidden_sums, t, rows, B, row_ok, tile, total, along, NUM_TILES)

        if NORM:
            if phase == 2:  # through the normalisation of the recurrent term
                mean_r, scale_r = take_statistics(hidden_statistics, t, rows, B_long, row_ok, ACC)
                total, along = row_sums(hidden_sums, t, rows, B, row_ok, NUM_TILES, TILES_PADDED)
                for gate in tl.static_range(G):
                    d = take(da + gates, own_gates + gate * H, valid, ACC)
                    weighted = d * take(norm_hidden, gate * H + cols, col_ok, ACC)[None, :]
                    r = take(recurrent + gates, own_gates + gate * H, valid, ACC)
                    d_r = scale_r * (weighted - total / (G * H) - (r - mean_r) * scale_r * along / (G * H))
                    tl.store(d_recurrent + gates + own_gates + gate * H, tl.where(valid, d_r, 0.0), mask=ok)
        arrivals += NUM_TILES
        meet(counters + row_tile, arrivals, MEETING)
