// The board's USB-serial chip: 8N1 in real time at a rate of its own, whatever the design divides its clock by.
//
// ftdi.cpp is its USB side. While nothing has happened on the board for IDLE, that waits there with time standing still.

module ftdi #(
    parameter longint BAUD = 3_000_000
) (
    output logic to_fpga,
    input logic from_fpga,
    input longint busy,  // when something else on the board happened last
    output logic due,  // changes when the bench is due to report
    output longint unsigned bytes_in,
    output longint unsigned bytes_out,
    output int unsigned framing_errors
);
  localparam longint SECOND = 64'd1_000_000_000_000;
  localparam longint IDLE = 500_000_000;
  localparam longint CONFIGURED = 100_000_000;  // the host finds a board that is up
  localparam longint CHARACTER = 10 * SECOND / BAUD;

  import "DPI-C" function int ftdi_next(input byte idle);
  import "DPI-C" function void ftdi_put(input byte unsigned value);
  import "DPI-C" function byte ftdi_due();

  longint active = 0;
  longint begun_in, begun_out, left_in, left_out;
  int value_in;
  byte unsigned value_out;

  function automatic longint half_bits(input int count);
    return longint'(count) * SECOND / (2 * BAUD);
  endfunction

  initial begin
    to_fpga = 1;
    due = 0;
    bytes_in = 0;
    #(CONFIGURED);
    forever begin
      begun_in = $time;
      value_in = ftdi_next(8'(begun_in - active > IDLE && begun_in - busy > IDLE));
      if (ftdi_due() != 0) due = !due;
      if (value_in < 0) begin
        #(CHARACTER);
      end else begin
        for (int place = 0; place < 10; place++) begin
          to_fpga = place == 0 ? 0 : place == 9 ? 1 : value_in[place-1];
          left_in = begun_in + half_bits(2 * place + 2) - longint'($time);
          #(left_in);
        end
        bytes_in += 1;
        active = $time;
      end
    end
  end

  initial begin
    bytes_out = 0;
    framing_errors = 0;
    wait (from_fpga);
    forever begin
      if (from_fpga) @(negedge from_fpga);
      begun_out = $time;
      left_out = half_bits(1);
      #(left_out);
      if (from_fpga) begin
        framing_errors += 1;
      end else begin
        for (int place = 0; place < 9; place++) begin
          left_out = begun_out + half_bits(2 * place + 3) - longint'($time);
          #(left_out);
          if (place < 8) value_out[place] = from_fpga;
        end
        active = $time;
        if (from_fpga) begin
          bytes_out += 1;
          ftdi_put(value_out);
        end else begin
          framing_errors += 1;
          wait (from_fpga);
        end
      end
    end
  end
endmodule
