// Hands every change of what the units do to observe.cpp, while a timeline is wanted.

module observer (
    input logic clk,
    input logic rst,
    input logic [145:0] state
);
  import "DPI-C" function byte observe_wanted();
  import "DPI-C" function void observe_change(
    input longint cycle,
    input bit [145:0] state
  );

  logic         wanted = 0;
  logic [145:0] last;
  longint       cycle = 0;

  always_ff @(posedge clk) begin
    if (rst) begin
      wanted <= observe_wanted() != 0;
      last   <= '0;
      cycle  <= 0;
    end else if (wanted) begin
      cycle <= cycle + 1;
      if (state != last) begin
        observe_change(cycle, state);
        last <= state;
      end
    end
  end
endmodule
