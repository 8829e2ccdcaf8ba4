// An SDR SDRAM at its pins, in real time. Time is in ps; geometry and limits are in the generated package `chip`.
//
// What the chip forbids ends the simulation with one line: the rule, the command, bank, row and time. What is read is
// on the pins only from tAC after one clock to tOH after the next, and wrong before and after; the memory begins with
// contents that look random. Power-down, self refresh and clock suspension are not modelled, and refused.

module sdram
  import chip::*;
(
    input logic clk,
    input logic cke,
    input logic cs_n,
    input logic ras_n,
    input logic cas_n,
    input logic we_n,
    input logic [BANK_BITS-1:0] ba,
    input logic [ROW_BITS-1:0] a,
    input logic [DATA_BYTES-1:0] dqm,
    inout wire [DATA_BITS-1:0] dq,
    input longint round_trip,  // from the clock's edge in the FPGA to its pin here, and back with the data
    input logic driven,  // the other side drives `dq`
    output longint clocks,
    output longint accessed,  // when the last row or column was
    output int unsigned activations,
    output int unsigned reads,
    output int unsigned writes,
    output int unsigned refreshes
);
  // PC100 to PC133: the same in the data sheets of all these chips.
  localparam longint T_SETUP = 1_500;
  localparam longint T_HOLD = 800;
  localparam longint T_RAS_MAX = 100_000_000;
  localparam longint LONG_AGO = -(64'sd1 << 50);
  localparam int POSTPONED = 8;  // refreshes that may be late together
  localparam int DEEPEST = 3;  // CAS latency
  localparam int AUTO_PRECHARGE = 10;
  localparam int INDEX_BITS = BANK_BITS + ROW_BITS + COLUMN_BITS;

  typedef enum logic [2:0] {
    MODE      = 3'b000,
    REFRESH   = 3'b001,
    PRECHARGE = 3'b010,
    ACTIVATE  = 3'b011,
    WRITE     = 3'b100,
    READ      = 3'b101,
    STOP      = 3'b110,
    NOTHING   = 3'b111
  } command_t;

  typedef struct packed {
    logic valid;
    logic [INDEX_BITS-1:0] index;
  } output_t;

  logic [DATA_BITS-1:0] cells[1<<INDEX_BITS];

  longint now, began = LONG_AGO, edge_at = LONG_AGO, period;
  longint activated[BANKS], precharged[BANKS], written[BANKS], refreshed, mode_set, refresh_due, any_activated;
  longint activated_clock[BANKS], precharged_clock[BANKS], written_clock[BANKS], refreshed_clock, mode_clock;
  longint any_activated_clock, inputs_changed = LONG_AGO, dq_changed = LONG_AGO, write_edge = LONG_AGO;
  logic [ROW_BITS-1:0] rows[BANKS];
  logic [BANKS-1:0] open = '0;
  logic closed_all = 0, mode_known = 0, ready = 0, stopped = 0;
  int cas_latency = DEEPEST, burst_length = 1, write_length = 1;
  logic interleaved = 0;

  logic bursting = 0, burst_writes = 0, burst_auto = 0;
  int burst_left, burst_step;
  logic [BANK_BITS-1:0] burst_bank;
  logic [COLUMN_BITS-1:0] burst_column;

  output_t pipe[DEEPEST];  // the place is how many clocks are left until the data goes out
  logic [DATA_BYTES-1:0] dqm_before = '0;
  logic [DATA_BITS-1:0] shown = '0;
  logic [DATA_BYTES-1:0] enabled = '0;

  command_t command;

  initial begin
    clocks = 0;
    accessed = 0;
    activations = 0;
    reads = 0;
    writes = 0;
    refreshes = 0;
    refreshed = LONG_AGO;
    refreshed_clock = LONG_AGO;
    mode_set = LONG_AGO;
    mode_clock = LONG_AGO;
    any_activated = LONG_AGO;
    any_activated_clock = LONG_AGO;
    for (int bank = 0; bank < BANKS; bank++) begin
      activated[bank] = LONG_AGO;
      precharged[bank] = LONG_AGO;
      written[bank] = LONG_AGO;
      activated_clock[bank] = LONG_AGO;
      precharged_clock[bank] = LONG_AGO;
      written_clock[bank] = LONG_AGO;
      rows[bank] = '0;
    end
    for (int stage = 0; stage < DEEPEST; stage++) pipe[stage] = '0;
  end

  for (genvar lane = 0; lane < DATA_BYTES; lane++)
    assign dq[8*lane+:8] = enabled[lane] ? shown[8*lane+:8] : 8'bz;

  function automatic logic [DATA_BITS-1:0] garbage(input logic [INDEX_BITS-1:0] index);
    return DATA_BITS'((32'(index) * 32'h9E3779B1) >> 11);
  endfunction

  function automatic real ns(input longint ps);
    return real'(ps) / 1000.0;
  endfunction

  task automatic stop(input string rule, input string what, input int bank, input logic [ROW_BITS-1:0] row);
    if (!stopped)
      $display(
          "violation: SDRAM %s: %s, bank %0d, row %0d, at %0.3f ns", rule, what, bank, row, ns(longint'($time))
      );
    stopped = 1;
    $finish;
  endtask

  task automatic late(input string rule, input int bank, input logic [ROW_BITS-1:0] row, input longint since,
                      input longint needed, input int needed_clocks);
    stop(rule, $sformatf("%s %0.3f ns after, %0.3f ns and %0d clocks are needed", command.name(), ns(now - since),
                         ns(needed), needed_clocks), bank, row);
  endtask

  // Macros, so that the texts are put together only when they are printed.
  `define FORBID(condition, rule, what, bank) \
    if (condition) stop(rule, $sformatf("%s %s", command.name(), what), int'(bank), row_of(int'(bank)));
  `define LEAST(rule, bank, since, since_clock, time, count) \
    if (now - since < time || clocks - since_clock < longint'(count)) \
      late(rule, int'(bank), row_of(int'(bank)), since, time, int'(count));

  function automatic logic [ROW_BITS-1:0] row_of(input int bank);
    return command == ACTIVATE ? a : rows[bank];
  endfunction

  wire [5+BANK_BITS+ROW_BITS+DATA_BYTES-1:0] inputs = {cke, cs_n, ras_n, cas_n, we_n, ba, a, dqm};

  always @(inputs) begin
    inputs_changed = $time;
    if (inputs_changed - edge_at < T_HOLD)
      stop("tIH", "a command or address changed too soon after the clock", int'(ba), rows[ba]);
  end

  always @(dq) begin
    dq_changed = $time;
    if (dq_changed - write_edge < T_HOLD)
      stop("tDH", "data changed too soon after the clock", int'(burst_bank), rows[burst_bank]);
  end

  always @(driven, enabled)
    if (driven && enabled != 0)
      stop("contention", "dq is driven from both sides", int'(burst_bank), rows[burst_bank]);

  always @(posedge clk) begin : sample
    now = $time;
    period = now - edge_at;
    edge_at = now;
    clocks += 1;
    if (began == LONG_AGO) began = now;
    command = cke && !cs_n ? command_t'({ras_n, cas_n, we_n}) : NOTHING;
    if (now - inputs_changed < T_SETUP)
      stop("tIS", "a command or address changed too late before the clock", int'(ba), rows[ba]);
    if (ready && !cke) stop("CKE", "clock suspension and power-down are not modelled", 0, rows[0]);
    if (command != NOTHING) obey();
    if (ready && now > refresh_due) stop("tREFI", "no refresh in time", 0, rows[0]);
    if (bursting) access();
    launch();
    dqm_before = dqm;
  end

  task automatic obey();
    `FORBID(now - began < T_POWER_UP, "power-up", "before the wait after power-up is over", ba)
    `LEAST("tRFC", ba, refreshed, refreshed_clock, T_RFC, 1)
    `LEAST("tMRD", ba, mode_set, mode_clock, T_MRD, C_MRD)
    if (command inside {ACTIVATE, READ, WRITE}) accessed = now;
    case (command)
      MODE: set_mode();
      REFRESH: refresh();
      PRECHARGE:
      for (int bank = 0; bank < BANKS; bank++) if (a[AUTO_PRECHARGE] || bank == int'(ba)) precharge(bank);
      ACTIVATE: activate();
      READ, WRITE: begin_burst();
      default: end_burst();
    endcase
    if (command == PRECHARGE && a[AUTO_PRECHARGE]) closed_all = 1;
    if (!ready && closed_all && mode_known && refreshes >= POWER_UP_REFRESHES) begin
      ready = 1;
      refresh_due = now + (POSTPONED + 1) * T_REFRESH;
    end
  endtask

  task automatic require_closed();
    for (int bank = 0; bank < BANKS; bank++) begin
      `FORBID(open[bank], "open row", "while a row is open", bank)
      `LEAST("tRP", bank, precharged[bank], precharged_clock[bank], T_RP, 1)
      `LEAST("tRC", bank, activated[bank], activated_clock[bank], T_RC, 1)
    end
    `FORBID(bursting, "burst", "during a burst", ba)
    `FORBID(!closed_all, "initialisation", "before PRECHARGE of all banks", ba)
  endtask

  task automatic set_mode();
    require_closed();
    `FORBID(pipe[0].valid || pipe[1].valid || pipe[2].valid, "burst", "before all data is out", ba)
    cas_latency = int'(a[6:4]);
    interleaved = a[3];
    burst_length = a[2:0] == 3'b111 ? 1 << COLUMN_BITS : 1 << a[2:0];
    write_length = a[9] ? 1 : burst_length;
    `FORBID(!(cas_latency inside {2, 3}), "mode register", "with a reserved CAS latency", ba)
    `FORBID(a[2:0] inside {3'b100, 3'b101, 3'b110} || a[3:0] == 4'b1111, "mode register",
            "with a reserved burst length", ba)
    `FORBID(a[8:7] != 0 || ba != 0 || (a >> 10) != 0, "mode register", "with reserved bits set", ba)
    mode_set = now;
    mode_clock = clocks;
    mode_known = 1;
  endtask

  task automatic refresh();
    require_closed();
    refreshed = now;
    refreshed_clock = clocks;
    refreshes += 1;
    if (ready) begin
      refresh_due += T_REFRESH;
      if (refresh_due > now + (2 * POSTPONED + 1) * T_REFRESH) refresh_due = now + (2 * POSTPONED + 1) * T_REFRESH;
    end
  endtask

  task automatic precharge(input int bank);
    if (open[bank]) begin
      `LEAST("tRAS", bank, activated[bank], activated_clock[bank], T_RAS, 1)
      `LEAST("tWR", bank, written[bank], written_clock[bank], T_WR, C_WR)
      `FORBID(now - activated[bank] > T_RAS_MAX, "tRAS", "after the row was open for too long", bank)
      `FORBID(bursting && burst_auto && bank == int'(burst_bank), "burst", "in a burst with auto precharge", bank)
      open[bank] = 0;
      precharged[bank] = now;
      precharged_clock[bank] = clocks;
    end
    if (bursting && bank == int'(burst_bank)) bursting = 0;
  endtask

  task automatic activate();
    `FORBID(!ready, "initialisation", "before the chip is initialised", ba)
    `FORBID(open[ba], "open row", "while another row is open", ba)
    `LEAST("tRP", ba, precharged[ba], precharged_clock[ba], T_RP, 1)
    `LEAST("tRC", ba, activated[ba], activated_clock[ba], T_RC, 1)
    `LEAST("tRRD", ba, any_activated, any_activated_clock, T_RRD, C_RRD)
    open[ba] = 1;
    rows[ba] = a;
    activated[ba] = now;
    activated_clock[ba] = clocks;
    any_activated = now;
    any_activated_clock = clocks;
    activations += 1;
  endtask

  task automatic begin_burst();
    `FORBID(!open[ba], "closed row", "to a bank without an open row", ba)
    `LEAST("tRCD", ba, activated[ba], activated_clock[ba], T_RCD, 1)
    `FORBID(period < (cas_latency == 2 ? T_CK_2 : T_CK_3), "tCK", "with a clock too fast for the CAS latency", ba)
    end_burst();
    bursting = 1;
    burst_writes = command == WRITE;
    burst_auto = a[AUTO_PRECHARGE];
    burst_bank = ba;
    burst_column = COLUMN_BITS'({a[ROW_BITS-1:AUTO_PRECHARGE+1], a[AUTO_PRECHARGE-1:0]});
    burst_left = burst_writes ? write_length : burst_length;
    burst_step = 0;
    if (burst_writes) writes += 1;
    else reads += 1;
  endtask

  task automatic end_burst();
    if (bursting && burst_auto) close_by_itself(now, clocks);
    bursting = 0;
  endtask

  // Auto precharge begins when the last column has been read, or tWR after the last data written.
  task automatic close_by_itself(input longint begins, input longint begins_clock);
    open[burst_bank] = 0;
    precharged[burst_bank] = begins;
    if (begins < activated[burst_bank] + T_RAS) precharged[burst_bank] = activated[burst_bank] + T_RAS;
    precharged_clock[burst_bank] = begins_clock;
  endtask

  task automatic access();
    automatic int length = burst_writes ? write_length : burst_length;
    automatic logic [COLUMN_BITS-1:0] mask = COLUMN_BITS'(length - 1);
    automatic logic [COLUMN_BITS-1:0] moved =
        interleaved ? burst_column ^ COLUMN_BITS'(burst_step) : burst_column + COLUMN_BITS'(burst_step);
    automatic logic [INDEX_BITS-1:0] index =
        {burst_bank, rows[burst_bank], (burst_column & ~mask) | (moved & mask)};
    if (!burst_writes) begin
      pipe[cas_latency-1] = {1'b1, index};
    end else begin
      for (int lane = 0; lane < DATA_BYTES; lane++)
        if (!dqm[lane]) begin
          automatic logic [DATA_BITS-1:0] hidden = garbage(index);
          cells[index][8*lane+:8] = dq[8*lane+:8] ^ hidden[8*lane+:8];
        end
      if (dqm != '1) begin
        if (!driven) stop("undriven", "a write of data that nobody drives", int'(burst_bank), rows[burst_bank]);
        if (now - dq_changed < T_SETUP)
          stop("tDS", "data changed too late before the clock", int'(burst_bank), rows[burst_bank]);
        write_edge = now;
      end
      written[burst_bank] = now;
      written_clock[burst_bank] = clocks;
    end
    burst_step += 1;
    if (burst_length != 1 << COLUMN_BITS || burst_writes && write_length == 1) burst_left -= 1;
    if (burst_left == 0) begin
      bursting = 0;
      if (burst_auto && burst_writes) close_by_itself(now + T_WR, clocks + longint'(C_WR));
      else if (burst_auto) close_by_itself(now + period, clocks + 1);
    end
  endtask

  // DQM takes two clocks to the output, data CAS latency; both are counted to the edge at which data is taken.
  task automatic launch();
    automatic output_t next = pipe[0];
    automatic logic [DATA_BYTES-1:0] lanes = next.valid ? ~dqm_before : '0;
    automatic logic [DATA_BITS-1:0] value = cells[next.index] ^ garbage(next.index);
    for (int stage = 1; stage < DEEPEST; stage++) pipe[stage-1] = pipe[stage];
    pipe[DEEPEST-1] = '0;
    if (lanes != 0 || enabled != 0)
      fork
        begin
          #(round_trip);
          enabled = enabled | lanes;
          #(T_OH);
          shown = ~value;
          #(T_AC - T_OH);
          if (lanes != 0) shown = value;
        end
        begin
          #(round_trip + T_HZ);
          enabled = lanes;
        end
      join_none
  endtask
endmodule
