/* bus: a serial line of Modbus RTU slaves behind a pseudo-terminal, which has no speed of its own: bytes are held back as long
 * as they would take at that baud rate. Ends when its standard input does.
 *
 *   bus BAUD UNITS DEAD SLOW SLOW_MS THINK_MS
 *
 * Units 1 to UNITS answer functions 3 and 4 after THINK_MS; unit DEAD never does, unit SLOW takes SLOW_MS more. First line:
 * "port PATH". On "stat" it says, since it started: answered slow dead useful_us dead_us bad
 *   useful_us  what the answered requests take by the formula: request, silence, thinking, answer, silence
 *   dead_us    from each request to the dead unit to whatever came next
 *   bad        requests with a wrong CRC, that are wrong, or that came before the answer to the last one was over
 * Function 8 is answered as it came, after which nothing of an earlier request can come any more. It is no answer that was
 * wanted: it is neither counted nor useful, and the time that it takes is lost.
 * Characters have 11 bits; a silence is 3.5 of them, 1.75 ms above 19,200 baud (MODBUS over Serial Line V1.02, 2.5.1.1).
 * Register pairs are float32, big endian: (unit * 1024 + address / 2) * 128.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static uint64_t character, silence, useful, dead_time, dead_since;
static unsigned units, dead_unit, slow_unit, slow_ms, think_ms;
static unsigned long long answered, slow, dead, bad;
static int master;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static void wait_until(uint64_t at) {
    struct timespec t = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {
    }
}
static uint16_t crc(const uint8_t *p, size_t len) {
    uint16_t sum = 0xFFFF;
    while (len--) {
        sum ^= *p++;
        for (int bit = 0; bit < 8; bit++) sum = (uint16_t)(sum & 1 ? (sum >> 1) ^ 0xA001 : sum >> 1);
    }
    return sum;
}
static void put(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put_crc(uint8_t *p, uint16_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }

static size_t answer(const uint8_t *request, uint8_t *out) {
    unsigned at = request[2] << 8 | request[3], count = request[4] << 8 | request[5];
    out[0] = request[0], out[1] = request[1];
    int known = request[1] == 3 || request[1] == 4;
    if (!known || count < 1 || count > 125 || at + count > 65536) {
        out[1] |= 0x80, out[2] = known ? 2 : 1, bad++;
        put_crc(out + 3, crc(out, 3));
        return 5;
    }
    out[2] = (uint8_t)(2 * count);
    for (unsigned n = 0; n < count; n++) {
        float value = (float)((request[0] * 1024u + (at + n) / 2u) * 128u);
        uint32_t bits;
        memcpy(&bits, &value, 4);
        put(out + 3 + 2 * n, (uint16_t)((at + n) & 1 ? bits : bits >> 16));
    }
    put_crc(out + 3 + 2 * count, crc(out, 3 + 2 * count));
    return 5 + 2 * count;
}

/* Each byte leaves when its last bit would; at most a millisecond's worth at once, and the last one in time. */
static void send_paced(const uint8_t *frame, size_t len, uint64_t start) {
    size_t at_once = character < 1000000 ? 1000000 / character : 1;
    for (size_t sent = 0; sent < len;) {
        size_t n = len - sent < at_once ? len - sent : at_once;
        wait_until(start + (sent + n) * character);
        if (write(master, frame + sent, n) != (ssize_t)n) exit(1);
        sent += n;
    }
}

static void serve(const uint8_t *request, uint64_t came) {
    uint8_t out[260];
    unsigned unit = request[0];
    if (crc(request, 6) != (request[6] | request[7] << 8)) { bad++; return; }
    if (unit == dead_unit || unit < 1 || unit > units) {
        dead++;
        dead_since = came;
        return;
    }
    int fence = request[1] == 8 && request[2] == 0 && request[3] == 0;
    size_t len = 8;
    if (fence) memcpy(out, request, len);
    else len = answer(request, out);
    uint64_t think = (think_ms + (unit == slow_unit ? slow_ms : 0)) * 1000000ull;
    send_paced(out, len, came + 8 * character + silence + think);
    if (fence) return;
    useful += 8 * character + silence + think + len * character + silence;
    answered++;
    slow += unit == slow_unit;
}

static void command(void) {
    char line[64];
    if (read(0, line, sizeof line) <= 0) exit(0);
    uint64_t silent = dead_time + (dead_since ? now() - dead_since : 0);
    printf("%llu %llu %llu %llu %llu %llu\n", answered, slow, dead, (unsigned long long)useful / 1000,
           (unsigned long long)silent / 1000, bad);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 7) { fprintf(stderr, "bus BAUD UNITS DEAD SLOW SLOW_MS THINK_MS\n"); return 2; }
    unsigned baud = (unsigned)atoi(argv[1]);
    units = (unsigned)atoi(argv[2]), dead_unit = (unsigned)atoi(argv[3]), slow_unit = (unsigned)atoi(argv[4]);
    slow_ms = (unsigned)atoi(argv[5]), think_ms = (unsigned)atoi(argv[6]);
    character = 11000000000ull / (baud ? baud : 9600);
    silence = baud > 19200 ? 1750000 : character * 7 / 2;
    prctl(PR_SET_TIMERSLACK, 1);
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) { perror("pseudo-terminal"); return 1; }
    int keep = open(ptsname(master), O_RDWR | O_NOCTTY); /* so that the line outlives who opens and closes it */
    struct termios raw;
    tcgetattr(keep, &raw);
    cfmakeraw(&raw);
    tcsetattr(keep, TCSANOW, &raw);
    printf("port %s\n", ptsname(master));
    fflush(stdout);
    uint8_t in[512];
    size_t have = 0;
    uint64_t came = 0;
    for (;;) {
        struct pollfd ready[2] = {{0, POLLIN, 0}, {master, POLLIN, 0}};
        if (poll(ready, 2, have ? 100 : -1) == 0) { have = 0, bad++; continue; } /* a part of a request, and then nothing */
        if (ready[0].revents) command();
        if (!(ready[1].revents & POLLIN)) continue;
        if (!have) came = now();
        if (!have && dead_since) dead_time += came - dead_since, dead_since = 0;
        ssize_t n = read(master, in + have, sizeof in - have);
        if (n <= 0) continue;
        have += (size_t)n;
        if (have < 8) continue;
        if (have > 8) { bad++, have = 0; continue; }
        serve(in, came);
        have = 0;
        struct pollfd early = {master, POLLIN, 0};
        if (poll(&early, 1, 0) == 1) { /* it did not wait for the answer */
            bad++;
            if (read(master, in, sizeof in) < 0) exit(1);
        }
    }
}
