"""The PLL that makes the system's clock from the oscillator's."""

from dataclasses import dataclass
from fractions import Fraction

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import ConfigError

OUTPUT_HZ = (3_125_000, 400_000_000)
VCO_HZ = (400_000_000, 800_000_000)
DETECTOR_HZ = (10_000_000, 400_000_000)
"""Limits of an EHXPLLL: ECP5 data sheet FPGA-DS-02012, sysCLOCK PLL timing. An input of 8 MHz is allowed, but the
jitter is not specified for a detector below 10 MHz."""
MAX_DIVISOR = 128
MIDDLE_VCO_HZ = sum(VCO_HZ) // 2


@dataclass(frozen=True, kw_only=True)
class PllSettings:
    """Divisors of an EHXPLLL, each from 1 to `MAX_DIVISOR`.

    The input by `reference` is compared with the oscillator by `feedback`; the output is the oscillator by `output`.
    """

    input_hz: int
    reference: int
    feedback: int
    output: int

    @property
    def detector_hz(self) -> Fraction:
        return Fraction(self.input_hz, self.reference)

    @property
    def vco_hz(self) -> Fraction:
        return self.detector_hz * self.feedback

    @property
    def output_hz(self) -> Fraction:
        return self.vco_hz / self.output


def pll_settings(input_hz: int, output_hz: int) -> PllSettings:
    """Divisors with which a PLL makes `output_hz`, to the nearest hertz, of `input_hz`.

    Of several, those with the fastest phase detector, and of these the ones with the oscillator nearest to the middle
    of its range.

    Raises
    ------
    ConfigError:
        A frequency is outside of the PLL's limits, or no divisors reach it; the message names the nearest that is
        reached.
    """
    for name, hz, (low, high) in (("from", input_hz, DETECTOR_HZ), ("to", output_hz, OUTPUT_HZ)):
        if not low <= hz <= high:
            raise ConfigError(
                f"a PLL cannot go {name} {hz} Hz; it must be between {low} and {high} Hz (data sheet FPGA-DS-02012)"
            )
    reached = []
    for reference in _divisors(Fraction(input_hz), DETECTOR_HZ):
        detector_hz = Fraction(input_hz, reference)
        for feedback in range(-(-VCO_HZ[0] // detector_hz), min(MAX_DIVISOR, VCO_HZ[1] // detector_hz) + 1):
            possible = _divisors(detector_hz * feedback, OUTPUT_HZ)
            below = int(detector_hz * feedback // output_hz)
            nearest = {min(max(output, possible[0]), possible[-1]) for output in (below, below + 1)}
            reached += [
                PllSettings(input_hz=input_hz, reference=reference, feedback=feedback, output=output)
                for output in nearest
            ]
    best = min(
        reached,
        key=lambda found: (abs(found.output_hz - output_hz), found.reference, abs(found.vco_hz - MIDDLE_VCO_HZ)),
    )
    if round(best.output_hz) != output_hz:
        raise ConfigError(
            f"no PLL makes {output_hz} Hz of {input_hz} Hz; the nearest is {round(best.output_hz)} Hz: "
            "set the board's system_hz to it"
        )
    return best


def _divisors(hz: Fraction, limits: tuple[int, int]) -> range:
    """The divisors that take `hz` between the limits."""
    low, high = limits
    return range(max(1, -(-hz // high)), min(MAX_DIVISOR, hz // low) + 1)


class Pll(wiring.Component):
    """An EHXPLLL with `settings`.

    The feedback is of a second output, CLKOS, so that the detector may be faster than input and output together would
    allow. The phase of the output to the input is of no consequence and not defined.

    Members
    -------
    input: In(1)
    output: Out(1)
        A clock of `settings.output_hz`.
    locked: Out(1)
        Asynchronous.
    """

    input: In(1)
    output: Out(1)
    locked: Out(1)

    def __init__(self, settings: PllSettings) -> None:
        self.settings = settings
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings = self.settings
        feedback = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=_megahertz(Fraction(settings.input_hz)),
            a_FREQUENCY_PIN_CLKOP=_megahertz(settings.output_hz),
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=settings.reference,
            p_CLKFB_DIV=1,
            p_FEEDBK_PATH="CLKOS",
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=settings.feedback,
            p_CLKOS_CPHASE=settings.feedback - 1,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=settings.output,
            p_CLKOP_CPHASE=settings.output - 1,
            i_CLKI=self.input,
            i_CLKFB=feedback,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=self.output,
            o_CLKOS=feedback,
            o_LOCK=self.locked,
        )
        return m


def _megahertz(hz: Fraction) -> str:
    return f"{float(hz / 1_000_000):g}"
