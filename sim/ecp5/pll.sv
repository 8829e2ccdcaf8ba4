// The ECP5's PLL: frequencies from its parameters and the measured period of its input, to the ps and without drift.
//
// Written from Lattice's FPGA-TN-02200 (ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide) and the limits in
// FPGA-DS-02012 (ECP5 and ECP5-5G Family Data Sheet). The phase between input and outputs, and dynamic phase, are not
// modelled. The time to lock is shorter than the data sheet's 15 ms, which says nothing about a design.

`timescale 1ps / 1ps

module EHXPLLL #(
    parameter CLKI_DIV = 1,
    parameter CLKFB_DIV = 1,
    parameter CLKOP_DIV = 8,
    parameter CLKOS_DIV = 8,
    parameter CLKOS2_DIV = 8,
    parameter CLKOS3_DIV = 8,
    parameter CLKOP_ENABLE = "ENABLED",
    parameter CLKOS_ENABLE = "DISABLED",
    parameter CLKOS2_ENABLE = "DISABLED",
    parameter CLKOS3_ENABLE = "DISABLED",
    parameter CLKOP_CPHASE = 0,
    parameter CLKOS_CPHASE = 0,
    parameter CLKOS2_CPHASE = 0,
    parameter CLKOS3_CPHASE = 0,
    parameter CLKOP_FPHASE = 0,
    parameter CLKOS_FPHASE = 0,
    parameter CLKOS2_FPHASE = 0,
    parameter CLKOS3_FPHASE = 0,
    parameter FEEDBK_PATH = "CLKOP"
) (
    input CLKI,
    input CLKFB,
    input PHASESEL1,
    input PHASESEL0,
    input PHASEDIR,
    input PHASESTEP,
    input PHASELOADREG,
    input STDBY,
    input PLLWAKESYNC,
    input RST,
    input ENCLKOP,
    input ENCLKOS,
    input ENCLKOS2,
    input ENCLKOS3,
    output CLKOP,
    output CLKOS,
    output CLKOS2,
    output CLKOS3,
    output reg LOCK,
    output INTLOCK,
    output REFCLK,
    output CLKINTFB
);
  localparam longint MEASURED_PERIODS = 8;
  localparam longint LOCK_PS = 20_000_000;
  localparam FEEDBACK_DIV =
      FEEDBK_PATH == "CLKOP" || FEEDBK_PATH == "INT_OP" ? CLKOP_DIV :
      FEEDBK_PATH == "CLKOS" || FEEDBK_PATH == "INT_OS" ? CLKOS_DIV :
      FEEDBK_PATH == "CLKOS2" || FEEDBK_PATH == "INT_OS2" ? CLKOS2_DIV : CLKOS3_DIV;
  // Periods of the oscillator in MEASURED_PERIODS of the detector.
  localparam longint CYCLES = MEASURED_PERIODS * CLKFB_DIV * FEEDBACK_DIV;
  localparam real VCO_MIN = 400.0;
  localparam real VCO_MAX = 800.0;
  localparam real PS_MEGAHERTZ = 1.0e6;

  longint begun;
  longint measured = 0;  // ps that CYCLES take
  real vco;

  assign INTLOCK = LOCK;
  assign REFCLK = CLKI;

  initial begin
    LOCK = 1'b0;
    @(posedge CLKI);
    begun = $time;
    repeat (MEASURED_PERIODS * CLKI_DIV) @(posedge CLKI);
    vco = PS_MEGAHERTZ * CYCLES / ($time - begun);
    if (vco < VCO_MIN || vco > VCO_MAX) begin
      $display("violation: PLL: its oscillator would run at %0.3f MHz, between %0.0f and %0.0f is allowed", vco, VCO_MIN,
               VCO_MAX);
      $finish;
    end
    measured = $time - begun;
    #(LOCK_PS);
    LOCK = 1'b1;
  end

  pll_output #(.DIVISOR(CLKOP_DIV), .CYCLES(CYCLES)) op (.measured, .clock(CLKOP));
  generate
    // What only closes the loop is not simulated.
    if (CLKOS_ENABLE == "ENABLED" && FEEDBK_PATH != "CLKOS") begin : os
      pll_output #(.DIVISOR(CLKOS_DIV), .CYCLES(CYCLES)) os (.measured, .clock(CLKOS));
    end
    if (CLKOS2_ENABLE == "ENABLED" && FEEDBK_PATH != "CLKOS2") begin : os2
      pll_output #(.DIVISOR(CLKOS2_DIV), .CYCLES(CYCLES)) os2 (.measured, .clock(CLKOS2));
    end
    if (CLKOS3_ENABLE == "ENABLED" && FEEDBK_PATH != "CLKOS3") begin : os3
      pll_output #(.DIVISOR(CLKOS3_DIV), .CYCLES(CYCLES)) os3 (.measured, .clock(CLKOS3));
    end
  endgenerate
endmodule

module pll_output #(
    parameter DIVISOR = 1,
    parameter longint CYCLES = 1
) (
    input longint measured,
    output logic clock
);
  longint begun, elapsed, edges;

  initial begin
    clock = 1'b0;
    wait (measured != 0);
    begun = $time;
    edges = 0;
    forever begin
      elapsed = $time - begun;
      edges = edges + 1;
      #(edges * measured * DIVISOR / (2 * CYCLES) - elapsed);
      clock = ~clock;
    end
  end
endmodule
