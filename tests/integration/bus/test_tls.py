"""The broker over TLS: the same bus, with the certificate checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from libs.bus import Delivery, Unavailable
from libs.bus.rabbitmq import RabbitBus
from tests.servers.rabbitmq import RabbitServer


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@pytest.fixture(scope="module")
def tls_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def certificate(tls_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The certificate of a broker that listens for TLS on `tls_port`."""
    directory = tmp_path_factory.mktemp("tls")
    cert_file, key_file = make_certificate(directory)
    server = RabbitServer(
        directory / "rabbit",
        config=[
            f"listeners.ssl.default = 127.0.0.1:{tls_port}",
            f"ssl_options.cacertfile = {cert_file}",
            f"ssl_options.certfile = {cert_file}",
            f"ssl_options.keyfile = {key_file}",
            "ssl_options.verify = verify_none",
        ],
    )
    server.start()
    yield cert_file
    server.close()


async def test_mail_goes_through_a_broker_over_tls(
    tls_port: int, certificate: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    bus = RabbitBus(f"amqps://guest:guest@127.0.0.1:{tls_port}/?cafile={certificate}")
    taken: list[bytes] = []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.body)
        await delivery.ack()

    await bus.start()
    try:
        await bus.consume("mail.tls", take)
        await bus.publish("mail.tls", bytes(300_000))
        await eventually(lambda: taken == [bytes(300_000)])
    finally:
        await bus.close()


async def test_a_broker_whose_certificate_is_not_trusted_is_not_used(tls_port: int, certificate: Path) -> None:
    bus = RabbitBus(f"amqps://guest:guest@127.0.0.1:{tls_port}/", start_timeout=timedelta(seconds=1))
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await bus.start()
