"""A timestamping authority for tests: certificates of any dates, OpenSSL's ``ts`` behind HTTP, and forged tokens.

Honest tokens come from ``openssl ts -reply``, which refuses to lie. Tokens of other times, or of certificates that may
not sign any, are put together here: a TSTInfo (RFC 3161, section 2.4.2) signed by ``openssl cms``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stealproof.evidence._der import Node, encode, nodes
from stealproof.evidence.beacon import MARGIN
from stealproof.evidence.drand import QUICKNET, Round

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
CONFIG = """[tsa]
default_tsa = honest
[honest]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1, sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_SERIALS = itertools.count(1000)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate and its key, with the files that OpenSSL reads."""

    folder: Path
    certificate: x509.Certificate
    key: Key
    chain: tuple[bytes, ...] = ()
    """Certificates between this one and a root, PEM."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while OpenSSL counts a serial number up in its file."""

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def reply(self, query: bytes) -> bytes:
        """What ``openssl ts`` answers to this query."""
        with self.lock:
            return self._run(
                *("ts", "-reply", "-config", "tsa.cnf", "-section", "honest", "-queryfile", "/dev/stdin"),
                *("-signer", "certificate.pem", "-inkey", "key.pem"),
                *(("-chain", "chain.pem") if self.chain else ()),
                given=query,
            )

    def query(self, content: bytes, *options: str) -> bytes:
        """A query by OpenSSL, with other options than stealproof's own queries have."""
        return self._run("ts", "-query", "-data", "/dev/stdin", "-cert", *options, given=content)

    def stamp(self, content: bytes) -> bytes:
        """An honest token for ``content``, of now."""
        return self.reply(self.query(content, "-sha256"))

    def forge(
        self, content: bytes, time: datetime, *, serial: int = 7, digest: str = "sha256", cades: bool = True
    ) -> bytes:
        """A token that says ``time``, whatever this certificate is for; ``digest`` is the one of the signature."""
        imprint = encode(0x30, encode(0x30, _SHA256, encode(5)), encode(4, hashlib.sha256(content).digest()))
        info = encode(
            0x30,
            *(
                encode(2, b"\1"),
                encode(6, b"\x2a\x03\x04\x01"),
                imprint,
                encode(2, serial.to_bytes(serial.bit_length() // 8 + 1, "big")),
            ),
            encode(0x18, time.strftime("%Y%m%d%H%M%SZ").encode()),
        )
        token = self._run(
            *("cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-md", digest),
            *("-signer", "certificate.pem", "-inkey", "key.pem", "-outform", "DER"),
            *(("-certfile", "chain.pem") if self.chain else ()),
            *(("-cades",) if cades else ()),
            given=info,
        )
        return encode(0x30, encode(0x30, encode(2, b"\0")), token)

    def _run(self, *arguments: str, given: bytes) -> bytes:
        command = ["openssl", *arguments]
        done = subprocess.run(command, cwd=self.folder, input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def authority(
    folder: Path,
    name: str,
    issuer: Authority | None = None,
    *,
    valid: tuple[datetime, datetime] | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (TIME_STAMPING,),
    ca: bool = False,
    key: Key | None = None,
) -> Authority:
    """A new certificate in a new ``folder``, signed by ``issuer`` or by itself; ``usages`` are its extended ones."""
    now = datetime.now(UTC)
    valid = valid or (LONG_AGO if ca else now - timedelta(days=1), now + timedelta(days=365))
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(next(_SERIALS))
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usages and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    chain = () if issuer is None or (not issuer.chain and _is_root(issuer)) else (issuer.pem, *issuer.chain)
    folder.mkdir()
    made = Authority(folder=folder, certificate=certificate, key=key, chain=chain)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(made.pem)
    (folder / "chain.pem").write_bytes(b"".join(chain))
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder="."))
    return made


class Responder:
    """An authority at ``url``; what is appended to the URL chooses how the answer goes wrong."""

    def __init__(self, signer: Authority) -> None:
        """Listen on a free port of this machine."""
        self.signer = signer
        self.over = threading.Event()
        responder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                responder.answer(self, query)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, query: bytes) -> None:
        """Answer one query the way that its path says."""
        match handler.path:
            case "/":
                status, body = 200, self.signer.reply(query)
            case "/garbage":
                status, body = 200, b"<html>welcome to our hotel</html>"
            case "/reject":
                status, body = 200, self.signer.reply(b"this is no query")
            case "/other-content":
                status, body = 200, self.signer.stamp(b"something else")
            case "/other-nonce":
                # OpenSSL draws another nonce for the same content.
                status, body = 200, self.signer.reply(self.signer.query(OTHER_NONCE, "-sha256"))
            case "/large":
                status, body = 200, bytes(1 << 21)
            case "/hang":
                self.over.wait()
                return
            case "/drip":
                self._drip(handler)
                return
            case _:
                status, body = 503, b"out to lunch"
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            # The client has seen enough of a large answer.
            return

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not self.over.wait(0.02):
            try:
                handler.wfile.write(b".")
            except OSError:
                return

    def stop(self) -> None:
        """Let whoever hangs go, and close the port."""
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A root, an authority under it whose answers come from ``url``, and a folder to make others in."""

    folder: Path
    root: Authority
    signer: Authority
    url: str

    @property
    def roots(self) -> list[bytes]:
        return [self.root.pem]

    def stamp(self, content: bytes) -> bytes:
        """An honest token for ``content``, of now."""
        return self.signer.stamp(content)

    def stamp_before(self, content: bytes, drawn: Round) -> bytes:
        """A token, by an authority that was valid then, of a time that leads to this round of drand."""
        moment = QUICKNET.time_of(drawn.number) - MARGIN
        day = timedelta(days=1)
        return self.authority("early", valid=(moment - day, moment + day)).forge(content, moment)

    def altered(self, token: bytes, changes: dict[bytes, bytes]) -> bytes:
        """The token with some of its values exchanged, every length around them made right."""

        def altered(node: Node) -> bytes:
            if node.raw in changes:
                return changes[node.raw]
            return encode(node.tag, *map(altered, nodes(node.body))) if node.tag & 0x20 else node.raw

        return b"".join(map(altered, nodes(token)))

    def passed_off(self, token: bytes, signer: Authority, other: Authority) -> bytes:
        """The signer's token with the other's certificate beside its signature, and that one's number as the name."""
        ders = [it.certificate.public_bytes(serialization.Encoding.DER) for it in (signer, other)]
        numbers = [encode(2, it.certificate.serial_number.to_bytes(2, "big")) for it in (signer, other)]
        return self.altered(token, {ders[0]: ders[1], numbers[0]: numbers[1]})

    def authority(
        self,
        name: str,
        issuer: Authority | None = None,
        *,
        valid: tuple[datetime, datetime] | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (TIME_STAMPING,),
        ca: bool = False,
        key: Key | None = None,
    ) -> Authority:
        """Another authority; by default one that this root vouches for."""
        folder = self.folder / f"{name}-{next(_SERIALS)}"
        return authority(folder, name, issuer or self.root, valid=valid, usages=usages, ca=ca, key=key)


@contextlib.contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A root, an intermediate, an authority and its server, as long as the context lasts."""
    root = authority(folder / "root", "root of the tests", ca=True)
    between = authority(folder / "between", "between", root, ca=True)
    signer = authority(folder / "signer", "timestamps of the tests", between)
    responder = Responder(signer)
    try:
        yield Bench(folder=folder, root=root, signer=signer, url=responder.url)
    finally:
        responder.stop()


OTHER_NONCE = b"the same content, asked for twice"
_SHA256 = bytes.fromhex("0609608648016503040201")


def _is_root(it: Authority) -> bool:
    return it.certificate.issuer == it.certificate.subject
