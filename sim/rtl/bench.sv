// The machine with its host, its memory and an observer; `clocked` adds the clock that cocotb needs.

module bench #(
    parameter int BUS_BITS = 128,
    parameter int LEVEL_BITS = 5
) (
    input  logic clk,
    input  logic go,
    output logic done
);
  localparam int BEAT = BUS_BITS / 8;

  typedef struct packed {
    logic [1:0]  id;
    logic [7:0]  len;
    logic [31:0] addr;
  } address_t;

  typedef struct packed {
    logic [1:0]          id;
    logic                last;
    logic [1:0]          resp;
    logic [BUS_BITS-1:0] data;
  } read_t;

  typedef struct packed {
    logic                last;
    logic [BEAT-1:0]     strb;
    logic [BUS_BITS-1:0] data;
  } write_t;

  typedef struct packed {
    logic [1:0] id;
    logic [1:0] resp;
  } answer_t;

  logic rst, irq;

  address_t ar, aw;
  read_t    r;
  write_t   w;
  answer_t  b;
  logic ar_valid, ar_ready, r_valid, r_ready, aw_valid, aw_ready, w_valid, w_ready, b_valid, b_ready;

  logic [ 7:0] reg_ar, reg_aw;
  logic [33:0] reg_r;
  logic [31:0] reg_w;
  logic [ 1:0] reg_b;
  logic reg_ar_valid, reg_ar_ready, reg_r_valid, reg_r_ready, reg_aw_valid, reg_aw_ready;
  logic reg_w_valid, reg_w_ready, reg_b_valid, reg_b_ready;

  logic running;
  logic [2:0] load_activity, compute_activity, store_activity;
  logic [23:0] load_index, compute_index, store_index;
  logic [LEVEL_BITS-1:0] level_0, level_1, level_2, level_3;

  dovetail dut (
      .clk,
      .rst,
      .irq,
      .axi__ar__payload(ar),
      .axi__ar__valid(ar_valid),
      .axi__ar__ready(ar_ready),
      .axi__r__payload(r),
      .axi__r__valid(r_valid),
      .axi__r__ready(r_ready),
      .axi__aw__payload(aw),
      .axi__aw__valid(aw_valid),
      .axi__aw__ready(aw_ready),
      .axi__w__payload(w),
      .axi__w__valid(w_valid),
      .axi__w__ready(w_ready),
      .axi__b__payload(b),
      .axi__b__valid(b_valid),
      .axi__b__ready(b_ready),
      .ctl__ar__payload(reg_ar),
      .ctl__ar__valid(reg_ar_valid),
      .ctl__ar__ready(reg_ar_ready),
      .ctl__r__payload(reg_r),
      .ctl__r__valid(reg_r_valid),
      .ctl__r__ready(reg_r_ready),
      .ctl__aw__payload(reg_aw),
      .ctl__aw__valid(reg_aw_valid),
      .ctl__aw__ready(reg_aw_ready),
      .ctl__w__payload(reg_w),
      .ctl__w__valid(reg_w_valid),
      .ctl__w__ready(reg_w_ready),
      .ctl__b__payload(reg_b),
      .ctl__b__valid(reg_b_valid),
      .ctl__b__ready(reg_b_ready),
      .obs__running(running),
      .obs__load_activity(load_activity),
      .obs__compute_activity(compute_activity),
      .obs__store_activity(store_activity),
      .obs__load_index(load_index),
      .obs__compute_index(compute_index),
      .obs__store_index(store_index),
      .obs__level_0(level_0),
      .obs__level_1(level_1),
      .obs__level_2(level_2),
      .obs__level_3(level_3)
  );

  host host (
      .clk,
      .go,
      .done,
      .rst,
      .irq,
      .ar_valid(reg_ar_valid),
      .ar_ready(reg_ar_ready),
      .ar_addr(reg_ar),
      .r_valid(reg_r_valid),
      .r_ready(reg_r_ready),
      .r_data(reg_r[31:0]),
      .aw_valid(reg_aw_valid),
      .aw_ready(reg_aw_ready),
      .aw_addr(reg_aw),
      .w_valid(reg_w_valid),
      .w_ready(reg_w_ready),
      .w_data(reg_w),
      .b_valid(reg_b_valid),
      .b_ready(reg_b_ready)
  );

  dram #(
      .BUS_BITS(BUS_BITS)
  ) dram (
      .clk,
      .rst,
      .ar_valid,
      .ar_ready,
      .ar_addr(ar.addr),
      .ar_len(ar.len),
      .ar_id(ar.id),
      .r_valid,
      .r_ready,
      .r_data(r.data),
      .r_resp(r.resp),
      .r_last(r.last),
      .r_id(r.id),
      .aw_valid,
      .aw_ready,
      .aw_addr(aw.addr),
      .aw_len(aw.len),
      .aw_id(aw.id),
      .w_valid,
      .w_ready,
      .w_data(w.data),
      .w_strb(w.strb),
      .w_last(w.last),
      .b_valid,
      .b_ready,
      .b_resp(b.resp),
      .b_id(b.id)
  );

  observer observer (
      .clk,
      .rst,
      .state({
        running,
        store_activity,
        compute_activity,
        load_activity,
        store_index,
        compute_index,
        load_index,
        16'(level_3),
        16'(level_2),
        16'(level_1),
        16'(level_0)
      })
  );

`ifdef DOVETAIL_CHECKS
  axi_checks #(
      .BUS_BITS(BUS_BITS)
  ) checks (
      .clk,
      .rst,
      .ar,
      .ar_valid,
      .ar_ready,
      .r,
      .r_valid,
      .r_ready,
      .aw,
      .aw_valid,
      .aw_ready,
      .w,
      .w_valid,
      .w_ready,
      .b,
      .b_valid,
      .b_ready
  );
`endif
endmodule

module clocked #(
    parameter int BUS_BITS = 128,
    parameter int LEVEL_BITS = 5
);
  logic clk = 0;
  logic go = 0;
  logic done;

  always #1 clk = ~clk;

  bench #(
      .BUS_BITS  (BUS_BITS),
      .LEVEL_BITS(LEVEL_BITS)
  ) bench (
      .clk,
      .go,
      .done
  );
endmodule
