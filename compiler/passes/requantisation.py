"""Recognise what `STORE` computes on the way out: int8 from accumulators, in any of the ways to write it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dovetail.compiler.tir.dtypes import is_integer, limits
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Load, Math, Op
from dovetail.compiler.tir.simplify import Bounds, interval
from dovetail.compiler.tir.stmt import GLOBAL
from dovetail.compiler.tir.structure import Node, walk
from dovetail.compiler.vdla.scopes import ACC_BUFFER
from dovetail.isa.instructions import Post

from .store_forms import NotStoredError, check_integers, check_operators

OUT_TYPE = "int8"
ACC_TYPE = "int32"
MAX_SHIFT = 63
"""Of a record of `PARAM`, whose shift has six bits."""
_LOWEST, _HIGHEST = limits(ACC_TYPE)


@dataclass
class Requantisation:
    """The terms of ``rne(saturate(rne(saturate(acc + bias) * multiplier, shift)) + residual, fraction) + zero_point``.

    Attributes
    ----------
    params:
        Bias, multiplier and shift, as far as they are not 0, 1 and 0: an element of a tensor, or a number.
    fields:
        Of `Post`.
    """

    acc: Load
    params: dict[str, Load | int] = field(default_factory=dict)
    residual: Load | None = None
    fields: dict[str, int] = field(default_factory=dict)


def requantisation(value: Expr, bounds: Bounds) -> Requantisation:
    """`value`, an int8 with one accumulator in it, as terms.

    Raises
    ------
    NotStoredError:
        It is something else.
    """
    check_integers(value)
    accumulators = {part for part in walk(value) if isinstance(part, Load) and part.buffer.scope == ACC_BUFFER}
    if len(accumulators) != 1:
        names = " and ".join(map(str, accumulators)) or "none"
        raise NotStoredError(f"{value} has {names} in {ACC_BUFFER}; a store takes one accumulator; add them up there")
    acc = accumulators.pop()
    check_operators(value, acc)
    return _Matcher(acc, bounds).output(value)


@dataclass(frozen=True)
class _Term:
    """A term of a sum, with its sign."""

    sign: int
    value: Expr


class _Matcher:
    def __init__(self, acc: Load, bounds: Bounds) -> None:
        self.acc, self.bounds = acc, bounds
        self.result = Requantisation(acc)

    def output(self, value: Expr) -> Requantisation:
        """All of it: the outermost bounds and the zero point, then the sum."""
        low, high = limits(OUT_TYPE)
        zero = 0
        inner = value
        while True:
            inner = self.same(inner)
            match inner:
                case Binary(Op.MIN, a, Const(number)) | Binary(Op.MIN, Const(number), a):
                    inner, high = a, min(max(int(number) + zero, low), high)
                case Binary(Op.MAX, a, Const(number)) | Binary(Op.MAX, Const(number), a):
                    inner, low = a, min(max(int(number) + zero, low), high)
                case Binary(Op.ADD, a, Const(number)) | Binary(Op.ADD, Const(number), a) if self.exact(inner):
                    inner, zero = a, zero + int(number)
                case Binary(Op.SUB, a, Const(number)) if self.exact(inner):
                    inner, zero = a, zero - int(number)
                case _:
                    break
        self.total(inner)
        self.zero_point(zero)
        self.result.fields |= {"minimum": low, "maximum": high}
        for name, number in self.result.fields.items():
            self.check_field(name, number)
        return self.result

    def zero_point(self, zero: int) -> None:
        params = self.result.params
        bias = params.get("bias", 0)
        alone = set(params) <= {"bias"} and self.result.residual is None and not self.result.fields.get("fraction")
        low, high = _field_limits("zero_point")
        if not low <= zero <= high and alone and isinstance(bias, int):
            params["bias"] = bias + zero
            zero = 0
        self.result.fields["zero_point"] = zero

    def total(self, value: Expr) -> None:
        """The sum of accumulator and residual, with its fraction."""
        match value:
            case Math("round_shift", (a, b)) if self.is_sum(a):
                places = self.same(b)
                if not isinstance(places, Const):
                    raise NotStoredError(f"{value}: the fraction of a sum is a constant, not {places}")
                self.result.fields["fraction"] = int(places.value)
                self.sum(a)
            case _:
                self.sum(value)

    def is_sum(self, value: Expr) -> bool:
        """Whether what is rounded is already rounded, or has a residual: then the machine's last rounding is meant."""
        parts = [part for part in walk(value) if isinstance(part, Math | Load)]
        return any(isinstance(part, Math) or self.is_residual(part) for part in parts)

    def is_residual(self, part: Node) -> bool:
        return isinstance(part, Load) and part.buffer.scope == GLOBAL and part.dtype == OUT_TYPE

    def sum(self, value: Expr) -> None:
        residuals: list[_Term] = []
        others: list[_Term] = []
        for term in self.terms(value, 1):
            mine = any(self.is_residual(part) for part in walk(term.value))
            (residuals if mine else others).append(term)
        if len(residuals) > 1:
            raise NotStoredError(f"{value} adds more than one tensor from DRAM; put all but one into {ACC_BUFFER}")
        exact = not self.result.fields.get("fraction")
        if len(others) == 1:
            if others[0].sign < 0:
                raise NotStoredError(f"{value} subtracts the accumulator; negate it in {ACC_BUFFER}")
            self.scaled(others[0].value, exact)
        else:
            self.biased(value, others, exact)
        for term in residuals:
            self.residual(term)

    def terms(self, value: Expr, sign: int) -> list[_Term]:
        value = self.same(value)
        match value:
            case Binary(Op.ADD, a, b) if self.exact(value):
                return self.terms(a, sign) + self.terms(b, sign)
            case Binary(Op.SUB, a, b) if self.exact(value):
                return self.terms(a, sign) + self.terms(b, -sign)
        return [_Term(sign, value)]

    def scaled(self, value: Expr, exact: bool) -> None:
        """The accumulator with its bias, multiplied and shifted.

        Parameters
        ----------
        exact:
            Nothing follows that could undo a saturation, so that it does not matter if it is missing.
        """
        inner, saturated = self.saturated(value)
        product, shift = inner, None
        if isinstance(inner, Math) and inner.function == "round_shift":
            product, shift = self.same(inner.args[0]), self.param(inner.args[1], "shift")
            self.within("shift", shift, 0, MAX_SHIFT)
        factor: Load | int | None = None
        match product:
            case Binary(Op.MUL, a, b) if self.exact(product):
                first = any(part == self.acc for part in walk(a))
                product, factor = self.same(a if first else b), self.param(b if first else a, "multiplier")
                self.within("multiplier", factor, _LOWEST, _HIGHEST)
            case Binary(Op.SHL, a, Const(places)) if self.exact(product):
                product, factor = self.same(a), 1 << int(places)
        if shift is None and factor is None:
            self.biased(value, self.terms(inner, 1), exact or saturated)
            return
        if not (saturated or exact):
            raise NotStoredError(f"{value} is not saturated before more is added; write t.saturate(..., {ACC_TYPE!r})")
        for name, param, neutral in (("multiplier", factor, 1), ("shift", shift, 0)):
            if param is not None and param != neutral:
                self.result.params[name] = param
        inner, saturated = self.saturated(product)
        self.biased(product, self.terms(inner, 1), saturated)

    def biased(self, value: Expr, terms: list[_Term], saturated: bool) -> None:
        """The accumulator, and what is added to it before all else."""
        if not saturated:
            raise NotStoredError(
                f"{value} may need more than {ACC_TYPE} and is not saturated; write t.saturate(..., {ACC_TYPE!r})"
            )
        constant = 0
        if [term.value for term in terms].count(self.acc) != 1:
            raise NotStoredError(f"{value} is not a sum with {self.acc} in it once; compute it in {ACC_BUFFER}")
        for term in terms:
            if term.value == self.acc:
                if term.sign < 0:
                    raise NotStoredError(f"{value} subtracts the accumulator; negate it in {ACC_BUFFER}")
                continue
            bias = self.param(term.value, "bias")
            if isinstance(bias, int):
                constant += term.sign * bias
            elif "bias" in self.result.params or term.sign < 0:
                raise NotStoredError(f"{value}: one bias can be added to the accumulator, which {bias} is not")
            else:
                self.result.params["bias"] = bias
        if constant:
            if "bias" in self.result.params:
                raise NotStoredError(f"{value} adds a tensor and {constant}; add the constant to the tensor beforehand")
            self.within("bias", constant, _LOWEST, _HIGHEST)
            self.result.params["bias"] = constant

    def residual(self, term: _Term) -> None:
        """The tensor from DRAM that is added, rounded on its own."""
        value, _ = self.saturated(term.value)
        fields = {"res_multiplier": term.sign, "res_shift": 0, "res_zero": 0}
        if isinstance(value, Math) and value.function == "round_shift":
            places = self.same(value.args[1])
            if not isinstance(places, Const):
                raise NotStoredError(f"{value}: the shift of what is added from DRAM is a constant, not {places}")
            fields["res_shift"] = int(places.value)
            value = self.same(value.args[0])
        match value:
            case Binary(Op.MUL, a, Const(number)) | Binary(Op.MUL, Const(number), a) if self.exact(value):
                value, fields["res_multiplier"] = self.same(a), term.sign * int(number)
        match value:
            case Binary(Op.SUB, a, Const(number)) if self.exact(value):
                value, fields["res_zero"] = self.same(a), int(number)
            case Binary(Op.ADD, a, Const(number)) | Binary(Op.ADD, Const(number), a) if self.exact(value):
                value, fields["res_zero"] = self.same(a), -int(number)
        if not isinstance(value, Load):
            raise NotStoredError(
                f"{term.value} cannot be added on the way out; an element from DRAM counts as "
                f"round_shift((element - zero) * multiplier, shift)"
            )
        self.result.residual = value
        self.result.fields |= fields

    def param(self, value: Expr, name: str) -> Load | int:
        value = self.same(value)
        if isinstance(value, Const):
            return int(value.value)
        if isinstance(value, Load) and (value.buffer.scope, value.dtype, len(value.indices)) == (GLOBAL, ACC_TYPE, 1):
            return value
        raise NotStoredError(f"{value} cannot be the {name}; that is a constant or an element of an {ACC_TYPE} vector")

    def saturated(self, value: Expr) -> tuple[Expr, bool]:
        """`value` without its saturation to an accumulator's range, and whether it is in that range."""
        value = self.same(value)
        inside = self.fits(value, ACC_TYPE)
        for _ in range(2):
            match value:
                case Binary(Op.MIN, a, Const(number)) if number == _HIGHEST:
                    value = self.same(a)
                case Binary(Op.MAX, a, Const(number)) if number == _LOWEST:
                    value = self.same(a)
        return value, inside

    def same(self, value: Expr) -> Expr:
        """`value` without casts that change no value.

        Raises
        ------
        NotStoredError:
            A cast may wrap.
        """
        while isinstance(value, Cast):
            if not is_integer(value.a.dtype) or not self.fits(value.a, value.type):
                low, high = limits(value.type)
                raise NotStoredError(
                    f"{value} may wrap, but a store saturates; write t.saturate(..., {value.type!r}), or clip to "
                    f"bounds within {value.type}'s {low} to {high}"
                )
            value = value.a
        return value

    def fits(self, value: Expr, dtype: str) -> bool:
        low, high = interval(value, self.bounds)
        least, most = limits(dtype)
        return least <= low and high <= most

    def exact(self, value: Binary) -> bool:
        """Whether a sum, product or shift does not wrap."""
        least, most = limits(value.dtype)
        a, b = interval(value.a, self.bounds), interval(value.b, self.bounds)
        match value.op:
            case Op.ADD:
                low, high = a[0] + b[0], a[1] + b[1]
            case Op.SUB:
                low, high = a[0] - b[1], a[1] - b[0]
            case Op.SHL if b[0] == b[1] and 0 <= b[0] <= MAX_SHIFT:
                low, high = a[0] * (1 << int(b[0])), a[1] * (1 << int(b[0]))
            case Op.MUL:
                products = [x * y for x in a for y in b]
                low, high = min(products), max(products)
            case _:
                return False
        if low < least or high > most:
            raise NotStoredError(f"{value} may wrap in {value.dtype}; cast the operands to a wider type first")
        return True

    def within(self, name: str, value: Load | int, low: int, high: int) -> None:
        if isinstance(value, int) and not low <= value <= high:
            raise NotStoredError(f"the {name} {value} is not between {low} and {high}, which a store takes")

    def check_field(self, name: str, value: int) -> None:
        self.within(name, value, *_field_limits(name))


def _field_limits(name: str) -> tuple[int, int]:
    """Lowest and highest value of a field of `Post`."""
    spec = Post.specs()[name]
    assert isinstance(spec.width, int)
    return (-(1 << spec.width - 1), (1 << spec.width - 1) - 1) if spec.signed else (0, (1 << spec.width) - 1)
