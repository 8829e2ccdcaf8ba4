"""LLVM IR of the inner loops, specialised for one configuration.

Dot products are written as sums of pairs of int16 products, which LLVM turns into the one instruction that most CPUs
have for it (``pmaddwd`` and its kin).
"""

from __future__ import annotations

from dovetail.isa.config import Config
from dovetail.isa.instructions import AluOp, AluSource

CHAINS = 2
"""Independent additions in a dot product: only the first waits for the accumulator."""

GEMM_ARGUMENTS = (
    "uop_begin", "uop_count", "outer", "inner",
    "dst_outer", "dst_inner", "src_outer", "src_inner", "wgt_outer", "wgt_inner", "overwrite",
)  # fmt: skip
ALU_ARGUMENTS = (
    "uop_begin", "uop_count", "outer", "inner",
    "dst_outer", "dst_inner", "src_outer", "src_inner", "op", "source", "imm",
)  # fmt: skip
STORE_ARGUMENTS = ("sram", "rows", "cols", "sram_stride", "residual")
POST_ARGUMENTS = ("zero_point", "minimum", "maximum", "fraction", "res_zero", "res_multiplier", "res_shift")
OUT_ARGUMENTS = (*STORE_ARGUMENTS, "pitch", *POST_ARGUMENTS)


def module(config: Config) -> str:
    """The IR of the functions `gemm`, `alu` and `out`.

    All take pointers; the last is to the int32 arguments named above, in that order.

    - ``i32 gemm(acc, inp, wgt, uop, args)``: `acc` int32 [acc][batch][block_out]; `inp` int16 [inp][batch][block_in];
      `wgt` int16 [wgt][block_in / 2][block_out][2]; `uop` int32 [uop][3], dst, src and wgt.
    - ``i32 alu(acc, inp, uop, args)``: `inp` int8 [inp][batch][block_in].
    - ``void out(acc, dram, residual, params, args)``: `dram` and `residual` are bytes; `params` int64
      [3][block_out], bias, multiplier and shift.

    `gemm` and `alu` return 0, or 1, 2, 3 when dst, src or wgt would leave its buffer; then nothing is changed.
    """
    return "\n".join([_gemm(config), _alu(config), _out(config), _rounding(config.block_out)])


def _arguments(names: tuple[str, ...]) -> str:
    lines = []
    for place, name in enumerate(names):
        lines.append(f"  %{name}.ptr = getelementptr i32, ptr %args, i64 {place}")
        lines.append(f"  %{name} = load i32, ptr %{name}.ptr")
    return "\n".join(lines)


def _range_check(limits: dict[str, str]) -> str:
    """A loop over the kernel that finds its largest indices, and the comparison with `limits`; goes on at `checked`.

    `limits` gives, for "dst", "src" and "wgt", the number of entries, as an operand.
    """
    lines = [
        "  %outer.last = sub i32 %outer, 1",
        "  %inner.last = sub i32 %inner, 1",
        "  %uop_end = add i32 %uop_begin, %uop_count",
        "  br label %scan",
        "scan:",
        "  %scan.u = phi i32 [ %uop_begin, %entry ], [ %scan.next, %scan ]",
    ]
    for name in limits:
        lines.append(f"  %scan.{name} = phi i32 [ 0, %entry ], [ %scan.{name}.max, %scan ]")
    lines.append("  %scan.place = mul i32 %scan.u, 3")
    for place, name in enumerate(limits):
        lines += [
            f"  %scan.{name}.place = add i32 %scan.place, {place}",
            f"  %scan.{name}.ptr = getelementptr i32, ptr %uop, i32 %scan.{name}.place",
            f"  %scan.{name}.value = load i32, ptr %scan.{name}.ptr",
            f"  %scan.{name}.max = call i32 @llvm.umax.i32(i32 %scan.{name}, i32 %scan.{name}.value)",
        ]
    lines += [
        "  %scan.next = add i32 %scan.u, 1",
        "  %scan.more = icmp ult i32 %scan.next, %uop_end",
        "  br i1 %scan.more, label %scan, label %check",
        "check:",
    ]
    verdict = "0"
    for place, (name, limit) in reversed(list(enumerate(limits.items(), 1))):
        lines += [
            f"  %{name}.a = mul i32 %outer.last, %{name}_outer",
            f"  %{name}.b = mul i32 %inner.last, %{name}_inner",
            f"  %{name}.c = add i32 %{name}.a, %{name}.b",
            f"  %{name}.d = add i32 %{name}.c, %scan.{name}.max",
            f"  %{name}.bad = icmp uge i32 %{name}.d, {limit}",
            f"  %{name}.verdict = select i1 %{name}.bad, i32 {place}, i32 {verdict}",
        ]
        verdict = f"%{name}.verdict"
    lines += [
        f"  %fine = icmp eq i32 {verdict}, 0",
        "  br i1 %fine, label %checked, label %refused",
        "refused:",
        f"  ret i32 {verdict}",
        "checked:",
        "  br label %outer.head",
    ]
    return "\n".join(lines)


