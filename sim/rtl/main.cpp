// The simulator under cocotb: cocotb's loop for Verilator, with two differences. While a script runs Python only waits
// for its end, so time steps are taken without a look at callbacks; and waves can be paused.

#include <verilated_vpi.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "simulator.h"

#if VM_TRACE_FST
#include <verilated_fst_c.h>
#endif

extern "C" void vlog_startup_routines_bootstrap(void);

namespace {

constexpr uint64_t NEVER = ~uint64_t{0};
uint64_t now = 0;

#if VM_TRACE_FST
VerilatedFstC waves;
bool recording = true;
#endif

void dump_waves() {
#if VM_TRACE_FST
    if (recording && waves.isOpen()) waves.dump(now);
#endif
}

void settle() {
    while (VerilatedVpi::callValueCbs()) {
    }
}

void end(void *) {
    VerilatedVpi::callCbs(cbEndOfSimulation);
#if VM_TRACE_FST
    if (waves.isOpen()) waves.close();
#endif
}

void step_with_callbacks(Vtop &top) {
    do {
        do {
            top.eval_step();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            settle();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        settle();
    } while (VerilatedVpi::evalNeeded());
    top.eval_end_step();
    VerilatedVpi::callCbs(cbReadOnlySynch);
    dump_waves();
    now = std::min(VerilatedVpi::cbNextDeadline(), top.eventsPending() ? top.nextTimeSlot() : NEVER);
    VerilatedVpi::callCbs(cbNextSimTime);
    settle();
    VerilatedVpi::callTimedCbs();
    settle();
}

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }

#if VM_TRACE_FST
bool record_waves(bool on) {
    recording = on;
    return waves.isOpen();
}
#else
bool record_waves(bool) { return false; }
#endif

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    const auto top = std::make_unique<Vtop>("");
    Verilated::fatalOnVpiError(false);
#if VM_TRACE_FST
    Verilated::traceEverOn(true);
    if (argc > 2 && strcmp(argv[1], "--trace-file") == 0) {
        top->trace(&waves, 99);
        waves.open(argv[2]);
    }
#endif
    vlog_startup_routines_bootstrap();
    Verilated::addExitCb(end, nullptr);
    VerilatedVpi::callCbs(cbStartOfSimulation);
    settle();
    while (!Verilated::gotFinish() && now != NEVER) {
        while (script_runs() && !Verilated::gotFinish()) {
            top->eval_step();
            top->eval_end_step();
            dump_waves();
            now = top->nextTimeSlot();
        }
        step_with_callbacks(*top);
    }
    top->final();
    end(nullptr);
    return Verilated::threadContextp()->errorCount() > 0;
}
