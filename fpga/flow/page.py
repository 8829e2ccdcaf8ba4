"""A build's report on one page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .report import BuildReport
from .units import BOARD, NAMES, PARTS

SHOWN_SHARE = 0.01
KIB = 1024


def page(report: BuildReport) -> str:
    """The report, for people; what is in it is in `BuildReport.as_dict`, too."""
    met = "met" if report.timing_met else "**missed: this bitstream must not be used**"
    size = report.bitstream.stat().st_size
    summary = [
        ("FPGA", f"{report.board.device} in {report.board.package}, speed grade {report.board.speed}"),
        ("Clock", f"{report.clock.mhz:.2f} MHz after routing, for {report.clock.target_mhz:.2f} MHz: {met}"),
        *((NAMES[part], _share(report, part)) for part in PARTS),
        ("Bitstream", f"`{report.bitstream.name}`, {size / KIB:,.0f} KiB"),
        ("Time", f"{sum(report.seconds.values()):,.0f} s: " + _list(report.seconds, "s")),
        ("Seed", str(report.seed)),
        ("Tools", ", ".join(f"{name} {version}" for name, version in report.tools.items())),
        ("Fingerprint", f"`{report.fingerprint:016x}`"),
        ("Design", f"`{report.design}`"),
    ]
    units = [
        (f"`{unit}`", *(f"{getattr(use, part):,}" if getattr(use, part) else "" for part in PARTS))
        for unit, use in report.units.items()
        if use.dsp or use.bram or use.lut >= SHOWN_SHARE * report.used.lut
    ]
    total = sum(point.delay_ns for point in report.critical_path)
    path = [(f"`{point.name}`", f"{point.delay_ns:.2f}", f"{point.routing_ns:.2f}") for point in report.critical_path]
    return "\n".join(
        [
            f"# {report.board.title}, configuration `{report.config}`",
            "",
            *_table(("", ""), summary, "ll"),
            "",
            "## By unit",
            "",
            "After synthesis; a unit's numbers include those of the units in it. Logic between two units counts for "
            f"one of them. `{BOARD}` is what is between the units and the pins: clock, reset, pads, lights. Units "
            f"without multipliers or block memories and with less than {SHOWN_SHARE:.0%} of the LUTs are in the JSON "
            "only.",
            "",
            *_table(("unit", *(NAMES[part] for part in PARTS)), units, "lrrrr"),
            "",
            f"## The slowest path: {total:.2f} ns",
            "",
            "A signal stands for what drives it, and for logic beside it whose own signals were optimised away.",
            "",
            *_table(("signal", "ns", "of it, wires"), path, "lrr"),
            "",
        ]
    )


def _share(report: BuildReport, part: str) -> str:
    used, limit = getattr(report.used, part), getattr(report.board.capacity, part)
    return f"{used:,} of {limit:,}: {100 * used / limit:.1f}%"


def _list(values: Mapping[str, float], unit: str) -> str:
    return ", ".join(f"{name} {value:,.0f} {unit}" for name, value in values.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> list[str]:
    rule = ["---:" if column == "r" else "---" for column in alignment]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
