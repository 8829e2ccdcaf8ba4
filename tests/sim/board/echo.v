// A top that sends back what comes on its serial line, until a byte of zeros activates a row of a cold SDRAM.

module top(clk25_0__io, uart_0__rx__io, uart_0__tx__io, led_0__io, sdram_0__clk__io, sdram_0__clk_en__io, sdram_0__cs__io, sdram_0__ras__io, sdram_0__cas__io, sdram_0__we__io, sdram_0__ba__io, sdram_0__a__io, sdram_0__dqm__io, sdram_0__dq__io);
  input clk25_0__io;
  input uart_0__rx__io;
  output uart_0__tx__io;
  output led_0__io;
  output sdram_0__clk__io;
  output sdram_0__clk_en__io;
  output sdram_0__cs__io;
  output sdram_0__ras__io;
  output sdram_0__cas__io;
  output sdram_0__we__io;
  output [1:0] sdram_0__ba__io;
  output [12:0] sdram_0__a__io;
  output [1:0] sdram_0__dqm__io;
  inout [15:0] sdram_0__dq__io;

  reg line = 1'b1;
  reg activate = 1'b0;
  reg [7:0] low = 0;
  always @(posedge clk25_0__io) begin
    line <= uart_0__rx__io;
    low <= line ? 8'd0 : low + 8'd1;
    activate <= low == 8'd210;
  end

  assign uart_0__tx__io = line;
  assign led_0__io = 1'b1;
  assign sdram_0__clk__io = ~clk25_0__io;
  assign sdram_0__clk_en__io = 1'b1;
  assign sdram_0__cs__io = ~activate;
  assign sdram_0__ras__io = 1'b0;
  assign sdram_0__cas__io = 1'b1;
  assign sdram_0__we__io = 1'b1;
  assign sdram_0__ba__io = 2'd2;
  assign sdram_0__a__io = 13'd99;
  assign sdram_0__dqm__io = 2'b11;
endmodule
