/* raw: what a client without a library costs. Checks header and every value; ends with an error on the first that is wrong,
 * and in any case after ten minutes.
 *
 *   raw PORT pingpong DEPTH               one connection, so many requests of ten registers under way at once
 *   raw PORT tags CONNECTIONS UNITS TAGS  each connection: so many units of so many float32, each unit once a second, in
 *                                         requests of at most 62 values, one after the other; phases spread over the second
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 62, IN = 65536 };

static void die(const char *what) { fprintf(stderr, "raw: %s\n", what); exit(1); }
static uint16_t get(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int dial(unsigned host, uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(0x7F000000u + (host / 250 << 8) + host % 250 + 1);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}
static void ask(int fd, uint16_t id, uint8_t unit, uint16_t at, uint16_t count) {
    uint8_t f[12] = {0, 0, 0, 0, 0, 6, unit, 3};
    put(f, id), put(f + 8, at), put(f + 10, count);
    if (send(fd, f, sizeof f, MSG_NOSIGNAL) != sizeof f) die("cannot send");
}
/* Of a whole answer: header as asked, every float the one that stands at its place. */
static void check(const uint8_t *f, uint8_t unit, uint16_t at, uint16_t count) {
    if (f[6] != unit || f[7] != 3 || f[8] != 2 * count) die("not an answer to what was asked");
    for (uint16_t n = 0; n + 1 < count; n = (uint16_t)(n + 2)) {
        uint32_t bits = (uint32_t)get(f + 9 + 2 * n) << 16 | get(f + 11 + 2 * n);
        float value;
        memcpy(&value, &bits, 4);
        if ((uint32_t)value >> 7 != unit * 1024u + (at + n) / 2u) die("a value is not the one that stands there");
    }
}

static void pingpong(uint16_t port, unsigned depth) {
    static uint8_t in[IN];
    int fd = dial(0, port);
    uint16_t asked = 0, answered = 0;
    size_t have = 0;
    while (asked < depth) ask(fd, asked++, 1, 0, 10);
    for (;;) {
        ssize_t n = recv(fd, in + have, IN - have, 0);
        if (n <= 0) die("connection lost");
        have += (size_t)n;
        size_t at = 0;
        for (; have - at >= 29; at += 29) {
            if (get(in + at) != answered++) die("another transaction");
            check(in + at, 1, 0, 10);
            ask(fd, asked++, 1, 0, 10);
        }
        memmove(in, in + at, have -= at);
    }
}

struct line { int fd; unsigned todo, unit, at, count, id; size_t have; uint8_t in[512]; };

static void next(struct line *l, unsigned units, unsigned tags) {
    if (l->at == tags) { /* the unit is done; one that is late has the next to do already */
        l->todo--, l->at = 0, l->unit = l->unit % units + 1;
    }
    l->count = 0;
    if (!l->todo) return;
    l->count = tags - l->at < MOST ? tags - l->at : MOST;
    ask(l->fd, (uint16_t)++l->id, (uint8_t)l->unit, (uint16_t)(2 * l->at), (uint16_t)(2 * l->count));
}
static void read_line(struct line *l, unsigned units, unsigned tags) {
    ssize_t n = recv(l->fd, l->in + l->have, sizeof l->in - l->have, 0);
    if (n <= 0) die("connection lost");
    l->have += (size_t)n;
    if (l->have < 9 + 4 * l->count) return;
    if (get(l->in) != (uint16_t)l->id) die("another transaction");
    check(l->in, (uint8_t)l->unit, (uint16_t)(2 * l->at), (uint16_t)(2 * l->count));
    l->have = 0, l->at += l->count;
    next(l, units, tags);
}
static void tags(uint16_t port, unsigned connections, unsigned units, unsigned tags) {
    struct line *lines = calloc(connections, sizeof *lines);
    int epoll = epoll_create1(0);
    for (unsigned n = 0; n < connections; n++) {
        lines[n].fd = dial(n, port), lines[n].unit = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = n};
        epoll_ctl(epoll, EPOLL_CTL_ADD, lines[n].fd, &event);
    }
    uint64_t step = 1000000000u / (connections * units), due = now();
    struct epoll_event events[64];
    for (unsigned turn = 0;;) {
        uint64_t at = now();
        for (; due <= at; due += step, turn = (turn + 1) % connections) {
            struct line *l = &lines[turn];
            if (l->todo++ == 0) next(l, units, tags);
        }
        struct timespec wait = {(time_t)((due - at) / 1000000000u), (long)((due - at) % 1000000000u)};
        int ready = epoll_pwait2(epoll, events, 64, &wait, NULL);
        for (int n = 0; n < ready; n++) read_line(&lines[events[n].data.u32], units, tags);
    }
}

int main(int argc, char **argv) {
    alarm(600);
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0);
    if (argc == 4 && !strcmp(argv[2], "pingpong")) pingpong(port, (unsigned)atoi(argv[3]));
    if (argc == 6 && !strcmp(argv[2], "tags")) tags(port, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
    die("PORT pingpong DEPTH | PORT tags CONNECTIONS UNITS TAGS");
}
