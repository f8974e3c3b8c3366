#!/usr/bin/env python3
"""opcua_server.py HOST PORT: an OPC UA server by asyncua, which shares no code with Pollux: None and Basic256Sha256, Aes128_Sha256_RsaOaep,
Aes256_Sha256_RsaPss, signed or encrypted; anonymous, alice/secret, X.509. What nodes there are says opcua_plant.py.

Not to be proved here, because asyncua 2.1 does not do it: OperationLimits (announced only), index ranges, percent dead-band, the overflow bit,
TransferSubscriptions (Good, then silence), Republish of an unknown number (Good, empty).

Commands on stdin, each answered by one line of JSON; the first line says {"ready": true, "port": …, "thumbprint": …, "namespaces": […]}:
  set NAME VALUE              the value, as JSON or a word; source time now
  status NAME CODE [TIME]     with this status by name or number (a bad one has no value), and this source time (ISO 8601)
  get NAME                    as the server has it: value, type, status
  delete NAME, add NAME       the node is gone (monitored items hear BadNodeIdUnknown and then nothing), and there again
  silence on|off              BadNoCommunication on every variable of Line7
  written                     each value of a Write as it came, since the start or the last `written`
  requests                    how many of each service came, since the start or the last `requests`
  sessions                    how many sessions, subscriptions and connections there are
  drop-subscriptions          deletes them all, and no client is told
  drop-sessions               the same for sessions, with their subscriptions
  block MS                    the whole server stands still
  trust all|none              whether clients' certificates are trusted: BadCertificateUntrusted
  restart [SECONDS], reorder [SECONDS]   stops, waits, starts on the same port; reorder: with the namespaces the other way round
  types                       node ids of the data types
"""

import argparse
import asyncio
import logging
import socket
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.callback import CallbackType
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.uaprocessor import UaProcessor

import lines
from opcua_pki import made
from opcua_plant import Plant, parsed

URI = "urn:pollux:asyncua"
POLICIES = ["NoSecurity"] + [f"{p}_{m}" for p in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss") for m in ("Sign", "SignAndEncrypt")]
TOKENS = {"anonymous": ua.AnonymousIdentityToken, "user": ua.UserNameIdentityToken, "x509": ua.X509IdentityToken}


class Users:
    """Nobody is Admin: asyncua lets that role write what is read only."""

    def get_user(self, _server, username=None, password=None, certificate=None):
        known = username is None or (username, password) == ("alice", "secret")
        return User(role=UserRole.User, name=username) if known else None


def code_of(word):
    return int(word, 0) if word[0].isdigit() else getattr(ua.StatusCodes, word)


def shown(value):
    """As JSON can say it."""
    if isinstance(value, (list, tuple)):
        return [shown(v) for v in value]
    if isinstance(value, ua.Variant):
        return shown(value.Value)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, (ua.NodeId, ua.StatusCode)):
        return {name: shown(getattr(value, name)) for name in value.__dataclass_fields__ if name not in ("Encoding", "data_type")}
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


