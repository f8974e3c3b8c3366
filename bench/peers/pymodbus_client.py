#!/usr/bin/env python3
"""pymodbus_client.py PORT: reads ten registers again and again with pymodbus' synchronous client; ends on the first error,
and in any case after ten minutes."""

import signal
import sys

from pymodbus.client import ModbusTcpClient

signal.alarm(600)
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
if not client.connect():
    sys.exit("cannot connect")
convert, float32 = client.convert_from_registers, client.DATATYPE.FLOAT32
while True:
    answer = client.read_holding_registers(0, count=10, device_id=1)
    if answer.isError() or int(convert(answer.registers[2:4], float32)) >> 7 != 1025:
        sys.exit("a read failed")
