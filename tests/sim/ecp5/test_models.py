"""Models of multiplier and block memory, against what Lattice says of them (FPGA-TN-02205, FPGA-TN-02204)."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import dovetail.sim.ecp5

from .verilate import refusal, run

MODELS = Path(str(dovetail.sim.ecp5.__file__)).resolve().parent
MULTIPLIER, MEMORY = MODELS / "mult18x18d.v", MODELS / "dp16kd.v"
CYCLES = 2000
ROWS = 2
"""Words of 36 bits that are addressed: few, so that ports meet."""

Bits = list[int | None]
"""The lowest first; None where nobody can know."""


def bits_of(value: int, width: int) -> Bits:
    return [value >> k & 1 for k in range(width)]


def signed(value: int, width: int, is_signed: int) -> int:
    return value - (value >> width - 1 << width) if is_signed else value


@dataclass
class Multiplier:
    """P = A * B, through the registers that are there: of A, of B, of the product, of the output."""

    registers: tuple[bool, bool, bool, bool]
    lines: tuple[int, int, int, int]
    held: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def step(self, pins: dict[str, int]) -> Bits:
        """What P is before a clock; then the clock."""
        a_in, b_in = (signed(pins[x.lower()], 18, pins[f"SIGNED{x}"]) for x in "AB")
        a, b = (self.held[k] if self.registers[k] else value for k, value in enumerate((a_in, b_in)))
        piped = self.held[2] if self.registers[2] else a * b
        result = self.held[3] if self.registers[3] else piped
        for k, value in enumerate((a_in, b_in, a * b, piped)):
            if pins["rst"] >> self.lines[k] & 1:
                self.held[k] = 0
            elif pins["ce"] >> self.lines[k] & 1:
                self.held[k] = value
        return bits_of(result, 36)

    def verilog(self, name: str) -> str:
        places = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
        parameters = [
            f'.REG_{place}_{what}("{what}{line}")'
            for place, there, line in zip(places, self.registers, self.lines, strict=True)
            for what in (("CE", "RST", "CLK") if there else ("CE", "RST"))
        ]
        pins = [f".{x}{k}({x.lower()}[{k}])" for x in "AB" for k in range(18)]
        pins += [f".{what}{k}({what.lower()}[{k}])" for what in ("CE", "RST") for k in range(4)]
        pins += [f".CLK{k}(clk)" for k in range(4)] + [".SIGNEDA", ".SIGNEDB"]
        pins += [f".P{k}({name}[{k}])" for k in range(36)]
        return f"wire [35:0] {name}; MULT18X18D #({', '.join(parameters)}) i_{name} ({', '.join(pins)});"


ADDRESS_BITS = {1: 14, 2: 13, 4: 12, 9: 11, 18: 10, 36: 9}
PER_BYTE = {1: 8, 2: 4, 4: 2}


@dataclass
class BlockMemory:
    """18 Kbit with two ports; by entries, as the document's tables of widths and depths have them."""

    widths: tuple[int, int]
    modes: tuple[str, str] = ("NORMAL", "NORMAL")
    registered: tuple[bool, bool] = (False, False)
    decodes: tuple[int, int] = (0, 0)
    content: Bits = field(default_factory=list)
    latches: list[Bits] = field(default_factory=lambda: [[0] * 36, [0] * 36])
    outputs: list[Bits] = field(default_factory=lambda: [[0] * 36, [0] * 36])

    def places(self, port: int, address: int) -> list[int]:
        """Where an entry's bits are."""
        width = self.widths[port]
        entry = address >> 14 - ADDRESS_BITS[width]
        if width not in PER_BYTE:
            return [entry * width + k for k in range(width)]
        byte, part = divmod(entry, PER_BYTE[width])
        return [byte * 9 + part * width + k for k in range(width)]

    def step(self, pins: dict[str, int]) -> tuple[Bits, Bits]:
        """What is read before a clock; then the clock."""
        shown = [self.outputs[k] if self.registered[k] else self.latches[k] for k in range(2)]
        ports = []
        for k, x in enumerate("ab"):
            active = pins[f"CE{x.upper()}"] and pins[f"cs_{x}"] == self.decodes[k]
            writes = {}
            if active and pins[f"WE{x.upper()}"] and self.may_write(k):
                data = pins["di_a"] | pins["di_b"] << 18 if self.widths[k] == 36 else pins[f"di_{x}"]
                enables = pins[f"ad_{x}"] if self.widths[k] >= 18 else -1
                for bit, place in enumerate(self.places(k, pins[f"ad_{x}"])):
                    if enables >> bit // 9 & 1:
                        writes[place] = data >> bit & 1
            ports.append((active, self.places(k, pins[f"ad_{x}"]), writes))
        before = list(self.content)
        for _, _, writes in ports:
            for place, bit in writes.items():
                self.content[place] = bit
        for place in ports[0][2].keys() & ports[1][2].keys():
            self.content[place] = None
        for k, x in enumerate("AB"):
            active, places, writes = ports[k]
            other = ports[1 - k][2] if ports[1 - k][0] else {}
            writing = active and pins[f"WE{x}"] and self.may_write(k)
            passed = self.latches[k]
            if active and not (writing and self.modes[k] == "NORMAL"):
                new = writing and self.modes[k] == "WRITETHROUGH"
                read = [writes.get(p, before[p]) if new else before[p] for p in places]
                self.latches[k] = [None if p in other else bit for p, bit in zip(places, read, strict=True)]
                self.latches[k] += [0] * (36 - len(places))
            if pins[f"OCE{x}"]:
                self.outputs[k] = passed
            if pins[f"RST{x}"] and not writing:
                self.latches[k] = self.outputs[k] = [0] * 36
        return shown[0], shown[1]

    def may_write(self, port: int) -> bool:
        return port == 0 or self.widths[1] != 36

    def verilog(self, name: str, rng: random.Random) -> str:
        """An instance whose reset is held back while it writes, which the document does not describe."""
        self.content = [rng.randrange(2) for _ in range(18 * 1024)]
        parameters = []
        for k, x in enumerate("AB"):
            parameters += [
                f".DATA_WIDTH_{x}({self.widths[k]})",
                f'.WRITEMODE_{x}("{self.modes[k]}")',
                f'.REGMODE_{x}("{"OUTREG" if self.registered[k] else "NOREG"}")',
                f'.CSDECODE_{x}("0b{self.decodes[k]:03b}")',
            ]
        for k in range(64):
            rows = [self.content[18 * row : 18 * row + 18] for row in range(16 * k, 16 * k + 16)]
            value = sum(bit << 20 * r + b for r, row in enumerate(rows) for b, bit in enumerate(row) if bit)
            parameters.append(f".INITVAL_{k:02X}(320'h{value:x})")
        pins = []
        for k, x in enumerate("AB"):
            low, write = x.lower(), f"WE{x}" if self.may_write(k) else "1'b0"
            active = f"(CE{x} && cs_{low} == {self.decodes[k]})"
            pins += [f".DI{x}{b}(di_{low}[{b}])" for b in range(18)]
            pins += [f".AD{x}{b}(ad_{low}[{b}])" for b in range(14)]
            pins += [f".CS{x}{b}(cs_{low}[{b}])" for b in range(3)]
            pins += [f".CE{x}", f".OCE{x}", f".WE{x}({write})", f".RST{x}(RST{x} && !({write} && {active}))"]
            pins += [f".CLK{x}(clk)"] + [f".DO{x}{b}({name}[{18 * k + b}])" for b in range(18)]
        return f"wire [35:0] {name}; DP16KD #({', '.join(parameters)}) i_{name} ({', '.join(pins)});"


