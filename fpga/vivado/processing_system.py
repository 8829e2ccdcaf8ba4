"""Settings of the Zynq processing system of a PYNQ-Z1 or PYNQ-Z2."""

from __future__ import annotations

from types import MappingProxyType

from dovetail.isa.config import ConfigError

HP_BITS = 64
"""Data width of S_AXI_HP0 (Zynq-7000 technical reference manual, UG585, chapter 5)."""
PLL_HZ = 1_000_000_000
"""The IO PLL that FCLK_CLK0 is divided from: 20 times the boards' 50 MHz."""
MAX_DIVISOR = 63
"""Of each of the two dividers behind it."""

SETTINGS = MappingProxyType(
    {
        "PCW_CRYSTAL_PERIPHERAL_FREQMHZ": "50",
        "PCW_APU_PERIPHERAL_FREQMHZ": "650",
        "PCW_PRESET_BANK0_VOLTAGE": "LVCMOS 3.3V",
        "PCW_PRESET_BANK1_VOLTAGE": "LVCMOS 1.8V",
        "PCW_UIPARAM_DDR_ENABLE": "1",
        "PCW_UIPARAM_DDR_MEMORY_TYPE": "DDR 3",
        "PCW_UIPARAM_DDR_PARTNO": "MT41J256M16 RE-125",
        "PCW_UIPARAM_DDR_BUS_WIDTH": "16 Bit",
        "PCW_UIPARAM_DDR_FREQ_MHZ": "525",
        "PCW_UIPARAM_DDR_BL": "8",
        "PCW_UIPARAM_DDR_TRAIN_WRITE_LEVEL": "1",
        "PCW_UIPARAM_DDR_TRAIN_READ_GATE": "1",
        "PCW_UIPARAM_DDR_TRAIN_DATA_EYE": "1",
        "PCW_UIPARAM_DDR_CLOCK_0_LENGTH_MM": "25.8",
        "PCW_UIPARAM_DDR_CLOCK_1_LENGTH_MM": "25.8",
        "PCW_UIPARAM_DDR_DQS_0_LENGTH_MM": "15.6",
        "PCW_UIPARAM_DDR_DQS_1_LENGTH_MM": "18.8",
        "PCW_UIPARAM_DDR_DQ_0_LENGTH_MM": "16.5",
        "PCW_UIPARAM_DDR_DQ_1_LENGTH_MM": "18",
        "PCW_QSPI_PERIPHERAL_ENABLE": "1",
        "PCW_QSPI_GRP_SINGLE_SS_ENABLE": "1",
        "PCW_ENET0_PERIPHERAL_ENABLE": "1",
        "PCW_ENET0_ENET0_IO": "MIO 16 .. 27",
        "PCW_ENET0_GRP_MDIO_ENABLE": "1",
        "PCW_ENET0_GRP_MDIO_IO": "MIO 52 .. 53",
        "PCW_ENET0_RESET_ENABLE": "1",
        "PCW_ENET0_RESET_IO": "MIO 9",
        "PCW_SD0_PERIPHERAL_ENABLE": "1",
        "PCW_SD0_SD0_IO": "MIO 40 .. 45",
        "PCW_SD0_GRP_CD_ENABLE": "1",
        "PCW_SD0_GRP_CD_IO": "MIO 47",
        "PCW_UART0_PERIPHERAL_ENABLE": "1",
        "PCW_UART0_UART0_IO": "MIO 14 .. 15",
        "PCW_USB0_PERIPHERAL_ENABLE": "1",
        "PCW_USB0_USB0_IO": "MIO 28 .. 39",
        "PCW_USB0_RESET_ENABLE": "1",
        "PCW_USB0_RESET_IO": "MIO 46",
        "PCW_GPIO_MIO_GPIO_ENABLE": "1",
    }
)
"""Both boards: clocks, DDR3 and its traces, and what Linux boots from (PYNQ project, boards/Pynq-Z1 and Pynq-Z2)."""


class ClockError(ConfigError):
    """The processing system cannot make a frequency."""


def require_clock(hertz: int) -> None:
    """Refuse a frequency that FCLK_CLK0 cannot have to the nearest hertz.

    Raises
    ------
    ClockError:
        The message names the nearest lower one that it can have.
    """
    products = sorted({a * b for a in range(1, MAX_DIVISOR + 1) for b in range(1, MAX_DIVISOR + 1)})
    if any(abs(PLL_HZ - hertz * product) <= product for product in products):
        return
    slower = next((product for product in products if PLL_HZ < hertz * product), products[-1])
    raise ClockError(
        f"FCLK_CLK0 cannot be {hertz / 1e6:g} MHz: it is {PLL_HZ / 1e6:g} MHz divided by two numbers up to "
        f"{MAX_DIVISOR}; use {PLL_HZ / slower / 1e6:.6f} MHz"
    )


def settings(hertz: int) -> dict[str, str]:
    """All settings, with the ports that the accelerator uses and FCLK_CLK0 at `hertz`.

    Raises
    ------
    ClockError:
        See `require_clock`.
    """
    require_clock(hertz)
    return dict(SETTINGS) | {
        "PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{hertz / 1e6:.6f}",
        "PCW_EN_CLK0_PORT": "1",
        "PCW_EN_RST0_PORT": "1",
        "PCW_USE_M_AXI_GP0": "1",
        "PCW_USE_S_AXI_HP0": "1",
        "PCW_S_AXI_HP0_DATA_WIDTH": str(HP_BITS),
        "PCW_USE_FABRIC_INTERRUPT": "1",
        "PCW_IRQ_F2P_INTR": "1",
    }