def _loops(names: tuple[str, ...]) -> str:
    """Heads of the outer and inner loops; ``%<name>.base`` is what they add to an index."""
    lines = [
        "outer.head:",
        "  %i = phi i32 [ 0, %checked ], [ %i.next, %outer.tail ]",
        "  br label %inner.head",
        "inner.head:",
        "  %j = phi i32 [ 0, %outer.head ], [ %j.next, %inner.tail ]",
    ]
    for name in names:
        lines += [
            f"  %{name}.i = mul i32 %i, %{name}_outer",
            f"  %{name}.j = mul i32 %j, %{name}_inner",
            f"  %{name}.base = add i32 %{name}.i, %{name}.j",
        ]
    return "\n".join(lines)


LOOP_TAILS = """inner.tail:
  %j.next = add i32 %j, 1
  %j.more = icmp ult i32 %j.next, %inner
  br i1 %j.more, label %inner.head, label %outer.tail
outer.tail:
  %i.next = add i32 %i, 1
  %i.more = icmp ult i32 %i.next, %outer
  br i1 %i.more, label %outer.head, label %done
done:
  ret i32 0"""


def _micro_op(names: tuple[str, ...], prefix: str, place: str) -> str:
    """Read the micro-op number `place`; ``%<prefix><name>`` are its indices with the loops' part added."""
    lines = [f"  %{prefix}place = mul i32 {place}, 3"]
    for offset, name in enumerate(names):
        lines += [
            f"  %{prefix}{name}.place = add i32 %{prefix}place, {offset}",
            f"  %{prefix}{name}.ptr = getelementptr i32, ptr %uop, i32 %{prefix}{name}.place",
            f"  %{prefix}{name}.value = load i32, ptr %{prefix}{name}.ptr",
            f"  %{prefix}{name} = add i32 %{prefix}{name}.value, %{name}.base",
        ]
    return "\n".join(lines)


def _rows(config: Config, name: str, entry: str) -> str:
    """Pointers to the batch rows of accumulator number `entry`."""
    lines = [f"  %{name}.at = mul i32 {entry}, {config.batch * config.block_out}"]
    for b in range(config.batch):
        lines += [
            f"  %{name}.at{b} = add i32 %{name}.at, {b * config.block_out}",
            f"  %{name}.ptr{b} = getelementptr i32, ptr %acc, i32 %{name}.at{b}",
        ]
    return "\n".join(lines)


