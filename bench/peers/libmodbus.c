/* libmodbus PORT: reads ten registers again and again, as a program with libmodbus does; ends on the first error, and in any
 * case after ten minutes. */
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    alarm(600);
    modbus_t *bus = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 502);
    modbus_set_slave(bus, 1);
    if (modbus_connect(bus)) return 1;
    uint16_t words[10];
    while (modbus_read_registers(bus, 0, 10, words) == 10 && (uint32_t)modbus_get_float_abcd(words + 2) >> 7 == 1025) {
    }
    fprintf(stderr, "libmodbus: a read failed\n");
    return 1;
}
