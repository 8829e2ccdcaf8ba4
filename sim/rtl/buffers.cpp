// Finds the on-chip buffers in the Verilated model by the names that hw/accelerator.py gives them.

#include <verilated.h>
#include <verilated_sym_props.h>
#include <verilated_syms.h>

#include <string>

#include "control.h"
#include "simulator.h"

Region buffer_region(uint32_t buffer) {
    if (buffer >= sizeof BUFFER_NAMES / sizeof *BUFFER_NAMES) return {};
    const std::string tail = std::string(BUFFER_NAMES[buffer]) + "_buffer";
    for (const auto &[name, scope] : *Verilated::scopeNameMap()) {
        const std::string path = name;
        if (path.size() < tail.size() || path.compare(path.size() - tail.size(), tail.size(), tail) != 0) continue;
        if (const VerilatedVar *entries = scope->varFind("entries"))
            return {entries->datap(), entries->totalSize()};
    }
    return {};
}
