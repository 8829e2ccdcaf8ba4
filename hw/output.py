"""Output processing: from int32 accumulators to int8, on the way to memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import ACC_BITS, OUT_BITS, Config
from dovetail.isa.instructions import Post

from .products import product, register, times_two_bits

MULTIPLIER_BITS = 32
SHIFT_BITS = 6
HALF = MULTIPLIER_BITS // 2
MULTIPLIERS_PER_LANE = 3
"""Products of two factors of `HALF` bits, or two more, that a lane forms."""
RESIDUAL_BITS = 24
"""Of a residual less its zero point, times its multiplier."""
NARROW_BITS = OUT_BITS + 2
"""Two bits more than the result has hold every value that zero point and rounding can bring within its bounds."""


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
        A group enters: `acc`, `residual`, `with_residual` and `tag`.
    record: In
        Of the channels of the group that entered in the cycle before.
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
                residual=Mux(self.with_residual, self.residual[k], self.post.res_zero),
            )
            for k in range(self.config.out_lanes)
        ]
        valid, tag = self.valid, Value.cast(self.tag)
        entered = []
        for stage in STAGES:
            if stage is _add_bias:
                lanes = [SimpleNamespace(record=self.record[k], **vars(lane)) for k, lane in enumerate(lanes)]
            entered.append(valid)
            name = stage.__name__.strip("_")
            lanes = [_registers(platform, m, stage(lane, self.post), f"{name}_{k}") for k, lane in enumerate(lanes)]
            tag = register(m, tag, f"{name}_tag")
            next_valid = Signal(name=f"{name}_valid")
            m.d.sync += next_valid.eq(valid)
            valid = next_valid
        m.d.sync += self.busy.eq(Cat(entered).any())
        m.d.comb += [
            self.out_valid.eq(valid),
            self.out.eq(Cat(lane.result for lane in lanes)),
            self.out_tag.eq(tag),
        ]
        return m


class _Product(NamedTuple):
    """Formed on the way into its register."""

    a: Value
    b: Value


class _Row(NamedTuple):
    """`x` times a number of two bits, formed in front of its register."""

    x: Value
    bits: Value


def _registers(platform: object, m: Module, values: SimpleNamespace, name: str) -> SimpleNamespace:
    """Each of `values` a cycle later."""

    def registered(key: str, value: _Product | _Row | Value) -> Value:
        if isinstance(value, _Row):
            value = times_two_bits(platform, m, *value)
        if isinstance(value, _Product):
            return product(platform, m, *value, 1, f"{name}_{key}")
        return register(m, Value.cast(value), f"{name}_{key}")

    return SimpleNamespace(**{key: registered(key, value) for key, value in vars(values).items()})


def _arrive(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    """Which group it is has just been decided, far from here."""
    return x


def _add_bias(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    record = x.record
    return SimpleNamespace(
        sum=x.acc + record.bias, multiplier=record.multiplier, shift=record.shift, residual=x.residual
    )


def _saturate_sum(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    excess = x.sum[-1] != x.sum[-2]
    return SimpleNamespace(
        value=_saturated(x.sum[:ACC_BITS], x.sum[-1], excess),
        multiplier=x.multiplier,
        shift=x.shift,
        difference=x.residual - post.res_zero,
    )


def _split_factors(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    value_low, value_high = x.value[:HALF], x.value[HALF:].as_signed()
    factor_low, factor_high = x.multiplier[:HALF], x.multiplier[HALF:].as_signed()
    return SimpleNamespace(
        value=x.value,
        value_sum=value_low + value_high,
        factor=x.multiplier,
        factor_sum=factor_low + factor_high,
        shift=x.shift,
        **_residual_rows(x.difference, post.res_multiplier),
    )


def _multiply_halves(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    """Three products instead of four (Karatsuba and Ofman, 1962): multipliers are what the array lacks."""
    return SimpleNamespace(
        low=_Product(x.value[:HALF], x.factor[:HALF]),
        cross=_Product(x.value_sum, x.factor_sum),
        high=_Product(x.value[HALF:].as_signed(), x.factor[HALF:].as_signed()),
        shift=x.shift,
        res_low=x.row_0 + (x.row_1 << 2),
        res_high=x.row_2 + (x.row_3 << 2),
        res_sign=x.row_sign,
    )


def _subtract_outer(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    middle = (x.cross - (x.low + x.high))[: MULTIPLIER_BITS + 2].as_signed()
    return SimpleNamespace(
        outer=Cat(x.low, x.high),
        middle=middle,
        shift=x.shift,
        res_product=(x.res_low + (x.res_high << 4))[:RESIDUAL_BITS].as_signed(),
        res_sign=x.res_sign,
    )


def _add_products(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    upper = (x.outer[HALF:].as_signed() + x.middle)[: len(x.outer) - HALF]
    return SimpleNamespace(
        product=Cat(x.outer[:HALF], upper),
        shift=x.shift,
        res=(x.res_product - (x.res_sign << OUT_BITS))[:RESIDUAL_BITS],
    )


def _shift_by_16(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    scaled = _shifted(_Fixed.whole(x.product), x.shift[4:], 16, ACC_BITS + 15)
    res = _shifted(_Fixed.whole(x.res), post.res_shift[3:], 8, RESIDUAL_BITS)
    return SimpleNamespace(**scaled.named("scaled"), **res.named("res"), shift=x.shift[:4])


def _shift_by_4(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    scaled = _shifted(_Fixed.of(x, "scaled"), x.shift[2:], 4, ACC_BITS + 3)
    res = _shifted(_Fixed.of(x, "res"), post.res_shift[1:3], 2, RESIDUAL_BITS)
    return SimpleNamespace(**scaled.named("scaled"), **res.named("res"), shift=x.shift[:2])


def _shift_by_1(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    scaled = _shifted(_Fixed.of(x, "scaled"), x.shift, 1, ACC_BITS)
    res = _shifted(_Fixed.of(x, "res"), post.res_shift[0], 1, RESIDUAL_BITS)
    return SimpleNamespace(**scaled.named("scaled"), **res.named("res"))


def _saturate_scaled(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    """Rounding a value that is out of range up cannot bring it back. The greatest value is not rounded up either."""
    scaled, res = _Fixed.of(x, "scaled"), _Fixed.of(x, "res")
    greatest = scaled.floor[:-1].all() & ~scaled.sign
    return SimpleNamespace(
        value=_saturated(scaled.floor, scaled.sign, scaled.beyond),
        up=scaled.rounds_up & ~scaled.beyond & ~greatest,
        res=_increased(res.floor, res.rounds_up)[:RESIDUAL_BITS].as_signed(),
    )


def _add_residual(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(sum=_increased(x.value, x.up, x.res)[: ACC_BITS + 1])


def _drop_by_8(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(**_shifted(_Fixed.whole(x.sum), post.fraction[3:], 8, NARROW_BITS + 7).named("y"))


def _drop_by_1(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    by_2 = _shifted(_Fixed.of(x, "y"), post.fraction[1:3], 2, NARROW_BITS + 1)
    return SimpleNamespace(**_shifted(by_2, post.fraction[0], 1, NARROW_BITS).named("y"))


def _narrow(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    y = _Fixed.of(x, "y")
    return SimpleNamespace(value=_saturated(y.floor, y.sign, y.beyond), up=y.rounds_up & ~y.beyond)


def _add_zero_point(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(value=_increased(x.value, x.up, post.zero_point))


def _clamp(x: SimpleNamespace, post: data.View) -> SimpleNamespace:
    return SimpleNamespace(
        result=Mux(x.value < post.minimum, post.minimum, Mux(x.value > post.maximum, post.maximum, x.value[:OUT_BITS]))[
            :OUT_BITS
        ]
    )


STAGES: tuple[Callable[[SimpleNamespace, data.View], SimpleNamespace], ...] = (
    _arrive,
    _add_bias,
    _saturate_sum,
    _split_factors,
    _multiply_halves,
    _subtract_outer,
    _add_products,
    _shift_by_16,
    _shift_by_4,
    _shift_by_1,
    _saturate_scaled,
    _add_residual,
    _drop_by_8,
    _drop_by_1,
    _narrow,
    _add_zero_point,
    _clamp,
)
"""One lane, stage by stage: what a stage returns is registered and is all that the next one sees."""
OutputPipeline.LATENCY = len(STAGES)


def _residual_rows(difference: Value, factor: Value) -> dict[str, _Row | Value]:
    """Addends of ``difference * factor``, of two bits of `difference` each: row k counts ``4**k``, its sign
    ``-2**OUT_BITS``.

    They are added as logic: the factors are narrow, and multipliers are what the array lacks.
    """
    rows = {f"row_{k}": _Row(factor, difference[2 * k : 2 * k + 2]) for k in range(OUT_BITS // 2)}
    return {**rows, "row_sign": Mux(difference[OUT_BITS], factor, 0)}


@dataclass(frozen=True)
class _Fixed:
    """A signed number on its way through a shift to the right.

    Attributes
    ----------
    bits:
        The bit that fell off last, the bits above it, and the sign.
    rest:
        Whether any bit below those was set.
    beyond:
        The number has more bits than `bits` can tell; then only the sign is right.
    """

    bits: Value
    rest: Value
    beyond: Value

    @classmethod
    def whole(cls, value: Value) -> _Fixed:
        return cls(Cat(Const(0, 1), value), Const(0, 1), Const(0, 1))

    @classmethod
    def of(cls, x: SimpleNamespace, name: str) -> _Fixed:
        return cls(*(getattr(x, f"{name}_{field.name}") for field in fields(cls)))

    def named(self, name: str) -> dict[str, Value]:
        """For a stage to return, and for `of` to find."""
        return {f"{name}_{field.name}": getattr(self, field.name) for field in fields(self)}

    @property
    def sign(self) -> Value:
        return self.bits[-1]

    @property
    def floor(self) -> Value:
        return self.bits[1:]

    @property
    def rounds_up(self) -> Value:
        """To nearest, ties to even."""
        return self.bits[0] & (self.rest | self.bits[1])


def _shifted(x: _Fixed, amount: Value, step: int, width: int) -> _Fixed:
    """`x` shifted right by ``amount * step``.

    `width` is that of the number that counts in the end, and as many bits more as it will be shifted by at most. What
    has more than that is beyond it in the end too, so no more bits are moved.
    """
    size = len(x.bits) - 1
    bits = [x.bits[min(k, size)] for k in range((step << len(amount)) + width)]
    choices, rests, beyonds = [], [], []
    rest = x.rest
    for count in range(0, step << len(amount), step):
        if count:
            rest = rest | Cat(bits[count - step : count]).any()
        excess = Cat(bits[count + width : size])
        choices.append(Cat(bits[count : count + width], x.sign))
        rests.append(rest)
        beyonds.append(x.beyond | (excess != x.sign.replicate(len(excess))))
    return _Fixed(Array(choices)[amount], Array(rests)[amount], Array(beyonds)[amount])


def _saturated(value: Value, sign: Value, beyond: Value) -> Value:
    """`value`, or when `beyond` the signed number of as many bits that is nearest to what has this `sign`."""
    return Mux(beyond, Cat((~sign).replicate(len(value) - 1), sign), value).as_signed()


def _increased(value: Value, carry: Value, other: Value | int = 0) -> Value:
    """``value + other + carry``, signed, in one adder."""
    addend = Value.cast(other)
    carries = Cat(carry, addend).as_signed() if len(addend) else Cat(carry, Const(0, 1))
    return (Cat(carry, value).as_signed() + carries)[1:].as_signed()
