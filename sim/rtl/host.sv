// The host: executes a script of register accesses, waits and resets that lies in shared memory.
//
// A script begins when `go` differs from `done` and ends with `done` equal to `go`. control.cpp hands out its steps;
// the kinds of steps are in the generated control.svh.

module host #(
    parameter int ADDRESS_BITS = 8,
    parameter int RESET_CYCLES = 4
) (
    input  logic clk,
    input  logic go,
    output logic done = 0,
    output logic rst = 1,
    input  logic irq,

    output logic                    ar_valid = 0,
    input  logic                    ar_ready,
    output logic [ADDRESS_BITS-1:0] ar_addr,

    input  logic        r_valid,
    output logic        r_ready,
    input  logic [31:0] r_data,

    output logic                    aw_valid = 0,
    input  logic                    aw_ready,
    output logic [ADDRESS_BITS-1:0] aw_addr,

    output logic        w_valid = 0,
    input  logic        w_ready,
    output logic [31:0] w_data,

    input  logic b_valid,
    output logic b_ready
);
  `include "control.svh"

  import "DPI-C" function byte control_next(
    output int address,
    output longint value
  );
  import "DPI-C" function void control_result(input longint value);
  import "DPI-C" function void control_tick(input longint cycle);

  byte    step = STEP_RESET;
  int     address;
  longint value = RESET_CYCLES;
  longint waited = 0;
  longint cycle = 0;

  assign r_ready = 1;
  assign b_ready = 1;

  always_ff @(posedge clk) begin
    automatic logic over = 0;
    automatic longint result = 0;
    cycle += 1;
    waited += 1;
    if (cycle[11:0] == 0) control_tick(cycle);
    if (ar_ready) ar_valid <= 0;
    if (aw_ready) aw_valid <= 0;
    if (w_ready) w_valid <= 0;
    case (step)
      STEP_END: over = go != done;
      STEP_READ: begin
        over   = r_valid;
        result = longint'(r_data);
      end
      STEP_WRITE: over = b_valid;
      STEP_WAIT: begin
        over   = irq || waited >= value;
        result = irq ? waited : -1;
      end
      STEP_RESET: over = waited >= value;
      default: over = 1;
    endcase
    if (over) begin
      if (step != STEP_END) control_result(result);
      step = control_next(address, value);
      waited = 0;
      rst <= step == STEP_RESET;
      case (step)
        STEP_END: done <= go;
        STEP_READ: begin
          ar_valid <= 1;
          ar_addr  <= ADDRESS_BITS'(address);
        end
        STEP_WRITE: begin
          aw_valid <= 1;
          w_valid  <= 1;
          aw_addr  <= ADDRESS_BITS'(address);
          w_data   <= 32'(value);
        end
        default: ;
      endcase
    end
  end
endmodule
