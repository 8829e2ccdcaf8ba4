// The board: the FPGA's top, its oscillator, its SDRAM and its USB-serial chip. The generated pins.svh connects the top.

package pads;
  int driving = 0;  // bidirectional pads that the FPGA drives
endpackage

module pad_watch (
    input logic T
);
  logic counted = 0;

  task automatic count();
    if (counted == T) begin
      counted = !T;
      pads::driving += T ? -1 : 1;
    end
  endtask

  initial #1 count();
  always @(T) count();
endmodule

bind BB pad_watch pad_watch (.T);

module board
  import chip::*;
#(
    parameter longint CLOCK_HZ = 25_000_000,
    parameter longint BAUD = 3_000_000
);
  localparam longint HALF_CLOCK = 64'd500_000_000_000 / CLOCK_HZ;

  logic clock = 0;
  logic uart_to_fpga, uart_from_fpga, due;
  logic [7:0] led;
  logic sdram_clk, sdram_cke, sdram_cs_n, sdram_ras_n, sdram_cas_n, sdram_we_n;
  logic [BANK_BITS-1:0] sdram_ba;
  logic [ROW_BITS-1:0] sdram_a;
  logic [DATA_BYTES-1:0] sdram_dqm;
  wire [DATA_BITS-1:0] sdram_dq;
  longint accessed, sdram_clocks;
  longint unsigned bytes_in, bytes_out;
  int unsigned activations, reads, writes, refreshes, framing_errors;

  longint round_trip = 0;

  initial void'($value$plusargs("round_trip=%d", round_trip));

  always #(HALF_CLOCK) clock = ~clock;

  `include "pins.svh"

  sdram sdram (
      .clk(sdram_clk),
      .cke(sdram_cke),
      .cs_n(sdram_cs_n),
      .ras_n(sdram_ras_n),
      .cas_n(sdram_cas_n),
      .we_n(sdram_we_n),
      .ba(sdram_ba),
      .a(sdram_a),
      .dqm(sdram_dqm),
      .dq(sdram_dq),
      .round_trip,
      .driven(pads::driving != 0),
      .clocks(sdram_clocks),
      .accessed,
      .activations,
      .reads,
      .writes,
      .refreshes
  );

  ftdi #(
      .BAUD(BAUD)
  ) ftdi (
      .to_fpga(uart_to_fpga),
      .from_fpga(uart_from_fpga),
      .busy(accessed),
      .due,
      .bytes_in,
      .bytes_out,
      .framing_errors
  );
endmodule
