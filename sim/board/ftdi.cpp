// The USB side of ftdi.sv: a pseudo-terminal that the client opened.

#include <poll.h>
#include <svdpi.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "simulator.h"

namespace {

constexpr size_t CHUNK = 4096;
constexpr int64_t REPORT_NS = 250'000'000;

struct Port {
    int terminal = -1;
    int lifeline = -1;
    uint8_t received[CHUNK];
    size_t taken = 0, filled = 0;
    std::deque<uint8_t> waiting;
    int64_t reported = 0;
    bool due = false;
    bool resting = false;
};

Port &port() {
    static Port instance = [] {
        Port opened;
        const char *text = getenv("DOVETAIL_BOARD");
        if (!text || sscanf(text, "%d,%d", &opened.terminal, &opened.lifeline) != 2) {
            fprintf(stderr, "DOVETAIL_BOARD is not set: this simulator is started by dovetail.sim.board.process\n");
            _exit(1);
        }
        return opened;
    }();
    return instance;
}

// What the host does not take stays here: a USB-serial chip has a buffer, and the driver behind it a larger one.
void send() {
    while (!port().waiting.empty()) {
        uint8_t chunk[CHUNK];
        size_t count = 0;
        for (auto byte = port().waiting.begin(); byte != port().waiting.end() && count < CHUNK; ++byte)
            chunk[count++] = *byte;
        const ssize_t written = write(port().terminal, chunk, count);
        if (written <= 0) return;
        port().waiting.erase(port().waiting.begin(), port().waiting.begin() + written);
    }
}

// Waits for bytes of the host, `timeout` ms at most; ends the process when its client is gone.
void wait(int timeout) {
    const short events = static_cast<short>(POLLIN | (port().waiting.empty() ? 0 : POLLOUT));
    pollfd watched[] = {{port().terminal, events, 0}, {port().lifeline, 0, 0}};
    while (poll(watched, 2, timeout) < 0 && errno == EINTR) {
    }
    if (watched[1].revents & (POLLHUP | POLLERR | POLLNVAL)) _exit(1);
}

}  // namespace

// cocotb is called only where there is something for it to see.
bool script_runs() {
    const bool seen = port().due;
    port().due = false;
    return !seen;
}

extern "C" {

int ftdi_next(char idle) {
    Port &own = port();
    if (own.taken == own.filled) {
        send();
        wait(idle && own.resting ? -1 : 0);
        if (idle && !own.resting) own.reported = 0;  // the bench's statistics are of everything before a rest
        own.resting = idle;
        const ssize_t count = read(own.terminal, own.received, CHUNK);
        own.taken = 0;
        own.filled = count > 0 ? static_cast<size_t>(count) : 0;
    }
    return own.taken < own.filled ? own.received[own.taken++] : -1;
}

void ftdi_put(unsigned char value) {
    port().waiting.push_back(value);
    send();
}

char ftdi_due() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    const int64_t now = time.tv_sec * INT64_C(1'000'000'000) + time.tv_nsec;
    if (now - port().reported < REPORT_NS) return 0;
    port().reported = now;
    return port().due = true;
}
}
