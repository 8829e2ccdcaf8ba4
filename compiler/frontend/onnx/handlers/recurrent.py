"""Recurrent layers, unrolled."""

from __future__ import annotations

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import MatMul

from .control import at, stacked
from .movement import cut

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTIVATIONS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
FUNCTIONS = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu"}


class Layer:
    """One direction of a recurrent layer."""

    def __init__(self, ctx: NodeContext, number: int, hidden: int, functions: tuple[str, ...]) -> None:
        self.ctx = ctx
        self.hidden = hidden
        self.functions = functions
        self.weight = ctx.transpose(self._own(1, number), (1, 0))
        self.recurrent = ctx.transpose(self._own(2, number), (1, 0))
        bias = self._optional(3, number)
        half = GATES[ctx.op] * hidden
        self.bias = None if bias is None else cut(ctx, bias, {0: (0, half, 1)})
        self.recurrent_bias = None if bias is None else cut(ctx, bias, {0: (half, half, 1)})
        peepholes = self._optional(7, number)
        self.peepholes = [
            None if peepholes is None else cut(ctx, peepholes, {0: (n * hidden, hidden, 1)}) for n in range(3)
        ]

    def _own(self, operand: int, number: int) -> Value:
        return at(self.ctx, self.ctx[operand], 0, number)

    def _optional(self, operand: int, number: int) -> Value | None:
        return None if self.ctx.optional(operand) is None else self._own(operand, number)

    def gate(self, value: Value, number: int) -> Value:
        return cut(self.ctx, value, {value.type.rank - 1: (number * self.hidden, self.hidden, 1)})

    def apply(self, function: int, value: Value) -> Value:
        return self.ctx.unary(FUNCTIONS[self.functions[function]], value)

    def product(self, value: Value, weight: Value, bias: Value | None) -> Value:
        result = self.ctx.emit(MatMul(), value, weight)
        return result if bias is None else self.ctx.binary("add", result, bias)

    def step(self, x: Value, h: Value, c: Value) -> tuple[Value, Value]:
        """The states after one element of the sequence."""
        given = self.product(x, self.weight, self.bias)
        return {"RNN": self._rnn, "GRU": self._gru, "LSTM": self._lstm}[self.ctx.op](given, h, c)

    def _rnn(self, given: Value, h: Value, c: Value) -> tuple[Value, Value]:
        total = self.ctx.binary("add", given, self.product(h, self.recurrent, self.recurrent_bias))
        return self.apply(0, total), c

    def _gru(self, given: Value, h: Value, c: Value) -> tuple[Value, Value]:
        ctx = self.ctx
        kept = self.product(h, self.recurrent, self.recurrent_bias)
        update, reset = (self.apply(0, ctx.binary("add", self.gate(given, n), self.gate(kept, n))) for n in (0, 1))
        if ctx.integer("linear_before_reset", 0):
            inner = ctx.binary("mul", reset, self.gate(kept, 2))
        else:
            bias = None if self.recurrent_bias is None else self.gate(self.recurrent_bias, 2)
            inner = self.product(ctx.binary("mul", reset, h), self.gate(self.recurrent, 2), bias)
        new = self.apply(1, ctx.binary("add", self.gate(given, 2), inner))
        moved = ctx.binary("mul", update, ctx.binary("sub", h, new))
        return ctx.binary("add", new, moved), c

    def _lstm(self, given: Value, h: Value, c: Value) -> tuple[Value, Value]:
        ctx = self.ctx
        total = ctx.binary("add", given, self.product(h, self.recurrent, self.recurrent_bias))

        def seen(number: int, cell: Value, peephole: Value | None) -> Value:
            value = self.gate(total, number)
            return value if peephole is None else ctx.binary("add", value, ctx.binary("mul", peephole, cell))

        into = self.apply(0, seen(0, c, self.peepholes[0]))
        forget = self.apply(0, seen(2, c, self.peepholes[2]))
        new = ctx.binary("mul", into, self.apply(1, self.gate(total, 3)))
        cell = ctx.binary("add", ctx.binary("mul", forget, c), new)
        out = self.apply(0, seen(1, cell, self.peepholes[1]))
        return ctx.binary("mul", out, self.apply(2, cell)), cell


@handler("RNN", "GRU", "LSTM", since=7)
def recurrent(ctx: NodeContext) -> list[Value]:
    ctx.reject("direction", "forward", "reverse", "bidirectional")
    ctx.reject("input_forget", 0)
    if ctx.has("clip"):
        raise Unsupported("clip is unsupported")
    batch_first = bool(ctx.integer("layout", 0))
    data = ctx.transpose(ctx[0], (1, 0, 2)) if batch_first else ctx[0]
    length, batch, _ = data.type.shape
    if ctx.optional(4) is not None and any(given != length for given in ctx.known_ints(4, "sequence_lens")):
        raise Unsupported("sequences of different lengths are unsupported; sequence_lens may give the whole length")
    direction = ctx.text("direction", "forward")
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    hidden = ctx.integer("hidden_size", ctx[2].type.shape[-1])
    functions = _functions(ctx, len(backwards))
    outputs, last_h, last_c = [], [], []
    for number, back in enumerate(backwards):
        count = len(ACTIVATIONS[ctx.op])
        layer = Layer(ctx, number, hidden, functions[number * count : (number + 1) * count])
        h, c = (_state(ctx, operand, number, (batch, hidden), batch_first) for operand in (5, 6))
        seen = []
        for place in range(length):
            h, c = layer.step(at(ctx, data, 0, length - 1 - place if back else place), h, c)
            seen.append(h)
        outputs.append(stacked(ctx, seen[::-1] if back else seen, 0))
        last_h.append(h)
        last_c.append(c)
    whole = stacked(ctx, outputs, 1)
    states = [stacked(ctx, last, 0) for last in ([last_h, last_c] if ctx.op == "LSTM" else [last_h])]
    if batch_first:
        whole = ctx.transpose(whole, (2, 0, 1, 3))
        states = [ctx.transpose(state, (1, 0, 2)) for state in states]
    return [whole, *states]


def _functions(ctx: NodeContext, directions: int) -> tuple[str, ...]:
    defaults = ACTIVATIONS[ctx.op] * directions
    given = ctx.texts("activations", defaults)
    if len(given) != len(defaults) or not set(given) <= set(FUNCTIONS):
        raise Unsupported(f"activations {list(given)} are unsupported; {', '.join(FUNCTIONS)} are supported")
    return given


def _state(ctx: NodeContext, operand: int, number: int, shape: tuple[int, int], batch_first: bool) -> Value:
    given = ctx.optional(operand) if ctx.op == "LSTM" or operand == 5 else None
    if given is None:
        return ctx.filled(shape, 0, ctx[0].type.dtype)
    return at(ctx, given, 1 if batch_first else 0, number)
