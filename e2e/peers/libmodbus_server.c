/* libmodbus_server tcp            a Modbus TCP device by libmodbus, on a free port, which is printed
 * libmodbus_server rtu PATH UNIT  one on a serial port, 115200 8N1; silent for other units
 * Holding registers 100 to 299 hold their own address, everything else is refused, by libmodbus' own modbus_reply. As libmodbus' examples do,
 * it takes one connection at a time and answers every unit id on TCP. Ends with its standard input, and in any case after ten minutes. */
#include <arpa/inet.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static modbus_mapping_t *map;

/* Until the master leaves. */
static void serve(modbus_t *bus) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    struct pollfd events[2] = {{.fd = modbus_get_socket(bus), .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(events, 2, -1) > 0) {
        if (events[1].revents) exit(0);
        int length = modbus_receive(bus, query);
        if (length < 0) return;
        if (length > 0 && modbus_reply(bus, query, length, map) < 0) return;
    }
}

static int tcp(void) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    int listener = modbus_tcp_listen(bus, 1);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &size)) return 1;
    printf("{\"ready\": true, \"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    struct pollfd events[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(events, 2, -1) > 0 && !events[1].revents) {
        if (modbus_tcp_accept(bus, &listener) < 0) return 1;
        serve(bus);
        modbus_close(bus);
    }
    return 0;
}

static int rtu(const char *path, int unit) {
    modbus_t *bus = modbus_new_rtu(path, 115200, 'N', 8, 1);
    modbus_set_slave(bus, unit);
    modbus_set_response_timeout(bus, 0, 2000); /* it sleeps so long before each exception */
    if (modbus_connect(bus)) return 1;
    printf("{\"ready\": true, \"port\": null}\n");
    fflush(stdout);
    for (;;) serve(bus);
}

int main(int argc, char **argv) {
    alarm(600);
    map = modbus_mapping_new_start_address(0, 0, 0, 0, 100, 200, 0, 0);
    for (int i = 0; i < 200; i++) map->tab_registers[i] = (uint16_t)(100 + i);
    if (argc == 2 && !strcmp(argv[1], "tcp")) return tcp();
    if (argc == 4 && !strcmp(argv[1], "rtu")) return rtu(argv[2], atoi(argv[3]));
    fprintf(stderr, "libmodbus_server tcp, or libmodbus_server rtu PATH UNIT\n");
    return 2;
}
