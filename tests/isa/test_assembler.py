from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.assembler import AssemblyError, disassemble, format_instruction, parse
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import (
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Finish,
    Format,
    Gemm,
    Load,
    Param,
    Post,
    Store,
    Sync,
    Unit,
)
from dovetail.isa.program import Program, Segment

from .strategies import configs, instructions

DEFAULT = load_config("default")


@pytest.mark.parametrize(
    ("line", "instruction"),
    [
        (
            "load inp[16] <- dram[0x1000] rows=4 cols=56 stride=58 pad=(1,0,1,2) pad_value=-3 pop(compute)",
            Load(buffer=Buffer.INP, sram=16, dram=0x1000, rows=4, cols=56, stride=58, pad_top=1, pad_left=1,
                 pad_right=2, pad_value=-3, pop_next=True),
        ),
        (
            "store out dram[0x20] <- acc[3] residual cols=2 push(compute)",
            Store(format=Format.OUT, residual=True, sram=3, dram=0x20, cols=2, push_prev=True),
        ),
        ("param dram[0x400]", Param(dram=0x400)),
        ("post minimum=0 residual_offset=0xfffff000", Post(minimum=0, residual_offset=0xFFFFF000)),
        (
            "gemm uop[2:11] overwrite loop=(4,56) dst=(56,1) src=(58,1) wgt=(0,9) pop(load,store)",
            Gemm(overwrite=True, uop_begin=2, uop_count=9, outer=4, inner=56, dst_outer=56, dst_inner=1, src_outer=58,
                 src_inner=1, wgt_inner=9, pop_prev=True, pop_next=True),
        ),
        ("alu max imm uop[0:1] imm=-1", Alu(op=AluOp.MAX, source=AluSource.IMM, uop_begin=0, uop_count=1, imm=-1)),
        ("sync store pop(compute)", Sync(target=Unit.STORE, pop_prev=True)),
        ("finish", Finish()),
    ],
)  # fmt: skip
def test_each_kind_has_a_readable_line(line, instruction):
    assert format_instruction(instruction) == line
    assert parse(line, DEFAULT).instructions == (instruction,)


def test_layout_of_a_line_does_not_matter():
    text = """
        # a comment
        .config default
        load wgt[ 0x2 ]   <-   dram[4096] push( compute ) cols = 1   ; spaces around = are not part of the language
    """
    with pytest.raises(AssemblyError, match=r"^a\.s:4: load: unexpected 'cols'; expected rows=, cols=, "):
        parse(text, name="a.s")
    program = parse(text.replace("cols = 1", "cols=0b1"))
    assert program.instructions == (Load(buffer=Buffer.WGT, sram=2, dram=4096, cols=1, push_next=True),)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_disassembly_assembles_to_the_same_program(data):
    config = data.draw(configs)
    listed = data.draw(st.lists(instructions(config), max_size=8))
    names = data.draw(st.lists(st.text(max_size=5), unique=True, max_size=3))
    segments = [Segment(name, 100 * at, data.draw(st.binary(max_size=80))) for at, name in enumerate(names)]
    program = Program(config, tuple(listed), tuple(segments))
    assert parse(disassemble(program)) == program


def test_a_configuration_without_a_name_round_trips():
    program = Program(Config(queue_depth=8), (Finish(),))
    assert parse(disassemble(program)) == program


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jump 3",
         "p:1: unknown instruction 'jump'; expected load, store, param, post, gemm, alu, sync, finish or a directive"),
        ("finish now", "p:1: finish: unexpected 'now'; expected pop(unit), push(unit)"),
        ("load out[0] <- dram[0] cols=1",
         "p:1: load: unexpected 'out[0]'; expected inp[entry] or wgt[entry] or acc[entry] or uop[entry]"),
        ("load inp[0] dram[0] cols=1", "p:1: load: unexpected 'dram[0]'; expected <-"),
        ("load inp[0] <-", "p:1: load: unexpected 'the end of the line'; expected dram[address]"),
        ("load inp[0] <- dram[0]", "p:1: load: cols is missing"),
        ("load inp[0] <- dram[0] cols=0", "p:1: load: cols is 0; it must be between 1 and 4095"),
        ("load inp[0] <- dram[1] cols=1", "p:1: load: dram is 0x1; it must be a multiple of 16 bytes"),
        ("load inp[0] <- dram[0] cols=x", "p:1: cols: 'x' is not a number"),
        ("load inp[0] <- dram[0] cols=1 cols=2", "p:1: load: cols is given twice"),
        ("load inp[0] <- dram[0] cols=1 pad=(1,2)",
         "p:1: load: unexpected 'pad=(1,2)'; expected pad=(pad_top,pad_bottom,pad_left,pad_right)"),
        ("load inp[0] <- dram[0] cols=1 push(store)", "p:1: load: push(store): load exchanges tokens with compute"),
        ("\nload inp[0 <- dram[0]", "p:2: unexpected '[0 <- dram[0]'; parentheses and brackets must match"),
        ("gemm uop[4:4]", "p:1: gemm: uop_count is 0; it must be between 1 and 2047"),
        ("sync fetch", "p:1: sync: target is 3 (fetch); it must be load, compute or store"),
        ("alu div imm uop[0:1]", "p:1: alu: unexpected 'div'; expected mov or add or sub or min or max or shr or shl"),
        (".origin 3", "p:1: unknown directive '.origin'; expected .config, .dram_bytes, .segment, .bytes"),
        (".segment 3", 'p:1: .segment expects "NAME" ADDRESS'),
        ('.segment "a', "p:1: the string at '\"a' does not end"),
        (".bytes 00", "p:1: .bytes belongs to no segment; expected .segment before it"),
        ('.segment "a" 0\n.bytes 0', "p:2: .bytes expects pairs of hexadecimal digits"),
        ('.segment "a" 0\n.segment "a" 0', "p: segment 'a' is there twice"),
        (".config tiny", "p:1: .config is not the configuration asked for: block_in is 4, not 16; "),
        (".config batch=3", "p:1: .config: batch must be a power of two, not 3"),
        ("finish\n.config default", "p:2: .config must come once, before the first instruction"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_what_is_expected(text, message):
    with pytest.raises(AssemblyError) as caught:
        parse(text, DEFAULT, "p")
    assert str(caught.value).startswith(message)


def test_a_text_needs_a_configuration():
    with pytest.raises(AssemblyError, match=r"^p:1: finish needs a configuration; begin with \.config default$"):
        parse("finish", name="p")
