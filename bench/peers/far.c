/* far: the far end of the Modbus measurements. One thread, epoll, raw frames; it counts what it is asked, so that no client
 * is believed. Loopback only; ends when its standard input does.
 *
 *   far [--hosts N] [--delay-us D] [--log-writes]
 *
 * First line: "port P". It listens on P at 127.0.0.1, 127.0.0.2, … (N of them: connections that are different endpoints).
 * --delay-us: each answer comes so long after its request; requests do not wait for each other (a parallel gateway).
 * On "stat" it says: requests registers writes bad connections peak (peak: most requests open at once, of those delayed).
 *
 * Holding and input register pairs are float32, big endian: ((unit * 1024 + address / 2) * 128 + second % 128), exact in a
 * float32 for units up to 127. From 40000 on there is memory that can be written (functions 6 and 16).
 * With --log-writes each write is a line: "write UNIT ADDRESS VALUE NANOSECONDS" (CLOCK_REALTIME, when it was read).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MEMORY = 40000, CELLS = 1024, FRAME = 260, IN = 8192, CONNS = 4096 };

struct conn {
    int open;
    unsigned life; /* of this number: an answer to a connection that is gone is dropped */
    size_t have, out_len;
    uint8_t in[IN], out[2 * IN + 64 * FRAME];
};
struct late { /* an answer that waits for its time */
    uint64_t due;
    int fd;
    unsigned life;
    uint16_t len;
    uint8_t frame[FRAME];
};

static struct conn *conns[CONNS];
static struct late *queue;
static size_t head, waiting, room = 1024, peak;
static uint64_t requests, registers, writes, bad, delay;
static int connections, log_writes;
static uint16_t cells[256][CELLS];

static uint64_t now_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static void die(const char *what) { perror(what); exit(1); }
static uint16_t get(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }

static uint16_t word(uint8_t unit, uint16_t at, uint32_t second) {
    if (at >= MEMORY) return cells[unit][(at - MEMORY) % CELLS];
    float value = (float)(((unit * 1024u + at / 2u) * 128u) + second % 128u);
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)(at & 1 ? bits : bits >> 16);
}
static size_t refuse(uint8_t *pdu, uint8_t code) { pdu[0] |= 0x80; pdu[1] = code; bad++; return 2; }

static size_t write_cells(uint8_t unit, const uint8_t *pdu, uint8_t *answer, uint16_t at, uint16_t count, const uint8_t *data) {
    if (at < MEMORY || at + count > MEMORY + CELLS) return refuse(answer, 2);
    for (uint16_t n = 0; n < count; n++) cells[unit][at - MEMORY + n] = get(data + 2 * n);
    writes++;
    if (log_writes) {
        printf("write %u %u %u %llu\n", unit, at, get(data), (unsigned long long)now_of(CLOCK_REALTIME));
        fflush(stdout);
    }
    memcpy(answer, pdu, 5);
    return 5;
}

/* The PDU of an answer; its length. */
static size_t answer(uint8_t unit, const uint8_t *pdu, size_t len, uint8_t *out) {
    uint8_t function = out[0] = pdu[0];
    if (len < 5) return refuse(out, 3);
    uint16_t at = get(pdu + 1), count = get(pdu + 3);
    if (function == 6) return write_cells(unit, pdu, out, at, 1, pdu + 3);
    if (function == 16) {
        int whole = count >= 1 && count <= 123 && len == 6u + 2u * count && pdu[5] == 2 * count;
        return whole ? write_cells(unit, pdu, out, at, count, pdu + 6) : refuse(out, 3);
    }
    if (function != 3 && function != 4) return refuse(out, 1);
    if (count < 1 || count > 125) return refuse(out, 3);
    if (at + count > 65536) return refuse(out, 2);
    uint32_t second = (uint32_t)time(NULL);
    out[1] = (uint8_t)(2 * count);
    for (uint16_t n = 0; n < count; n++) put(out + 2 + 2 * n, word(unit, (uint16_t)(at + n), second));
    registers += count;
    return 2u + 2u * count;
}

