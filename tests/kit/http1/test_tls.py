"""TLS on both sides, with a certificate made for the test."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import echo
from tollway.kit.http1.client import Client
from tollway.kit.http1.server import Listen, serve
from tollway.kit.http1.wire import Outbound, UpstreamError


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "both.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path


def test_both_sides_speak_tls_and_a_stranger_is_not_trusted(run: Run, certificate: Path) -> None:
    async def go() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = await serve(echo, listen=Listen(tls=context))
        origin = f"https://127.0.0.1:{server.port}"
        trusting, doubting = Client(ssl_context=ssl.create_default_context(cafile=str(certificate))), Client()
        for body in (b"hello", b"x" * 300_000):
            answer = await trusting.send(Outbound(origin, b"/", (), body))
            assert await answer.read() == b"POST|/||" + body
        assert trusting.open_connections == 1
        with pytest.raises(UpstreamError) as caught:
            await doubting.send(Outbound(origin, b"/", (), b""))
        assert caught.value.phase == "tls"
        await trusting.close()
        await doubting.close()
        await server.drain(0.2)

    run(go())
