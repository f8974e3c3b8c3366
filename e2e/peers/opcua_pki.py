"""The certificate of opcua_server.py: made in memory at each start, or kept in a folder."""

import hashlib
import ipaddress
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def signed(uri, key, hosts, expired):
    now = datetime.now(timezone.utc)
    start, end = (now - timedelta(days=2), now - timedelta(days=1)) if expired else (now - timedelta(days=1), now + timedelta(days=365))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asyncua peer"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pollux tests")])
    names = [x509.UniformResourceIdentifier(uri)]
    if hosts:
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    usage = dict.fromkeys(["crl_sign", "key_agreement", "encipher_only", "decipher_only"], False)
    usage |= dict.fromkeys(["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"], True)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False).add_extension(x509.KeyUsage(**usage), True)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def made(uri, options):
    """Certificate and key in DER, and the thumbprint."""
    files = [options.pki / name for name in ("cert.der", "key.der")] if options.pki else []
    if files and all(file.exists() for file in files):
        certificate, key = (file.read_bytes() for file in files)
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=options.bits)
        certificate = signed(uri, private, options.san == "all", options.expired)
        key = private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        for file, content in zip(files, (certificate, key)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return certificate, key, hashlib.sha1(certificate).hexdigest()