PINS = {"a": 18, "b": 18, "ce": 4, "rst": 4, "SIGNEDA": 1, "SIGNEDB": 1, "di_a": 18, "di_b": 18, "ad_a": 14, "ad_b": 14}
PINS |= {"cs_a": 3, "cs_b": 3} | {f"{what}{x}": 1 for what in ("CE", "OCE", "WE", "RST") for x in "AB"}
MODES = ("NORMAL", "WRITETHROUGH", "READBEFOREWRITE")


def stimuli(rng: random.Random) -> list[dict[str, int]]:
    steps = []
    for _ in range(CYCLES):
        pins = {name: rng.getrandbits(width) for name, width in PINS.items()}
        for x in "ab":
            if rng.random() < 0.2:
                pins[x] = rng.choice((0, 1, 1 << 17, (1 << 18) - 1, (1 << 17) - 1))
            pins[f"ad_{x}"] &= ROWS * 32 - 1
            pins[f"cs_{x}"] &= rng.choice((0, 0, 7))
            pins[f"RST{x.upper()}"] &= rng.randrange(2)
        pins["rst"] &= rng.getrandbits(4)
        steps.append(pins)
    return steps


def test_models_do_what_the_documents_say(tmp_path: Path) -> None:
    """All of the multiplier's combinations of registers, and the memory's widths and modes, with random stimuli."""
    rng = random.Random(1)
    steps = stimuli(rng)
    multipliers = [
        Multiplier(registers, tuple(rng.randrange(4) for _ in range(4)))
        for registers in itertools.product((False, True), repeat=4)
    ]
    widths = [(36, 36), (18, 18), (9, 9), (1, 18), (2, 4), (18, 9), (36, 9), (4, 36), (36, 18), (18, 1)]
    memories = [
        BlockMemory(
            pair,
            (MODES[k % 3], MODES[k // 3 % 3]),
            (rng.random() < 0.3, rng.random() < 0.3),
            (rng.choice((0, 5)), 0),
        )
        for k, pair in enumerate(widths)
    ]
    names = [f"m{k}" for k in range(len(multipliers))] + [f"r{k}" for k in range(len(memories))]
    instances = [model.verilog(f"m{k}") for k, model in enumerate(multipliers)]
    instances += [model.verilog(f"r{k}", rng) for k, model in enumerate(memories)]
    bench = f"""
      module bench;
        reg clk = 0;
        reg [{sum(PINS.values()) - 1}:0] steps[{CYCLES}], pins;
        integer k;
        {" ".join(f"wire [{width - 1}:0] {name};" for name, width in PINS.items())}
        assign {{{", ".join(PINS)}}} = pins;
        {chr(10).join(instances)}
        initial begin
          $readmemh("steps.hex", steps);
          for (k = 0; k < {CYCLES}; k = k + 1) begin
            pins = steps[k];
            #1 $display("%x", {{{", ".join(names)}}});
            clk = 1;
            #1 clk = 0;
          end
          $finish;
        end
      endmodule"""
    words = []
    for pins in steps:
        word = 0
        for name, width in PINS.items():
            word = word << width | pins[name]
        words.append(f"{word:x}")
    (tmp_path / "steps.hex").write_text("\n".join(words))
    files = {"bench.sv": bench.encode()} | {path.name: path.read_bytes() for path in (MULTIPLIER, MEMORY)}
    lines = run(tmp_path, "bench", files, list(files))
    assert len(lines) == CYCLES

    known = 0
    for cycle, (pins, line) in enumerate(zip(steps, lines, strict=True)):
        got = bits_of(int(line, 16), 36 * len(names))
        for k, (name, model) in enumerate(zip(names, (*multipliers, *memories), strict=True)):
            shown = got[36 * (len(names) - 1 - k) :][:36]
            if isinstance(model, Multiplier):
                expected = model.step(pins)
            else:
                a, b = model.step(pins)
                expected = b[:36] if model.widths[1] == 36 else a[:18] + b[:18]
                if model.widths[0] == 36 and model.widths[1] != 36:
                    expected[:18] = [None] * 18
            known += sum(bit is not None for bit in expected)
            wrong = [bit for bit in range(36) if expected[bit] is not None and expected[bit] != shown[bit]]
            assert not wrong, f"cycle {cycle}, {name}, bits {wrong}"
    assert known > 0.9 * 36 * len(names) * CYCLES


@pytest.mark.parametrize(
    ("cell", "parameter", "message"),
    [
        ("MULT18X18D", 'RESETMODE("ASYNC")', "MULT18X18D_RESETMODE_is_not_modelled"),
        ("MULT18X18D", 'REG_OUTPUT_CLK("CLK4")', "MULT18X18D_REG_CLK_CE_or_RST_is_not_known"),
        ("MULT18X18D", 'SOURCEB_MODE("B_SHIFT")', "SOURCEB_MODE"),
        ("DP16KD", "DATA_WIDTH_A(8)", "DP16KD_DATA_WIDTH_A_is_not_known"),
        ("DP16KD", 'WRITEMODE_B("NOCHANGE")', "DP16KD_WRITEMODE_B_is_not_known"),
        ("DP16KD", 'CLKBMUX("INV")', "DP16KD_inverted_clocks_are_not_modelled"),
        ("DP16KD", 'INIT_DATA("DYNAMIC")', "INIT_DATA"),
    ],
)
def test_a_setting_that_is_not_modelled_is_refused(cell: str, parameter: str, message: str, tmp_path: Path) -> None:
    text = f"module refused; {cell} #(.{parameter}) cell_ (); endmodule"
    assert message in refusal(tmp_path, "refused", text, [MULTIPLIER, MEMORY])
