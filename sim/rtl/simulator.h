// What the parts of the simulator ask of each other.
#pragma once

#include <cstddef>
#include <cstdint>

struct Region {
    void *data;
    size_t bytes;
};

// Where the entries of a buffer lie, one after the other as in DRAM; null when this build hides them.
Region buffer_region(uint32_t buffer);

// Whether waves can be recorded; turns recording on or off if so.
bool record_waves(bool on);

// Hands the rest of the timeline to the client.
void observe_flush();

// Whether the host is in the middle of a script.
bool script_runs();
