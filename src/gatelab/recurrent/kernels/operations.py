"""Triton code of ATen operations."""

from gatelab.recurrent.program import Node

CODE = {
    "abs": "tl.abs({0})", "add": "{0} + {1}", "bitwise_and": "{0} & {1}",
    "bitwise_not": "{0} == 0", "bitwise_or": "{0} | {1}", "clamp_max": "tl.minimum({0}, {1})",
    "clamp_min": "tl.maximum({0}, {1})", "cos": "tl.cos({0})", "div": "{0} / {1}", "eq": "{0} == {1}",
    "erf": "tl.erf({0})", "exp": "tl.exp({0})", "expm1": "expm1({0})", "ge": "{0} >= {1}", "gt": "{0} > {1}",
    "hardsigmoid": "tl.minimum(tl.maximum({0} / 6 + 0.5, 0.0), 1.0)",
    "hardsigmoid_backward": "{0} * tl.where(tl.abs({1}) < 3, 1 / 6, 0.0)",
    "hardtanh": "tl.minimum(tl.maximum({0}, {1}), {2})",
    "hardtanh_backward": "tl.where(({1} > {2}) & ({1} < {3}), {0}, 0.0)", "le": "{0} <= {1}",
    "leaky_relu": "tl.where({0} > 0, {0}, {0} * {1})", "leaky_relu_backward": "tl.where({1} > 0, {0}, {0} * {2})",
    "log": "tl.log({0})", "log1p": "log1p({0})",
    "log_sigmoid": "-softplus(-{0}, 1.0, 20.0)",
    "logaddexp": "tl.maximum({0}, {1}) + log1p(tl.exp(-tl.abs({0} - {1})))", "logical_and": "{0} & {1}",
    "logical_not": "{0} == 0", "logical_or": "{0} | {1}", "lt": "{0} < {1}", "masked_fill": "tl.where({1}, {2}, {0})",
    "maximum": "tl.maximum({0}, {1})", "minimum": "tl.minimum({0}, {1})", "mul": "{0} * {1}", "ne": "{0} != {1}",
    "neg": "-{0}", "reciprocal": "1 / {0}", "relu": "tl.maximum({0}, 0.0)", "rsqrt": "1 / tl.sqrt({0})",
    "sgn": "sign({0})", "sigmoid": "sigmoid({0})", "sigmoid_backward": "{0} * {1} * (1 - {1})", "sign": "sign({0})",
    "silu": "{0} * sigmoid({0})", "silu_backward": "{0} * sigmoid({1}) * (1 + {1} * (1 - sigmoid({1})))",
    "sin": "tl.sin({0})", "softplus": "softplus({0}, {1}, {2})",
    "softplus_backward": "{0} * tl.where({1} * {2} > {3}, 1.0, sigmoid({1} * {2}))", "sqrt": "tl.sqrt({0})",
    "sub": "{0} - {1}", "tanh": "tanh({0})", "tanh_backward": "{0} * (1 - {1} * {1})",
    "threshold_backward": "tl.where({1} > {2}, {0}, 0.0)", "where": "tl.where({0}, {1}, {2})",
}  # fmt: skip
# Of arguments that torch leaves out.
DEFAULTS = {"softplus": (1.0, 20.0), "leaky_relu": (0.01,), "hardtanh": (-1.0, 1.0)}


class Unsupported(Exception):
    """What the kernels cannot do, as the end of a sentence that begins with the backend's name."""


def code_of(node: Node, args: list[str]) -> str:
    """Raises Unsupported for an operation that has none."""
    code = CODE.get(node.op)
    if node.op == "pow" and node.args[1].op == "constant":
        code = power(node.args[1].value)
    if code is None:
        raise Unsupported(f"has no Triton code for {node.op}, which the cell computes")
    args = [*args, *map(literal, DEFAULTS.get(node.op, ())[len(args) - 1 :])]
    if "tl." in code:  # where a number alone would be a float32
        args = [arg if arg.startswith("v") else f"tl.full((), {arg}, ACC)" for arg in args]
    return code.format(*args)


def power(exponent: float) -> str:
    if not exponent.is_integer():
        return f"tl.exp({exponent!r} * tl.log({{0}}))"
    product = " * ".join(["{0}"] * abs(int(exponent))) or "1.0"
    return product if exponent >= 0 else f"1 / ({product})"


def literal(value: float) -> str:
    text = repr(value)
    return f'float("{text}")' if "n" in text else f"({text})" if value < 0 else text
