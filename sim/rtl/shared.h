// What the C++ side keeps in one place: the shared page, the memory and the way out when the client is gone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "control.h"

struct Shared {
    Control *control;
    uint8_t *area;
    uint8_t *memory;
    int timeline;
    int lifeline;
};

// Maps what the client left in the environment (DOVETAIL_SIMULATION: file numbers and sizes) at the first call.
Shared &shared();

// Ends the process when the other end of the lifeline is closed.
void require_client();
