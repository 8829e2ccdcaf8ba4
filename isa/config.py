"""The configuration of a machine: the one place where its sizes are decided.

Everything that depends on a size (instruction layouts, RTL, simulators, compiler, documents) derives it from a
`Config`. A configuration is frozen and validated as a whole; what cannot work is refused by the field's name, its
value and the limit.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

ISA_VERSION = 1
"""Goes into every fingerprint: programs of another version are refused."""

INSTRUCTION_BITS = 128
DRAM_ADDRESS_BITS = 32
BYTE_BITS = 8
INP_BITS = 8
WGT_BITS = 8
ACC_BITS = 32
OUT_BITS = 8
PARAM_RECORD_BYTES = 16
"""One record of `PARAM`: bias int32, multiplier int32, shift uint8, the rest ignored; little-endian."""

AXI_BOUNDARY_BYTES = 4096
"""No AXI4 burst crosses an address that is a multiple of this (AMBA AXI, IHI 0022, A3.4.1)."""
AXI_MAX_BEATS = 256
"""The longest INCR burst of AXI4."""

PRESETS = Path(__file__).resolve().parent / "presets"


class ConfigError(ValueError):
    """A configuration, or a file that should hold one, is unusable. The message names the field and the limit."""


def clog2(value: int) -> int:
    """The number of bits that number `value` different things; 0 for one thing."""
    return (value - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of one machine.

    Parameters
    ----------
    batch, block_in, block_out:
        The array multiplies a `batch x block_in` input vector by a `block_out x block_in` weight tile each cycle.
    inp_depth, wgt_depth, acc_depth, uop_depth:
        Entries of the input buffer (vectors), the weight buffer (tiles), the accumulators (vectors) and the micro-op
        buffer.
    out_lanes:
        Elements that output processing finishes in a cycle.
    bus_bits:
        Data width of the AXI4 master: 64 or 128.
    burst_beats:
        Longest AXI burst.
    max_bursts:
        Read bursts that the load unit keeps in flight, and write bursts that the store unit does.
    queue_depth:
        Instructions that can wait in front of each unit.
    token_depth:
        Tokens that each dependency queue holds.
    mul_stages, add_stages:
        Pipeline registers inside the multipliers and inside the adder tree. They cost latency, not throughput.

    Raises
    ------
    ConfigError:
        A field is out of its range, or fields do not fit each other.
    """

    batch: int = 1
    block_in: int = 16
    block_out: int = 16
    inp_depth: int = 4096
    wgt_depth: int = 512
    acc_depth: int = 2048
    uop_depth: int = 1024
    out_lanes: int = 8
    bus_bits: int = 128
    burst_beats: int = 64
    max_bursts: int = 8
    queue_depth: int = 16
    token_depth: int = 16
    mul_stages: int = 3
    add_stages: int = 4

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int:
                raise ConfigError(f"{field.name} must be an integer, not {value!r}")
        power = self._require_power_of_two
        power("batch", 1, 16)
        power("block_in", 4, 64)
        power("block_out", 4, 64)
        power("inp_depth", 16, 65536)
        power("wgt_depth", 4, 65536)
        power("acc_depth", 16, 65536)
        power("uop_depth", 16, 65536)
        power("out_lanes", 1, 64)
        power("bus_bits", 64, 128)
        power("burst_beats", 1, AXI_MAX_BEATS)
        power("max_bursts", 1, 64)
        power("queue_depth", 2, 256)
        power("token_depth", 1, 256)
        self._require_range("mul_stages", 1, 4)
        self._require_range("add_stages", 0, 4)
        self._require_at_most("out_lanes", self.block_out, "block_out")
        self._require_at_most("out_lanes", self.bus_bytes, "the bus's bytes")
        if self.burst_beats * self.bus_bytes > AXI_BOUNDARY_BYTES:
            limit = AXI_BOUNDARY_BYTES // self.bus_bytes
            raise ConfigError(
                f"burst_beats must be at most {limit} with bus_bits={self.bus_bits} "
                f"(a burst stays within {AXI_BOUNDARY_BYTES} bytes), not {self.burst_beats}"
            )
        from .instructions import INSTRUCTIONS  # the layouts need Config, so they are looked at last

        for kind in INSTRUCTIONS:
            used = kind.layout(self).used_bits
            if used > INSTRUCTION_BITS:
                raise ConfigError(
                    f"{kind.opcode.name} needs {used} bits with these depths (inp_depth={self.inp_depth}, "
                    f"wgt_depth={self.wgt_depth}, acc_depth={self.acc_depth}, uop_depth={self.uop_depth}); "
                    f"the limit is {INSTRUCTION_BITS}"
                )

    def _require_range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} must be between {low} and {high}, not {value}")

    def _require_power_of_two(self, name: str, low: int, high: int) -> None:
        self._require_range(name, low, high)
        value = getattr(self, name)
        if value & (value - 1):
            raise ConfigError(f"{name} must be a power of two, not {value}")

    def _require_at_most(self, name: str, limit: int, what: str) -> None:
        value = getattr(self, name)
        if value > limit:
            raise ConfigError(f"{name} must be at most {what} ({limit}), not {value}")

    # Sizes that follow. Bytes are of one entry.

    @property
    def bus_bytes(self) -> int:
        return self.bus_bits // BYTE_BITS

    @property
    def inp_bytes(self) -> int:
        return self.batch * self.block_in * INP_BITS // BYTE_BITS

    @property
    def wgt_bytes(self) -> int:
        return self.block_out * self.block_in * WGT_BITS // BYTE_BITS

    @property
    def acc_bytes(self) -> int:
        return self.batch * self.block_out * ACC_BITS // BYTE_BITS

    @property
    def out_bytes(self) -> int:
        return self.batch * self.block_out * OUT_BITS // BYTE_BITS

    @property
    def uop_bytes(self) -> int:
        return self.uop_bits // BYTE_BITS

    @property
    def param_bytes(self) -> int:
        """Bytes that one `PARAM` reads: a record for each output channel of a block."""
        return self.block_out * PARAM_RECORD_BYTES

    @property
    def inp_index_bits(self) -> int:
        return clog2(self.inp_depth)

    @property
    def wgt_index_bits(self) -> int:
        return clog2(self.wgt_depth)

    @property
    def acc_index_bits(self) -> int:
        return clog2(self.acc_depth)

    @property
    def uop_index_bits(self) -> int:
        return clog2(self.uop_depth)

    @property
    def src_index_bits(self) -> int:
        """A micro-op's source names an input vector, or an accumulator when the ALU reads one."""
        return max(self.inp_index_bits, self.acc_index_bits)

    @property
    def sram_index_bits(self) -> int:
        """An index into the deepest buffer that `LOAD` can fill."""
        return max(self.inp_index_bits, self.wgt_index_bits, self.acc_index_bits, self.uop_index_bits)

    @property
    def uop_field_bits(self) -> int:
        return self.acc_index_bits + self.src_index_bits + self.wgt_index_bits

    @property
    def uop_bits(self) -> int:
        """Micro-ops take 32 bits in DRAM, or the next power of two that holds their fields."""
        return max(32, 1 << clog2(self.uop_field_bits))

    @property
    def macs_per_cycle(self) -> int:
        return self.batch * self.block_in * self.block_out

    @cached_property
    def fingerprint(self) -> int:
        """64 bits that differ whenever a field or the ISA's version does; never 0."""
        text = json.dumps({"isa": ISA_VERSION, **asdict(self)}, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") or 1

    def differences(self, other: Config) -> list[str]:
        """One phrase for each field in which `other` differs, such as ``batch is 1, not 8``."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{name} is {mine[name]}, not {theirs[name]}" for name in mine if mine[name] != theirs[name]]


def preset_names() -> list[str]:
    """The presets that `load_config` knows by name, in alphabetical order."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def config_from_mapping(values: dict[str, object], where: str) -> Config:
    """Build a configuration from parsed values; fields left out keep their defaults.

    Raises
    ------
    ConfigError:
        An unknown field, or what `Config` refuses; the message begins with `where`.
    """
    known = {field.name for field in fields(Config)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown field {unknown[0]!r}; the fields are {', '.join(sorted(known))}")
    try:
        return Config(**values)  # type: ignore[arg-type]  # Config checks the types itself, with better words
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def load_config(name: str | Path) -> Config:
    """Read a preset by name (``default``) or a TOML file by path (``mine.toml``).

    Raises
    ------
    ConfigError:
        No such preset or file, not TOML, or not a valid configuration.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = PRESETS / f"{name}.toml"
        if str(name) not in preset_names():
            raise ConfigError(
                f"no configuration {str(name)!r}; use one of {', '.join(preset_names())}, or the path of a .toml file"
            )
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return config_from_mapping(values, str(path) if Path(name).suffix == ".toml" else str(name))