class Peer:
    def __init__(self, a, port, identity):
        self.a, self.port, self.identity = a, port, identity
        self.namespaces, self.trusting = a.namespaces.split(","), True
        self.log, self.services = [], Counter()
        self.server = self.plant = self.ticking = None

    async def start(self):
        server = Server(user_manager=Users())
        await server.init()
        await server.set_application_uri(self.a.uri)
        server.set_endpoint(f"opc.tcp://{self.a.advertise or self.a.host}:{self.port}/test")
        if self.a.advertise:
            server.set_match_discovery_endpoint_url(False)
            server.set_match_discovery_client_ip(False)
            server.socket_address = (self.a.host, self.port)
        server.set_server_name("asyncua")
        certificate, key = self.identity
        await server.load_certificate(certificate, "der")
        await server.load_private_key(key, None, "der")
        server.set_security_policy([getattr(ua.SecurityPolicyType, p) for p in self.a.policies.split(",")])
        server.set_identity_tokens([TOKENS[t] for t in self.a.tokens.split(",")])
        server.set_certificate_validator(self.validate)
        for uri in self.namespaces:
            await server.register_namespace(uri)
        self.server = server
        self.plant = Plant(server, *[await server.get_namespace_index(uri) for uri in ("urn:test", "urn:other")])
        await self.plant.build()
        server.subscribe_server_callback(CallbackType.PreWrite, self.wrote)
        await server.start()
        self.ticking = asyncio.create_task(self.tick())

    async def stop(self):
        self.ticking.cancel()
        # asyncua ends its connections first, and then waits for whoever came back before it listened no more: as long as he likes.
        self.server.bserver._server.close()
        await asyncio.sleep(0.05)  # whom it just took is among them by then
        await self.server.stop()

    async def tick(self):
        node, count = self.plant.node("Counter"), 0.0
        while True:
            await asyncio.sleep(self.a.tick / 1000)
            count += 1
            await node.write_value(self.fresh(count))

    def fresh(self, value, kind=ua.VariantType.Double, status=0, when=None):
        when = when or datetime.now(timezone.utc)
        return ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), when, datetime.now(timezone.utc))

    async def validate(self, _certificate, _application):
        if not self.trusting:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    async def wrote(self, event, _dispatcher):
        if not event.is_external:
            return
        for item in event.request_params.NodesToWrite:
            value = item.Value
            self.log.append(
                {
                    "node": item.NodeId.to_string(),
                    "attribute": int(item.AttributeId),
                    "range": item.IndexRange,
                    "type": value.Value.VariantType.name,
                    "array": bool(value.Value.is_array),
                    "value": shown(value.Value),
                    "status": bool(value.Encoding & 0b10),
                    "times": bool(value.Encoding & 0b111100),
                }
            )

    def internal(self):
        return self.server.iserver

    async def status(self, name, code, when=None):
        kept = self.plant.kept[name]
        await self.plant.node(name).write_value(self.fresh(kept.Value, kept.VariantType, code, when))

    async def delete(self, name):
        node = self.plant.node(name)
        value = self.internal().aspace[node.nodeid].attributes[ua.AttributeIds.Value]
        for handle, tell in list(value.datachange_callbacks.items()):
            await tell(handle, ua.DataValue(ua.Variant(), ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)))
        value.datachange_callbacks.clear()  # asyncua forgets to await them
        await self.server.delete_nodes([node])

    async def line(self):
        """The variables of Line7 by name; their properties not."""
        names = [(await child.read_browse_name()).Name for child in await self.plant.line.get_variables()]
        return [name for name in names if name in self.plant.makers]

    async def again(self, args):
        await self.stop()
        await asyncio.sleep(float(args[0]) if args else 0)
        await self.start()
        return {"namespaces": await self.server.get_namespace_array()}

    async def command(self, words):
        name, *args = words
        run = getattr(self, "do_" + name.replace("-", "_"), None)
        if run is None:
            raise ValueError(f"unknown command {name!r}")
        return await run(*args)

    async def do_set(self, name, *value):
        node, kind = self.plant.node(name), self.plant.kept[name].VariantType
        self.plant.kept[name] = ua.Variant(parsed(" ".join(value), kind), kind)
        await node.write_value(self.fresh(self.plant.kept[name].Value, kind))

    async def do_status(self, name, code, when=None):
        await self.status(name, code_of(code), datetime.fromisoformat(when) if when else None)

    async def do_get(self, name):
        value = await self.plant.node(name).read_data_value(raise_on_bad_status=False)
        return {"value": shown(value.Value), "type": value.Value.VariantType.name, "status": value.StatusCode.name}

    async def do_delete(self, name):
        await self.delete(name)

    async def do_add(self, name):
        self.plant.node(name)
        await self.plant.makers[name][1]()

    async def do_silence(self, word):
        code = {"on": ua.StatusCodes.BadNoCommunication, "off": ua.StatusCodes.Good}[word]
        for name in await self.line():
            await self.status(name, code)

    async def do_written(self):
        log, self.log = self.log, []
        return {"written": log}

    async def do_requests(self):
        services = dict(self.services)
        self.services.clear()
        return {"requests": services}

    async def do_sessions(self):
        i = self.internal()
        return {"sessions": len(i._external_sessions), "subscriptions": len(i.subscription_service.subscriptions), "connections": len(i.asyncio_transports)}

    async def do_drop_subscriptions(self):
        service = self.internal().subscription_service
        await service.delete_subscriptions(list(service.subscriptions))

    async def do_drop_sessions(self):
        for session in list(self.internal()._external_sessions.values()):
            await session.close_session(True)

    async def do_block(self, milliseconds):
        time.sleep(float(milliseconds) / 1000)

    async def do_trust(self, word):
        self.trusting = {"all": True, "none": False}[word]

    async def do_restart(self, *args):
        return await self.again(args)

    async def do_reorder(self, *args):
        self.namespaces.reverse()
        return await self.again(args)

    async def do_types(self):
        p = self.plant
        types = {"Point": p.point, "Line": p.line_type, "Mode": p.mode, "Loop": p.loop, "Colour": p.colour, "Level": p.level}
        return {"types": {name: node.nodeid.to_string() for name, node in types.items()}}


def counting(services):
    """Each request by its type, before asyncua looks at it."""
    process = UaProcessor._process_message

    async def counted(self, typeid, requesthdr, seqhdr, body):
        kind = ua.extension_objects_by_typeid.get(typeid)
        services[kind.__name__.removesuffix("Request") if kind else typeid.to_string()] += 1
        return await process(self, typeid, requesthdr, seqhdr, body)

    UaProcessor._process_message = counted


def free_port(host):
    """asyncua wants to know its port before it listens."""
    with socket.socket() as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("host")
    p.add_argument("port", type=int, help="0 chooses a free one")
    p.add_argument("--policies", default=",".join(POLICIES), help="of asyncua's names (default: all but the deprecated)")
    p.add_argument("--tokens", default="anonymous,user,x509", help="which identities (default: all three)")
    p.add_argument("--namespaces", default="urn:test,urn:other", help="in this order from index 2")
    p.add_argument("--uri", default=URI, help="the application's URI; the certificate keeps the other")
    p.add_argument("--advertise", metavar="HOST", help="the host that endpoints name, reachable or not")
    p.add_argument("--san", choices=("all", "none"), default="all", help="none: no host in the certificate, only the URI")
    p.add_argument("--expired", action="store_true", help="the certificate ended yesterday")
    p.add_argument("--bits", type=int, default=2048, help="of the RSA key")
    p.add_argument("--pki", type=Path, metavar="FOLDER", help="keeps cert.der and key.der there, and takes those that are there")
    p.add_argument("--tick", type=float, default=50, metavar="MS", help="how often Counter counts")
    p.add_argument("--stay", action="store_true", help="go on when stdin ends")
    return p.parse_args()


async def main():
    logging.basicConfig(level=logging.CRITICAL)  # refusals are what the tests are about
    a = arguments()
    certificate, key, thumbprint = made(URI, a)
    peer = Peer(a, a.port or free_port(a.host), (certificate, key))
    counting(peer.services)
    await peer.start()
    lines.say(ready=True, port=peer.port, thumbprint=thumbprint, namespaces=await peer.server.get_namespace_array())
    await lines.serve(peer.command, a.stay)
    await peer.stop()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
