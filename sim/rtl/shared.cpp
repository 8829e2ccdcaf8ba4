#include "shared.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

static void *map(int file, size_t bytes, const char *what) {
    void *address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (address == MAP_FAILED) {
        perror(what);
        _exit(1);
    }
    return address;
}

static Shared attach() {
    const char *text = getenv("DOVETAIL_SIMULATION");
    int control = -1, memory = -1, timeline = -1, lifeline = -1;
    size_t control_bytes = 0, memory_bytes = 0;
    if (!text || sscanf(text, "%d,%zu,%d,%zu,%d,%d", &control, &control_bytes, &memory, &memory_bytes, &timeline,
                        &lifeline) != 6) {
        fprintf(stderr, "DOVETAIL_SIMULATION is not set: this simulator is started by dovetail.sim.rtl.client\n");
        _exit(1);
    }
    Shared result{};
    result.control = static_cast<Control *>(map(control, control_bytes, "mapping the control page"));
    result.area = reinterpret_cast<uint8_t *>(result.control + 1);
    result.memory = static_cast<uint8_t *>(map(memory, memory_bytes, "mapping the memory"));
    result.timeline = timeline;
    result.lifeline = lifeline;
    return result;
}

Shared &shared() {
    static Shared instance = attach();
    return instance;
}

void require_client() {
    pollfd watched{shared().lifeline, 0, 0};
    if (poll(&watched, 1, 0) > 0 && watched.revents & (POLLHUP | POLLERR | POLLNVAL)) _exit(1);
}
