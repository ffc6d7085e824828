"""What every kernel calls. B batch, T time, H hidden."""

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
def sign(x):
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


@triton.jit
def log1p(x):
    """Exact where 1 + x rounds (Kahan)."""
    y = 1 + x
    return tl.where(y == 1, x, tl.log(y) * (x / (y - 1)))


@triton.jit
def expm1(x):
    y = tl.exp(x)
    small = tl.where(y == 1, x, (y - 1) * x / tl.log(y))
    return tl.where(tl.abs(x) < 1, small, y - 1)


@triton.jit
def softplus(x, beta, threshold):
    return tl.where(x * beta > threshold, x, log1p(tl.exp(tl.minimum(x * beta, threshold))) / beta)


@triton.jit
def own_tile(tile, row_tile, B, H: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """A program's rows and columns, which of them exist, and where they stand in a (B, H)."""
    rows, cols = row_tile * ROWS + tl.arange(0, ROWS), tile * COLUMNS + tl.arange(0, COLUMNS)
    row_ok, col_ok = rows < B, cols < H
    own = rows[:, None] * H + cols[None, :]
    return rows, cols, row_ok, col_ok, row_ok[:, None] & col_ok[None, :], own


@triton.jit
def take(pointer, ok, ACC: tl.constexpr):
    return tl.load(pointer, mask=ok, other=0.0).to(ACC)


@triton.jit
def take_shared(pointer, ok):
    """What another program wrote: past this multiprocessor's own cache, which may hold an older line."""
    return tl.load(pointer, mask=ok, other=0.0, cache_modifier=".cg")


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
def take_two(sums, t, rows, B, row_ok, tiles, NUM_TILES: tl.constexpr):
    """Two numbers of every row and tile, each (rows, tiles)."""
    ok = row_ok[:, None] & (tiles < NUM_TILES)[None, :]
    at = sums + ((t * B + rows)[:, None] * NUM_TILES + tiles[None, :]) * 2
    return take_shared(at, ok), take_shared(at + 1, ok)


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
    at = statistics + (t * B + rows) * 2
    return take(at, row_ok, ACC)[:, None], take(at + 1, row_ok, ACC)[:, None]


@triton.jit
def put_two(sums, t, rows, B, row_ok, tile, first, second, NUM_TILES: tl.constexpr):
    at = ((t * B + rows) * NUM_TILES + tile) * 2
    tl.store(sums + at, first, mask=row_ok)
    tl.store(sums + at + 1, second, mask=row_ok)


@triton.jit
def squared_deviations(x, mean, ok):
    distance = tl.where(ok, x - mean[:, None], 0.0)
    return tl.sum(distance * distance, 1)
