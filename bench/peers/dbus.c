/* dbus: what it costs to listen to BlueZ without a library, and what BlueZ says, by a witness who is not us.
 *
 *   dbus SOCKET   listens to all signals of org.bluez, decodes their headers, and counts. For each line at stdin a line at
 *                 stdout: {"signals": n, "adverts": n, "values": n}
 *
 * adverts: devices that are new or changed, with manufacturer data; values: characteristics whose value changed.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { IN = 1 << 20, HEAD = 16, SIGNAL = 4 };
enum { PATH = 1, INTERFACE = 2, MEMBER = 3, DESTINATION = 6, SIGNATURE = 8 }; /* fields of a header */

static void die(const char *what) { fprintf(stderr, "dbus: %s\n", what); exit(1); }
static uint32_t u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* A call without an answer that matters: `rule` as its only argument, where there is one. */
struct out { uint8_t bytes[1024]; size_t n; };
static void pad(struct out *o, size_t to) { while (o->n % to) o->bytes[o->n++] = 0; }
static void word(struct out *o, uint32_t v) { pad(o, 4); memcpy(o->bytes + o->n, &v, 4); o->n += 4; }
static void text(struct out *o, const char *s) {
    word(o, (uint32_t)strlen(s));
    memcpy(o->bytes + o->n, s, strlen(s) + 1);
    o->n += strlen(s) + 1;
}
static void field(struct out *o, uint8_t code, char type, const char *value) {
    pad(o, 8);
    uint8_t head[4] = {code, 1, (uint8_t)type, 0};
    memcpy(o->bytes + o->n, head, 4), o->n += 4;
    if (type != 'g') { text(o, value); return; }
    o->bytes[o->n++] = (uint8_t)strlen(value);
    memcpy(o->bytes + o->n, value, strlen(value) + 1);
    o->n += strlen(value) + 1;
}
static void call(int fd, uint32_t serial, const char *member, const char *rule) {
    struct out o = {{'l', 1, 0, 1}, 4};
    word(&o, rule ? (uint32_t)strlen(rule) + 5 : 0), word(&o, serial), word(&o, 0);
    field(&o, PATH, 'o', "/org/freedesktop/DBus");
    field(&o, INTERFACE, 's', "org.freedesktop.DBus");
    field(&o, MEMBER, 's', member);
    field(&o, DESTINATION, 's', "org.freedesktop.DBus");
    if (rule) field(&o, SIGNATURE, 'g', "s");
    uint32_t fields = (uint32_t)(o.n - HEAD);
    memcpy(o.bytes + 12, &fields, 4);
    pad(&o, 8);
    if (rule) text(&o, rule);
    if (send(fd, o.bytes, o.n, MSG_NOSIGNAL) != (ssize_t)o.n) die("cannot send");
}
static int dial(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) die("the path is too long");
    strcpy(a.sun_path, path);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("cannot connect");
    char uid[32], hello[128] = "AUTH EXTERNAL ", answer[256];
    snprintf(uid, sizeof uid, "%u", getuid());
    for (char *c = uid; *c; c++) sprintf(hello + strlen(hello), "%02x", *c);
    strcat(hello, "\r\n");
    if (send(fd, "\0", 1, MSG_NOSIGNAL) != 1 || send(fd, hello, strlen(hello), MSG_NOSIGNAL) < 0) die("cannot send");
    ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
    if (n < 2 || strncmp(answer, "OK", 2)) die("the bus refuses us");
    if (send(fd, "BEGIN\r\n", 7, MSG_NOSIGNAL) != 7) die("cannot send");
    return fd;
}

static unsigned long signals, adverts, values;

static int has(const uint8_t *body, size_t length, const char *name) { return memmem(body, length, name, strlen(name)) != NULL; }
static void look(const uint8_t *m, size_t fields, size_t length) {
    const char *path = "", *member = "";
    for (size_t at = HEAD; at + 8 < HEAD + fields; at = up(at, 8)) {
        uint8_t code = m[at], type = m[at + 2];
        at += 4;
        if (type == 'g') { at += 2u + m[at]; continue; }
        if (type == 'u') { at += 4; continue; }
        if (code == PATH) path = (const char *)m + at + 4;
        if (code == MEMBER) member = (const char *)m + at + 4;
        at += 5 + u32(m + at);
    }
    const uint8_t *body = m + up(HEAD + fields, 8);
    signals++;
    int changed = !strcmp(member, "PropertiesChanged");
    if (changed && strstr(path, "/char") && has(body, length, "org.bluez.GattCharacteristic1")) values += (unsigned)has(body, length, "Value");
    else if (changed || !strcmp(member, "InterfacesAdded"))
        adverts += (unsigned)(has(body, length, "org.bluez.Device1") && has(body, length, "ManufacturerData"));
}
/* All whole messages; how much they were. */
static size_t take(const uint8_t *in, size_t have) {
    size_t from = 0;
    while (have - from >= HEAD) {
        const uint8_t *m = in + from;
        size_t fields = u32(m + 12), length = u32(m + 4), all = up(HEAD + fields, 8) + length;
        if (m[0] != 'l' || all > IN) die("not a message that we can read");
        if (have - from < all) break;
        if (m[1] == SIGNAL) look(m, fields, length);
        from += all;
    }
    return from;
}

int main(int argc, char **argv) {
    if (argc != 2) die("dbus SOCKET");
    static uint8_t in[IN];
    size_t have = 0;
    int fd = dial(argv[1]);
    call(fd, 1, "Hello", NULL);
    call(fd, 2, "AddMatch", "type='signal',sender='org.bluez'");
    struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    for (;;) {
        if (poll(both, 2, -1) < 0) die("cannot wait");
        if (both[0].revents) {
            ssize_t n = recv(fd, in + have, IN - have, 0);
            if (n <= 0) die("the bus is gone");
            have += (size_t)n;
            size_t taken = take(in, have);
            memmove(in, in + taken, have -= taken);
        }
        if (both[1].revents) {
            char line[64];
            if (read(0, line, sizeof line) <= 0) return 0;
            printf("{\"signals\": %lu, \"adverts\": %lu, \"values\": %lu}\n", signals, adverts, values);
            fflush(stdout);
        }
    }
}