def _gemm(config: Config) -> str:
    batch, block_in, block_out = config.batch, config.block_in, config.block_out
    ints, shorts, wide = f"<{block_out} x i32>", f"<{2 * block_out} x i16>", f"<{2 * block_out} x i32>"
    even, odd = (f"<{block_out} x i32> <{_lanes(block_out, first)}>" for first in (0, 1))
    names = ("dst", "src", "wgt")
    limits = {"dst": str(config.acc_depth), "src": str(config.inp_depth), "wgt": str(config.wgt_depth)}
    rows = range(batch)
    lines = [
        "declare i32 @llvm.umax.i32(i32, i32)",
        "define i32 @gemm(ptr noalias %acc, ptr noalias %inp, ptr noalias %tiles,",
        "                 ptr noalias %uop, ptr noalias %args) {",
        "entry:",
        _arguments(GEMM_ARGUMENTS),
        "  %adds = icmp eq i32 %overwrite, 0",
        _range_check(limits),
        _loops(names),
        _micro_op(("dst",), "first.", "%uop_begin"),
        _rows(config, "first", "%first.dst"),
        "  br i1 %adds, label %fetch, label %kernel",
        "fetch:",
        *[f"  %fetched{b} = load {ints}, ptr %first.ptr{b}, align 4" for b in rows],
        "  br label %kernel",
        "kernel:",
        *[f"  %start{b} = phi {ints} [ zeroinitializer, %inner.head ], [ %fetched{b}, %fetch ]" for b in rows],
        "  br label %step",
        # The accumulator stays in registers while consecutive micro-ops name the same one.
        "step:",
        "  %u = phi i32 [ %uop_begin, %kernel ], [ %u.next, %multiply ]",
        "  %held = phi i32 [ %first.dst, %kernel ], [ %dst, %multiply ]",
        *[f"  %held{b} = phi {ints} [ %start{b}, %kernel ], [ %sum{b}, %multiply ]" for b in rows],
        _micro_op(names, "", "%u"),
        "  %same = icmp eq i32 %dst, %held",
        "  br i1 %same, label %multiply, label %change",
        "change:",
        _rows(config, "old", "%held"),
        *[f"  store {ints} %held{b}, ptr %old.ptr{b}, align 4" for b in rows],
        _rows(config, "new", "%dst"),
        *[f"  %new{b} = load {ints}, ptr %new.ptr{b}, align 4" for b in rows],
        "  br label %multiply",
        "multiply:",
        *[f"  %old{b} = phi {ints} [ %held{b}, %step ], [ %new{b}, %change ]" for b in rows],
        f"  %wgt.at = mul i32 %wgt, {block_in * block_out}",
        f"  %src.at = mul i32 %src, {batch * block_in}",
    ]
    for k in range(block_in // 2):
        lines += [
            f"  %w{k}.at = add i32 %wgt.at, {2 * k * block_out}",
            f"  %w{k}.ptr = getelementptr i16, ptr %tiles, i32 %w{k}.at",
            f"  %w{k}.shorts = load {shorts}, ptr %w{k}.ptr, align 4",
            f"  %w{k} = sext {shorts} %w{k}.shorts to {wide}",
        ]
    for b in rows:
        chains = [f"%old{b}", *["zeroinitializer"] * (CHAINS - 1)]
        for k in range(block_in // 2):
            x = f"%x{b}.{k}"
            chain = k % CHAINS
            lines += [
                f"  {x}.at = add i32 %src.at, {b * block_in + 2 * k}",
                f"  {x}.ptr = getelementptr i16, ptr %inp, i32 {x}.at",
                f"  {x}.pair = load i32, ptr {x}.ptr, align 4",
                f"  {x}.head = insertelement {ints} poison, i32 {x}.pair, i32 0",
                f"  {x}.pairs = shufflevector {ints} {x}.head, {ints} poison, <{block_out} x i32> zeroinitializer",
                f"  {x}.shorts = bitcast {ints} {x}.pairs to {shorts}",
                f"  {x} = sext {shorts} {x}.shorts to {wide}",
                f"  {x}.products = mul {wide} {x}, %w{k}",
                f"  {x}.even = shufflevector {wide} {x}.products, {wide} poison, {even}",
                f"  {x}.odd = shufflevector {wide} {x}.products, {wide} poison, {odd}",
                f"  {x}.sum = add {ints} {x}.even, {x}.odd",
                f"  {x}.total = add {ints} {chains[chain]}, {x}.sum",
            ]
            chains[chain] = f"{x}.total"
        lines.append(f"  %sum{b} = add {ints} {chains[0]}, {chains[1]}")
    lines += [
        "  %u.next = add i32 %u, 1",
        "  %u.more = icmp ult i32 %u.next, %uop_end",
        "  br i1 %u.more, label %step, label %last",
        "last:",
        _rows(config, "last", "%dst"),
        *[f"  store {ints} %sum{b}, ptr %last.ptr{b}, align 4" for b in rows],
        "  br label %inner.tail",
        LOOP_TAILS,
        "}",
    ]
    return "\n".join(lines)


def _lanes(count: int, first: int) -> str:
    """Shuffle mask: every second lane."""
    return ", ".join(f"i32 {2 * lane + first}" for lane in range(count))


def _alu(config: Config) -> str:
    batch, block_in, block_out = config.batch, config.block_in, config.block_out
    ints = f"<{block_out} x i32>"
    shared = min(block_in, block_out)
    bytes_ = f"<{shared} x i8>"
    splat = f"{ints} poison, <{block_out} x i32> zeroinitializer"
    widen = ", ".join(f"i32 {lane}" for lane in range(block_out))
    amounts = ", ".join(["i32 31"] * block_out)
    lines = [
        "define i32 @alu(ptr noalias %acc, ptr noalias %inp, ptr noalias %uop, ptr noalias %args) {",
        "entry:",
        _arguments(ALU_ARGUMENTS),
        f"  %from_inp = icmp eq i32 %source, {AluSource.INP.value}",
        f"  %from_acc = icmp eq i32 %source, {AluSource.ACC.value}",
        f"  %limit.acc = select i1 %from_acc, i32 {config.acc_depth}, i32 -1",
        f"  %limit = select i1 %from_inp, i32 {config.inp_depth}, i32 %limit.acc",
        f"  %imm.head = insertelement {ints} poison, i32 %imm, i32 0",
        f"  %imm.all = shufflevector {ints} %imm.head, {splat}",
        _range_check({"dst": str(config.acc_depth), "src": "%limit"}),
        _loops(("dst", "src")),
        "  br label %step",
        "step:",
        "  %u = phi i32 [ %uop_begin, %inner.head ], [ %u.next, %next ]",
        _micro_op(("dst", "src"), "", "%u"),
        _rows(config, "dst", "%dst"),
        "  switch i32 %source, label %operand.imm ["
        f" i32 {AluSource.INP.value}, label %operand.inp i32 {AluSource.ACC.value}, label %operand.acc ]",
        "operand.imm:",
        "  br label %operate",
        "operand.inp:",
        f"  %inp.at = mul i32 %src, {batch * block_in}",
    ]
    for b in range(batch):
        lines += [
            f"  %inp.at{b} = add i32 %inp.at, {b * block_in}",
            f"  %inp.ptr{b} = getelementptr i8, ptr %inp, i32 %inp.at{b}",
            f"  %inp.bytes{b} = load {bytes_}, ptr %inp.ptr{b}, align 1",
            f"  %inp.ints{b} = sext {bytes_} %inp.bytes{b} to <{shared} x i32>",
            f"  %inp{b} = shufflevector <{shared} x i32> %inp.ints{b}, <{shared} x i32> zeroinitializer, "
            f"<{block_out} x i32> <{widen if block_out <= shared else _padded(shared, block_out)}>",
        ]
    lines += ["  br label %operate", "operand.acc:", _rows(config, "src", "%src")]
    lines += [f"  %src{b} = load {ints}, ptr %src.ptr{b}, align 4" for b in range(batch)]
    lines += ["  br label %operate", "operate:"]
    for b in range(batch):
        lines.append(
            f"  %y{b} = phi {ints} [ %imm.all, %operand.imm ], [ %inp{b}, %operand.inp ], [ %src{b}, %operand.acc ]"
        )
    lines += [f"  %x{b} = load {ints}, ptr %dst.ptr{b}, align 4" for b in range(batch)]
    labels = " ".join(f"i32 {op.value}, label %{op.name.lower()}" for op in AluOp)
    lines.append(f"  switch i32 %op, label %mov [ {labels} ]")
    for op in AluOp:
        lines.append(f"{op.name.lower()}:")
        for b in range(batch):
            x, y, z = f"%x{b}", f"%y{b}", f"%{op.name.lower()}{b}"
            match op:
                case AluOp.MOV:
                    lines.append(f"  {z} = add {ints} {y}, zeroinitializer")
                case AluOp.ADD | AluOp.SUB:
                    lines.append(f"  {z} = {op.name.lower()} {ints} {x}, {y}")
                case AluOp.MIN | AluOp.MAX:
                    lines.append(f"  {z}.take = icmp {'slt' if op is AluOp.MIN else 'sgt'} {ints} {x}, {y}")
                    lines.append(f"  {z} = select <{block_out} x i1> {z}.take, {ints} {x}, {ints} {y}")
                case AluOp.SHR | AluOp.SHL:
                    lines.append(f"  {z}.amount = and {ints} {y}, <{amounts}>")
                    lines.append(f"  {z} = {'ashr' if op is AluOp.SHR else 'shl'} {ints} {x}, {z}.amount")
            lines.append(f"  store {ints} {z}, ptr %dst.ptr{b}, align 4")
        lines.append("  br label %next")
    lines += [
        "next:",
        "  %u.next = add i32 %u, 1",
        "  %u.more = icmp ult i32 %u.next, %uop_end",
        "  br i1 %u.more, label %step, label %inner.tail",
        LOOP_TAILS,
        "}",
    ]
    return "\n".join(lines)


def _padded(shared: int, block_out: int) -> str:
    """Shuffle mask: the lanes there are, then lanes of the second operand, which is zero."""
    return ", ".join(f"i32 {lane if lane < shared else shared}" for lane in range(block_out))


def _out(config: Config) -> str:
    """A row lies the same way in the accumulators and in DRAM, so it is taken `block_out` lanes at a time."""
    block_out = config.block_out
    longs, ints, bytes_ = f"<{block_out} x i64>", f"<{block_out} x i32>", f"<{block_out} x i8>"
    lines = [
        f"declare {longs} @llvm.smax.v{block_out}i64({longs}, {longs})",
        f"declare {longs} @llvm.smin.v{block_out}i64({longs}, {longs})",
        "define void @out(ptr %acc, ptr %dram, ptr %residuals, ptr %params, ptr %args) {",
        "entry:",
        _arguments(OUT_ARGUMENTS),
    ]
    for name in POST_ARGUMENTS:
        lines += [
            f"  %{name}.long = sext i32 %{name} to i64",
            f"  %{name}.head = insertelement {longs} poison, i64 %{name}.long, i32 0",
            f"  %{name}.all = shufflevector {longs} %{name}.head, {longs} poison, <{block_out} x i32> zeroinitializer",
        ]
    for place, name in enumerate(("bias", "multiplier", "shift")):
        lines += [
            f"  %{name}.ptr = getelementptr i64, ptr %params, i32 {place * block_out}",
            f"  %{name} = load {longs}, ptr %{name}.ptr, align 8",
        ]
    lines += [
        f"  %vectors = mul i32 %cols, {config.batch}",
        "  %with_residual = icmp ne i32 %residual, 0",
        "  br label %row",
        "row:",
        "  %r = phi i32 [ 0, %entry ], [ %r.next, %row.tail ]",
        "  %r.sram = mul i32 %r, %sram_stride",
        "  %row.sram = add i32 %sram, %r.sram",
        f"  %row.acc = mul i32 %row.sram, {config.batch * block_out}",
        "  %r.long = zext i32 %r to i64",
        "  %pitch.long = zext i32 %pitch to i64",
        "  %row.byte = mul i64 %r.long, %pitch.long",
        "  br label %vector",
        "vector:",
        "  %c = phi i32 [ 0, %row ], [ %c.next, %finish ]",
        f"  %c.lanes = mul i32 %c, {block_out}",
        "  %c.long = zext i32 %c.lanes to i64",
        "  %byte = add i64 %row.byte, %c.long",
        "  %lane = add i32 %row.acc, %c.lanes",
        "  %acc.ptr = getelementptr i32, ptr %acc, i32 %lane",
        f"  %x.int = load {ints}, ptr %acc.ptr, align 4",
        f"  %x = sext {ints} %x.int to {longs}",
        f"  %x.biased = add {longs} %x, %bias",
        f"  %v = call {longs} @saturate32({longs} %x.biased)",
        f"  %scaled = mul {longs} %v, %multiplier",
        f"  %q.exact = call {longs} @rne({longs} %scaled, {longs} %shift)",
        f"  %q = call {longs} @saturate32({longs} %q.exact)",
        "  br i1 %with_residual, label %add, label %finish",
        "add:",
        "  %residual.at = getelementptr i8, ptr %residuals, i64 %byte",
        f"  %residual.bytes = load {bytes_}, ptr %residual.at, align 1",
        f"  %residual.longs = sext {bytes_} %residual.bytes to {longs}",
        f"  %centred = sub {longs} %residual.longs, %res_zero.all",
        f"  %weighted = mul {longs} %centred, %res_multiplier.all",
        f"  %r.exact = call {longs} @rne({longs} %weighted, {longs} %res_shift.all)",
        f"  %r.value = call {longs} @saturate32({longs} %r.exact)",
        f"  %both = add {longs} %q, %r.value",
        "  br label %finish",
        "finish:",
        f"  %sum = phi {longs} [ %q, %vector ], [ %both, %add ]",
        f"  %rounded = call {longs} @rne({longs} %sum, {longs} %fraction.all)",
        f"  %shifted = add {longs} %rounded, %zero_point.all",
        f"  %low = call {longs} @llvm.smax.v{block_out}i64({longs} %shifted, {longs} %minimum.all)",
        f"  %clamped = call {longs} @llvm.smin.v{block_out}i64({longs} %low, {longs} %maximum.all)",
        f"  %y = trunc {longs} %clamped to {bytes_}",
        "  %out.ptr = getelementptr i8, ptr %dram, i64 %byte",
        f"  store {bytes_} %y, ptr %out.ptr, align 1",
        "  %c.next = add i32 %c, 1",
        "  %c.more = icmp ult i32 %c.next, %vectors",
        "  br i1 %c.more, label %vector, label %row.tail",
        "row.tail:",
        "  %r.next = add i32 %r, 1",
        "  %r.more = icmp ult i32 %r.next, %rows",
        "  br i1 %r.more, label %row, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _rounding(lanes: int) -> str:
    """`saturate32` and `rne` of the instruction set, on int64 vectors."""
    longs = f"<{lanes} x i64>"

    def splat(value: int) -> str:
        return "<" + ", ".join([f"i64 {value}"] * lanes) + ">"

    return f"""define internal {longs} @saturate32({longs} %value) alwaysinline {{
  %low = call {longs} @llvm.smax.v{lanes}i64({longs} %value, {longs} {splat(-(1 << 31))})
  %high = call {longs} @llvm.smin.v{lanes}i64({longs} %low, {longs} {splat((1 << 31) - 1)})
  ret {longs} %high
}}
define internal {longs} @rne({longs} %value, {longs} %shift) alwaysinline {{
  %quotient = ashr {longs} %value, %shift
  %whole = shl {longs} %quotient, %shift
  %rest = sub {longs} %value, %whole
  %unit = shl {longs} {splat(1)}, %shift
  %half = lshr {longs} %unit, {splat(1)}
  %above = icmp ugt {longs} %rest, %half
  %tie = icmp eq {longs} %rest, %half
  %odd = trunc {longs} %quotient to <{lanes} x i1>
  %shifts = icmp ne {longs} %shift, zeroinitializer
  %to_even.odd = and <{lanes} x i1> %tie, %odd
  %to_even = and <{lanes} x i1> %to_even.odd, %shifts
  %up = or <{lanes} x i1> %above, %to_even
  %one = zext <{lanes} x i1> %up to {longs}
  %rounded = add {longs} %quotient, %one
  ret {longs} %rounded
}}"""