static void end(int fd) {
    struct conn *c = conns[fd];
    if (!c->open) return;
    c->open = 0;
    c->life++;
    connections--;
    close(fd);
}
/* A client that does not read for a second is cut off. */
static void flush(int fd) {
    struct conn *c = conns[fd];
    size_t done = 0;
    while (c->open && done < c->out_len) {
        ssize_t n = send(fd, c->out + done, c->out_len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd room_for = {fd, POLLOUT, 0};
        if (n > 0) done += (size_t)n;
        else if (errno != EAGAIN || poll(&room_for, 1, 1000) < 1) end(fd);
    }
    c->out_len = 0;
}
static void say(int fd, const uint8_t *frame, size_t len) {
    struct conn *c = conns[fd];
    if (c->out_len + len > sizeof c->out) flush(fd);
    memcpy(c->out + c->out_len, frame, len);
    c->out_len += len;
}
static void keep(int fd, const uint8_t *frame, size_t len) {
    if (waiting == room) {
        struct late *more = malloc(2 * room * sizeof *more);
        if (!more) die("memory");
        for (size_t n = 0; n < waiting; n++) more[n] = queue[(head + n) % room];
        free(queue);
        queue = more, head = 0, room *= 2;
    }
    struct late *l = &queue[(head + waiting++) % room];
    l->due = now_of(CLOCK_MONOTONIC) + delay, l->fd = fd, l->life = conns[fd]->life, l->len = (uint16_t)len;
    memcpy(l->frame, frame, len);
    if (waiting > peak) peak = waiting;
}
static void release(void) {
    uint64_t now = waiting ? now_of(CLOCK_MONOTONIC) : 0;
    for (; waiting && queue[head].due <= now; head = (head + 1) % room, waiting--) {
        struct late *l = &queue[head];
        if (conns[l->fd]->open && conns[l->fd]->life == l->life) {
            say(l->fd, l->frame, l->len);
            flush(l->fd);
        }
    }
}

static void frames(int fd) {
    struct conn *c = conns[fd];
    size_t at = 0;
    while (c->open && c->have - at >= 8) {
        uint8_t *f = c->in + at;
        size_t len = get(f + 4);
        if (get(f + 2) || len < 2 || len > 254) { bad++; end(fd); return; }
        if (c->have - at < 6 + len) break;
        uint8_t out[FRAME];
        requests++;
        size_t pdu = answer(f[6], f + 7, len - 1, out + 7);
        memcpy(out, f, 4);
        put(out + 4, (uint16_t)(pdu + 1));
        out[6] = f[6];
        (delay ? keep : say)(fd, out, 7 + pdu);
        at += 6 + len;
    }
    memmove(c->in, c->in + at, c->have -= at);
    flush(fd);
}
static void receive(int fd) {
    struct conn *c = conns[fd];
    ssize_t n = recv(fd, c->in + c->have, IN - c->have, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) end(fd);
        return;
    }
    c->have += (size_t)n;
    frames(fd);
}

static void greet(int epoll, int listener) {
    int fd = accept(listener, NULL, NULL), on = 1;
    if (fd < 0) return;
    if (fd >= CONNS || (!conns[fd] && !(conns[fd] = calloc(1, sizeof *conns[fd])))) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conns[fd]->open = 1, conns[fd]->have = conns[fd]->out_len = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    connections++;
}
static uint16_t listen_at(int epoll, unsigned host, uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(0x7F000000u + (host / 250 << 8) + host % 250 + 1);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t len = sizeof a;
    if (bind(fd, (struct sockaddr *)&a, len) || listen(fd, 512) || getsockname(fd, (struct sockaddr *)&a, &len)) die("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (1ull << 32) | (uint64_t)fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return ntohs(a.sin_port);
}
static void command(void) {
    char line[64];
    ssize_t n = read(0, line, sizeof line);
    if (n <= 0) exit(0);
    printf("%llu %llu %llu %llu %d %zu\n", (unsigned long long)requests, (unsigned long long)registers,
           (unsigned long long)writes, (unsigned long long)bad, connections, peak);
    fflush(stdout);
}

int main(int argc, char **argv) {
    unsigned hosts = 1;
    for (int n = 1; n < argc; n++) {
        if (!strcmp(argv[n], "--log-writes")) log_writes = 1;
        else if (!strcmp(argv[n], "--hosts") && n + 1 < argc) hosts = (unsigned)atoi(argv[++n]);
        else if (!strcmp(argv[n], "--delay-us") && n + 1 < argc) delay = (uint64_t)atoll(argv[++n]) * 1000;
        else { fprintf(stderr, "far [--hosts N] [--delay-us D] [--log-writes]\n"); return 2; }
    }
    prctl(PR_SET_TIMERSLACK, 1);
    queue = malloc(room * sizeof *queue);
    int epoll = epoll_create1(0);
    if (!queue || epoll < 0) die("start");
    uint16_t port = listen_at(epoll, 0, 0);
    for (unsigned host = 1; host < hosts; host++) listen_at(epoll, host, port);
    struct epoll_event events[256], input = {.events = EPOLLIN, .data.u64 = 0};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
    printf("port %u\n", port);
    fflush(stdout);
    for (;;) {
        int64_t left = waiting ? (int64_t)(queue[head].due - now_of(CLOCK_MONOTONIC)) : 0;
        struct timespec wait = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
        int ready = epoll_pwait2(epoll, events, 256, waiting ? &wait : NULL, NULL);
        for (int n = 0; n < ready; n++) {
            uint64_t who = events[n].data.u64;
            if (who == 0) command();
            else if (who >> 32) greet(epoll, (int)(uint32_t)who);
            else if (conns[who]->open) receive((int)who);
        }
        release();
    }
}
