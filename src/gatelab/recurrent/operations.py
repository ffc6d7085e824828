"""ATen operations in a notation that Triton and C share, but for the names of functions: see kernels/phase.py and c_source.py."""

from gatelab.recurrent.program import Node

CODE = {
    "abs": "abs({0})", "add": "{0} + {1}", "bitwise_and": "{0} & {1}",
    "bitwise_not": "{0} == 0", "bitwise_or": "{0} | {1}", "clamp_max": "minimum({0}, {1})",
    "clamp_min": "maximum({0}, {1})", "cos": "cos({0})", "div": "{0} / {1}", "eq": "{0} == {1}",
    "erf": "erf({0})", "exp": "exp({0})", "expm1": "expm1({0})", "ge": "{0} >= {1}", "gt": "{0} > {1}",
    "hardsigmoid": "minimum(maximum({0} / 6 + 0.5, 0.0), 1.0)",
    "hardsigmoid_backward": "{0} * where(abs({1}) < 3, 0.16666666666666666, 0.0)",
    "hardtanh": "minimum(maximum({0}, {1}), {2})",
    "hardtanh_backward": "where(({1} > {2}) & ({1} < {3}), {0}, 0.0)", "le": "{0} <= {1}",
    "leaky_relu": "where({0} > 0, {0}, {0} * {1})", "leaky_relu_backward": "where({1} > 0, {0}, {0} * {2})",
    "log": "log({0})", "log1p": "log1p({0})",
    "log_sigmoid": "-softplus(-{0}, 1.0, 20.0)",
    "logaddexp": "maximum({0}, {1}) + log1p(exp(-abs({0} - {1})))", "logical_and": "{0} & {1}",
    "logical_not": "{0} == 0", "logical_or": "{0} | {1}", "lt": "{0} < {1}", "masked_fill": "where({1}, {2}, {0})",
    "maximum": "maximum({0}, {1})", "minimum": "minimum({0}, {1})", "mul": "{0} * {1}", "ne": "{0} != {1}",
    "neg": "-{0}", "reciprocal": "1 / {0}", "relu": "maximum({0}, 0.0)", "rsqrt": "1 / sqrt({0})",
    "sgn": "sign({0})", "sigmoid": "sigmoid({0})", "sigmoid_backward": "{0} * {1} * (1 - {1})", "sign": "sign({0})",
    "silu": "{0} * sigmoid({0})", "silu_backward": "{0} * sigmoid({1}) * (1 + {1} * (1 - sigmoid({1})))",
    "sin": "sin({0})", "softplus": "softplus({0}, {1}, {2})",
    "softplus_backward": "{0} * where({1} * {2} > {3}, 1.0, sigmoid({1} * {2}))", "sqrt": "sqrt({0})",
    "sub": "{0} - {1}", "tanh": "tanh({0})", "tanh_backward": "{0} * (1 - {1} * {1})",
    "threshold_backward": "where({1} > {2}, {0}, 0.0)", "where": "where({0}, {1}, {2})",
}  # fmt: skip
# Of arguments that torch leaves out.
DEFAULTS = {"softplus": (1.0, 20.0), "leaky_relu": (0.01,), "hardtanh": (-1.0, 1.0)}


class Unsupported(Exception):
    """What cannot be computed, as the end of a sentence that begins with the backend's name."""


def code_of(node: Node, num_args: int, language: str) -> tuple[str, tuple[float, ...]]:
    """A template of its arguments, and the numbers that follow those given. Raises Unsupported for an operation without one."""
    code = CODE.get(node.op)
    if node.op == "pow" and node.args[1].op == "constant":
        code = power(node.args[1].value)
    if code is None:
        raise Unsupported(f"has no {language} code for {node.op}, which the cell computes")
    return code, DEFAULTS.get(node.op, ())[num_args - 1 :]


def power(exponent: float) -> str:
    if not exponent.is_integer():
        return f"exp({exponent!r} * log({{0}}))"
    product = " * ".join(["{0}"] * abs(int(exponent))) or "1.0"
    return product if exponent >= 0 else f"1 / ({product})"
