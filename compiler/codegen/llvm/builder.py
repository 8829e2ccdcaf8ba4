"""Writes functions in LLVM's assembly language, with structured loops and branches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dovetail.compiler.tir.expr import Number

from .types import BOOL, INDEX, POINTER, constant_text, element_of, lanes_of_type, suffix, vector


@dataclass(frozen=True)
class Value:
    """A typed operand.

    Attributes
    ----------
    known:
        Its number, if it is a constant.
    """

    type: str
    text: str
    known: Number | None = None

    def __str__(self) -> str:
        return f"{self.type} {self.text}"

    @property
    def lanes(self) -> int:
        return lanes_of_type(self.type)


def constant(value: Number, type_: str = INDEX) -> Value:
    """A number; of a vector type, in every lane."""
    return Value(type_, constant_text(value, type_), value)


@dataclass
class ModuleText:
    """The functions, declarations, constants and metadata of one module."""

    parts: list[str] = field(default_factory=list)
    declarations: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    _numbers: int = 0

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        """Notes a function from outside, once."""
        self.declarations[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def number(self) -> int:
        """A number that was not given before."""
        self._numbers += 1
        return self._numbers

    def loop_metadata(self, properties: Sequence[str]) -> str:
        """A fresh ``llvm.loop`` node with `properties`, such as ``!"llvm.loop.unroll.disable"``."""
        node = len(self.metadata)
        self.metadata.append(f"!{node} = distinct !{{{', '.join([f'!{node}', *(f'!{{{p}}}' for p in properties)])}}}")
        return f"!{node}"

    def text(self, attributes: str) -> str:
        group = f"attributes #0 = {{ {attributes} }}"
        return "\n".join([*self.declarations.values(), *self.parts, group, *self.metadata])


class FunctionText:
    """One function being written, at its current end.

    Parameters
    ----------
    params:
        As in the definition, such as ``ptr noalias %A``.
    """

    def __init__(self, module: ModuleText, name: str, params: Sequence[str], linkage: str = "", more: str = "") -> None:
        self.module = module
        self._head = f"define {linkage}void @{name}({', '.join(params)}) {more} #0 {{"
        self._allocas: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"

    def finish(self) -> None:
        """Adds the function to its module."""
        self.module.parts.append("\n".join([self._head, "entry:", *self._allocas, *self._lines, "  ret void", "}"]))

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {text}")

    def op(self, type_: str, text: str) -> Value:
        """The result, of `type_`, of an instruction."""
        name = self._name("v")
        self._lines.append(f"  {name} = {text}")
        return Value(type_, name)

    def call(self, name: str, type_: str, args: Sequence[Value], declared: Sequence[str] | None = None) -> Value:
        """A call of a function that is declared with it."""
        self.module.declare(name, type_, declared or [arg.type for arg in args])
        return self.op(type_, f"call {type_} @{name}({', '.join(map(str, args))})")

    def intrinsic(self, name: str, args: Sequence[Value], *more: str) -> Value:
        """A call of the intrinsic ``llvm.name`` overloaded on, and returning, the first argument's type."""
        types = "".join(f".{suffix(t)}" for t in (args[0].type, *more))
        return self.call(f"llvm.{name}{types}", args[0].type, args)

    def alloca(self, element: str, count: int, align: int) -> Value:
        """Stack memory of the whole call."""
        name = self._name("a")
        self._allocas.append(f"  {name} = alloca [{count} x {element}], align {align}")
        return Value(POINTER, name)

    def add(self, a: Value, b: Value) -> Value:
        """The sum of two scalar indices, which does not overflow."""
        if a.known is not None and b.known is not None:
            return constant(int(a.known) + int(b.known), a.type)
        if a.known == 0:
            return b
        return a if b.known == 0 else self.op(a.type, f"add nsw {a}, {b.text}")

    def sub(self, a: Value, b: Value) -> Value:
        """The difference of two scalar indices, which does not overflow."""
        if b.known is not None:
            return self.add(a, constant(-int(b.known), b.type))
        return self.op(a.type, f"sub nsw {a}, {b.text}")

    def mul(self, a: Value, b: Value) -> Value:
        """The product of two scalar indices, which does not overflow."""
        if a.known is not None and b.known is not None:
            return constant(int(a.known) * int(b.known), a.type)
        if a.known == 0 or b.known == 1:
            return a
        return b if b.known == 0 or a.known == 1 else self.op(a.type, f"mul nsw {a}, {b.text}")

    def element(self, base: Value, type_: str, offset: Value) -> Value:
        """The address of the element of `type_` at `offset` from `base`."""
        return base if offset.known == 0 else self.op(POINTER, f"getelementptr inbounds {type_}, {base}, {offset}")

    def splat(self, value: Value, lanes: int) -> Value:
        """`value` in every lane."""
        if lanes == 1 or value.lanes > 1:
            return value
        type_ = vector(value.type, lanes)
        if value.known is not None:
            return constant(value.known, type_)
        one = self.op(type_, f"insertelement {type_} poison, {value}, i64 0")
        return self.op(type_, f"shufflevector {one}, {type_} poison, <{lanes} x i32> zeroinitializer")

    def lane(self, value: Value, lane: int) -> Value:
        """One lane of a vector; a scalar itself."""
        if value.lanes == 1:
            return value
        if value.known is not None:
            return constant(value.known, element_of(value.type))
        return self.op(element_of(value.type), f"extractelement {value}, i64 {lane}")

    def collect(self, values: Sequence[Value]) -> Value:
        """The vector of scalar values."""
        type_ = vector(values[0].type, len(values))
        result = Value(type_, "poison")
        for lane, value in enumerate(values):
            result = self.op(type_, f"insertelement {result}, {value}, i64 {lane}")
        return result

    def shuffle(self, a: Value, b: Value | None, mask: Sequence[int]) -> Value:
        """The lanes of `a` followed by those of `b` that `mask` names."""
        type_ = vector(element_of(a.type), len(mask))
        other = b or Value(a.type, "poison")
        places = ", ".join(f"i32 {place}" for place in mask)
        return self.op(type_, f"shufflevector {a}, {other}, <{len(mask)} x i32> <{places}>")

    @contextmanager
    def loop(self, begin: Value, end: Value, properties: Sequence[str] = ()) -> Iterator[Value]:
        """A loop over begin, begin + 1, ... end - 1; what is written inside is its body.

        `begin` is not negative. There are no iterations where end <= begin.
        """
        head, body, done = self._name("head"), self._name("body"), self._name("done")
        certain = begin.known is not None and end.known is not None and begin.known < end.known
        before = self._block
        if certain:
            self._branch(body)
        else:
            enter = self.op(BOOL, f"icmp slt {begin}, {end.text}")
            self.do(f"br {enter}, label {head}, label {done}")
            self._label(head)
            before = self._block
            self._branch(body)
        self._label(body)
        place = len(self._lines)
        self._lines.append("")
        variable = Value(INDEX, self._name("i"))
        yield variable
        following = self.op(INDEX, f"add nuw nsw {variable}, 1")
        again = self.op(BOOL, f"icmp slt {following}, {end.text}")
        mark = f", !llvm.loop {self.module.loop_metadata(properties)}" if properties else ""
        arms = f"[{begin.text}, %{before}], [{following.text}, %{self._block}]"
        self._lines[place] = f"  {variable.text} = phi {INDEX} {arms}"
        self.do(f"br {again}, label {body}, label {done}{mark}")
        self._label(done)

    def when(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """Runs `then` where the scalar `condition` holds, else `otherwise`."""
        if condition.known is not None:
            chosen = then if condition.known else otherwise
            if chosen is not None:
                chosen()
            return
        yes, no, done = self._name("then"), self._name("else"), self._name("done")
        self.do(f"br {condition}, label {yes}, label {no if otherwise else done}")
        self._label(yes)
        then()
        self._branch(done)
        if otherwise:
            self._label(no)
            otherwise()
            self._branch(done)
        self._label(done)

    def choose(self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
        """What `then` computes where the scalar `condition` holds, else what `otherwise` does; the other is not run."""
        if condition.known is not None:
            return then() if condition.known else otherwise()
        yes, no, done = self._name("then"), self._name("else"), self._name("done")
        self.do(f"br {condition}, label {yes}, label {no}")
        arms = []
        for label, arm in ((yes, then), (no, otherwise)):
            self._label(label)
            value = arm()
            arms.append(f"[{value.text}, %{self._block}]")
            self._branch(done)
        self._label(done)
        return self.op(value.type, f"phi {value.type} {', '.join(arms)}")

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"%{prefix}{self._count}"

    def _label(self, name: str) -> None:
        self._block = name[1:]
        self._lines.append(f"{self._block}:")

    def _branch(self, label: str) -> None:
        self.do(f"br label {label}")
