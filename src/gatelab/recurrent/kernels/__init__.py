"""The Triton kernels of any pointwise cell, forward and backward, written from its equations; cuda.py launches them.

B batch, T time, H hidden; C columns of preactivations, R those that h reaches, S recurrent named values. Buffers are
time-major: (T, B, ·); those of states have T + 1 steps, of which the first is given.

A program owns a tile: some rows of the batch and, for those, the same hidden columns of all gates and states, so that all of
the equations stays inside it. What it needs of others is the hidden state before (backward: the gradients of the
preactivations after), which all programs of a batch tile write, then meet at a counter, then read from the L2 cache. A step
has as many phases as meetings: one, and one more for each reduction of layer normalisation over all of a row and for the
product with what ``Cell.inner`` returns. A cell without any product and normalisation has no meetings.

The phases begin … end − 1 of all T · PHASES run in one launch. Programs of different columns may only share a launch
where they can meet (MEETING, all of them resident at once); otherwise each phase is a launch of its own. That is how the
interpreter runs them, one program after another.

Backward, gradients of states are kept in ACC (float32) and every value computed again from the saved preactivations, since
σ(1 − σ) of a gate rounded to 16 bits is zero near saturation.
"""
