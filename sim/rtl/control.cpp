// Hands the script in the shared page to host.sv, and does the steps that need no cycles itself.

#include <svdpi.h>

#include <cstring>

#include "shared.h"
#include "simulator.h"

namespace {

uint32_t next_step = 0;
bool in_hand = false;
bool runs = false;

int64_t copy(uint32_t buffer, int64_t offset, bool fill) {
    const Region region = buffer_region(buffer);
    if (!region.data) return -1;
    uint8_t *area = shared().area + offset;
    if (fill)
        memcpy(region.data, area, region.bytes);
    else
        memcpy(area, region.data, region.bytes);
    return static_cast<int64_t>(region.bytes);
}

}  // namespace

bool script_runs() { return runs; }

extern "C" {

char control_next(int *address, long long *value) {
    Control &control = *shared().control;
    for (; next_step < control.steps; ++next_step) {
        ScriptStep &step = control.script[next_step];
        switch (step.step) {
            case STEP_DUMP:
            case STEP_FILL:
                step.value = copy(step.address, step.value, step.step == STEP_FILL);
                continue;
            case STEP_TRACE:
                step.value = record_waves(step.value != 0) ? 0 : -1;
                continue;
            default:
                in_hand = runs = true;
                *address = static_cast<int>(step.address);
                *value = step.value;
                return static_cast<char>(step.step);
        }
    }
    next_step = 0;
    control.steps = 0;
    runs = false;
    observe_flush();
    return STEP_END;
}

void control_result(long long value) {
    if (!in_hand) return;  // the reset at the start of the simulation
    in_hand = false;
    shared().control->script[next_step++].value = value;
}

void control_tick(long long cycle) {
    shared().control->cycle = static_cast<uint64_t>(cycle);
    require_client();
}
}
