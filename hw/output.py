"""Output processing: from int32 accumulators to int8, on the way to memory."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import ClassVar

from amaranth.hdl import Array, Cat, Module, Mux, Shape, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import ACC_BITS, OUT_BITS, Config
from dovetail.isa.instructions import Post

MULTIPLIER_BITS = 32
SHIFT_BITS = 6
HALF = MULTIPLIER_BITS // 2
COARSE = 8
"""Wide shifts take two steps: by a multiple of this, then by less than this."""


def record() -> data.StructLayout:
    """What `Param` sets for one output channel."""
    return data.StructLayout({"bias": signed(ACC_BITS), "multiplier": signed(MULTIPLIER_BITS), "shift": SHIFT_BITS})


def post_fields(config: Config) -> data.StructLayout:
    """What `Post` sets: its fields behind the opcode and the flags that all instructions have."""
    own = [field for field in Post.layout(config).fields if field.name in Post.__annotations__]
    return data.StructLayout({field.name: Shape(field.width, field.spec.signed) for field in own})


class OutputPipeline(wiring.Component):
    """Computes `Store`'s formula for `out_lanes` accumulators a cycle. It never stalls.

    Parameters
    ----------
    tag:
        Shape of what accompanies a group.

    Members
    -------
    valid: In(1)
        A group enters: `acc`, `record` (of its channels), `residual`, `with_residual` and `tag`.
    post: In(post_fields)
        Constant while `busy`.
    out_valid: Out(1)
        A group leaves, ``LATENCY`` cycles after it entered: `out` and `out_tag`.
    busy: Out(1)
        A group is inside.
    """

    LATENCY: ClassVar[int]

    def __init__(self, config: Config, *, tag: ShapeLike) -> None:
        self.config = config
        lanes = config.out_lanes
        super().__init__(
            {
                "valid": In(1),
                "acc": In(data.ArrayLayout(signed(ACC_BITS), lanes)),
                "record": In(data.ArrayLayout(record(), lanes)),
                "residual": In(data.ArrayLayout(signed(OUT_BITS), lanes)),
                "with_residual": In(1),
                "tag": In(tag),
                "post": In(post_fields(config)),
                "out_valid": Out(1),
                "out": Out(data.ArrayLayout(signed(OUT_BITS), lanes)),
                "out_tag": Out(tag),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = [
            SimpleNamespace(
                acc=self.acc[k],
                bias=self.record[k].bias,
                multiplier=self.record[k].multiplier,
                shift=self.record[k].shift,
                residual=Mux(self.with_residual, self.residual[k], self.post.res_zero),
            )
            for k in range(self.config.out_lanes)
        ]
        valid, tag = self.valid, Value.cast(self.tag)
        valids = []
        for stage in STAGES:
            name = stage.__name__.strip("_")
            lanes = [_registers(m, valid, stage(lane, self.post), f"{name}_{k}") for k, lane in enumerate(lanes)]
            tag = _registers(m, valid, SimpleNamespace(tag=tag), name).tag
            next_valid = Signal(name=f"{name}_valid")
            m.d.sync += next_valid.eq(valid)
            valid = next_valid
            valids.append(valid)
        m.d.comb += [
            self.out_valid.eq(valid),
            self.out.eq(Cat(lane.result for lane in lanes)),
            self.out_tag.eq(tag),
            self.busy.eq(Cat(valids).any()),
        ]
        return m


def _registers(m: Module, enable: Value, values: SimpleNamespace, name: str) -> SimpleNamespace:
    """Each of `values` a cycle later; they move only with `enable`."""
    registers = SimpleNamespace()
    with m.If(enable):
        for key, value in vars(values).items():
            register = Signal(Value.cast(value).shape(), name=f"{name}_{key}")
            m.d.sync += register.eq(value)
            setattr(registers, key, register)
    return registers


def _add_bias(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(sum=x.acc + x.bias, multiplier=x.multiplier, shift=x.shift, residual=x.residual)


def _saturate_sum(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value, _ = _saturated(x.sum, ACC_BITS)
    return SimpleNamespace(value=value, multiplier=x.multiplier, shift=x.shift, residual=x.residual)


def _multiply_halves(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value_low, value_high = x.value[:HALF], x.value[HALF:].as_signed()
    factor_low, factor_high = x.multiplier[:HALF], x.multiplier[HALF:].as_signed()
    return SimpleNamespace(
        low=value_low * factor_low,
        mid_a=value_low * factor_high,
        mid_b=value_high * factor_low,
        high=value_high * factor_high,
        shift=x.shift,
        residual=x.residual,
    )


def _add_middle(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    outer = Cat(x.low, x.high)
    return SimpleNamespace(outer=outer, mid=x.mid_a + x.mid_b, shift=x.shift, residual=x.residual)


def _add_products(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    upper = (x.outer[HALF:].as_signed() + x.mid)[: len(x.outer) - HALF]
    product = Cat(x.outer[:HALF], upper).as_signed()
    return SimpleNamespace(product=product, shift=x.shift, difference=x.residual - post.res_zero)


def _shift_coarse(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value, half, rest = _shifted(x.product, 0, 0, x.shift[3:], COARSE)
    return SimpleNamespace(
        value=value, half=half, rest=rest, shift=x.shift[:3], res_product=x.difference * post.res_multiplier
    )


def _shift_fine(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value, half, rest = _shifted(x.value, x.half, x.rest, x.shift, 1)
    res, res_half, res_rest = _shifted(x.res_product, 0, 0, post.res_shift[3:], COARSE)
    return SimpleNamespace(value=value, half=half, rest=rest, res=res, res_half=res_half, res_rest=res_rest)


def _saturate_scaled(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    """Rounding a value that is out of range up cannot bring it back, nor does it leave where it is saturated to."""
    value, beyond = _saturated(x.value, ACC_BITS)
    up = _rounds_up(x.value, x.half, x.rest) & ~beyond
    res, res_half, res_rest = _shifted(x.res, x.res_half, x.res_rest, post.res_shift[:3], 1)
    return SimpleNamespace(value=value, up=up, res=res, res_half=res_half, res_rest=res_rest)


def _round_scaled(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(scaled=x.value + x.up, res=x.res + _rounds_up(x.res, x.res_half, x.res_rest))


def _add_residual(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    scaled, _ = _saturated(x.scaled, ACC_BITS)
    return SimpleNamespace(sum=(scaled + x.res)[: ACC_BITS + 1].as_signed())


def _drop_coarse(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value, half, rest = _shifted(x.sum, 0, 0, post.fraction[3:], COARSE)
    return SimpleNamespace(value=value, half=half, rest=rest)


def _drop_fine(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value, half, rest = _shifted(x.value, x.half, x.rest, post.fraction[:3], 1)
    return SimpleNamespace(value=value, half=half, rest=rest)


def _narrow(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    """Two bits more than the result has hold every value that zero point and rounding can bring within its bounds."""
    value, beyond = _saturated(x.value, OUT_BITS + 2)
    return SimpleNamespace(value=value, up=_rounds_up(x.value, x.half, x.rest) & ~beyond)


def _add_zero_point(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(value=(x.value + post.zero_point) + x.up)


def _clamp(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    raised = Mux(x.value < post.minimum, post.minimum, x.value)
    lowered = Mux(raised > post.maximum, post.maximum, raised)
    return SimpleNamespace(result=lowered[:OUT_BITS])


STAGES: tuple[Callable[[SimpleNamespace, data.View], SimpleNamespace], ...] = (
    _add_bias,
    _saturate_sum,
    _multiply_halves,
    _add_middle,
    _add_products,
    _shift_coarse,
    _shift_fine,
    _saturate_scaled,
    _round_scaled,
    _add_residual,
    _drop_coarse,
    _drop_fine,
    _narrow,
    _add_zero_point,
    _clamp,
)
"""One lane, stage by stage: what a stage returns is registered and is all that the next one sees."""
OutputPipeline.LATENCY = len(STAGES)


def _saturated(value: Value, width: int) -> tuple[Value, Value]:
    """The signed number of `width` bits nearest to `value`, and whether it is another one."""
    sign = value[-1]
    beyond = (value[width - 1 :] != sign.replicate(len(value) - width + 1)).any()
    limit = Cat((~sign).replicate(width - 1), sign)
    return Mux(beyond, limit, value[:width]).as_signed(), beyond


def _shifted(
    value: Value, half: Value | int, rest: Value | int, amount: Value, step: int
) -> tuple[Value, Value, Value]:
    """`value` shifted right by ``amount * step``, and of what falls off the upper bit and whether there is any below.

    `half` and `rest` are the same of an earlier shift.
    """
    values, halves, rests = [value], [Value.cast(half)], [Value.cast(rest)]
    below = Cat(half, rest).any()
    for count in range(step, step << len(amount), step):
        values.append(value.shift_right(count))
        halves.append(value[count - 1])
        rests.append(value[: count - 1].any() | below)
    return Array(values)[amount], Array(halves)[amount], Array(rests)[amount]


def _rounds_up(floor: Value, half: Value, rest: Value) -> Value:
    """To nearest, ties to even."""
    return half & (rest | floor[0])
