"""Attachments: resumed, verified, and taken from nowhere but where they may be taken from."""

import base64
import hashlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from scripted import Answer, Request, ScriptedServer

from auditor.errors import SettingsRefused
from connector.fhir import (
    AddressRefused,
    BadAnswer,
    FhirClient,
    Forbidden,
    ForeignHosts,
    ServerDown,
    WrongAttachment,
)
from connector.fhir.foreign import NotAllowed
from connector.smart_backend import BearerToken

StartServer = Callable[[], ScriptedServer]

CONTENT = bytes(range(256)) * 5000
SHA1 = base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def client_of(server: ScriptedServer, foreign: ForeignHosts | None = None) -> FhirClient:
    hosts = foreign or ForeignHosts()
    return FhirClient(server.base_url, BearerToken("secret"), hosts, largest_attachment=2 << 20)


# ── resume ────────────────────────────────────────────────────────────────────────────────


class Store:
    """Serves one file, honours ranges as told, and breaks off at each byte of ``cuts`` in turn."""

    def __init__(self, server: ScriptedServer, *cuts: int, **changes: str | None) -> None:
        self.cuts = list(cuts)
        self.content = CONTENT
        self.headers = {"ETag": '"v1"', "Accept-Ranges": "bytes", **changes}
        self.ranges: list[str | None] = []
        server.script = self.answer

    def answer(self, request: Request) -> Answer:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        cut = self.cuts.pop(0) if self.cuts else None
        start = self.start(asked, request.headers.get("If-Range"))
        headers = {n: v for n, v in self.headers.items() if v is not None}
        if start is None:
            return Answer(200, self.content, headers, cut)
        last = len(self.content) - 1
        headers["Content-Range"] = f"bytes {start}-{last}/{last + 1}"
        return Answer(206, self.content[start:], headers, cut)

    def start(self, asked: str | None, condition: str | None) -> int | None:
        if asked is None or self.headers["Accept-Ranges"] != "bytes":
            return None
        if condition is not None and condition != self.headers["ETag"]:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))


@pytest.mark.usefixtures("no_backoff")
def test_a_download_goes_on_where_it_broke_off(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    server = scripted_server()
    store = Store(server, 300_000, 400_000)
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf", size=len(CONTENT))
    assert (tmp_path / "night.edf").read_bytes() == CONTENT
    assert [asked is not None for asked in store.ranges] == [False, True, True]
    assert list(tmp_path.iterdir()) == [tmp_path / "night.edf"]


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("changes", "sha1"),
    [
        ({"Accept-Ranges": "none"}, SHA1),
        ({"ETag": None}, None),
        ({"ETag": 'W/"v1"'}, None),
        ({"Content-Encoding": "identity"}, None),
    ],
)
def test_it_begins_again_where_going_on_is_not_safe(
    scripted_server: StartServer, tmp_path: Path, changes: dict[str, str | None], sha1: str | None
) -> None:
    server = scripted_server()
    Store(server, 300_000, **changes)
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=sha1)
    assert (tmp_path / "night.edf").read_bytes() == CONTENT


@pytest.mark.usefixtures("no_backoff")
def test_without_a_validator_the_hash_makes_going_on_safe(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    server = scripted_server()
    store = Store(server, 300_000, ETag=None)
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=SHA1)
    assert store.ranges[1] is not None
    assert (tmp_path / "night.edf").read_bytes() == CONTENT


@pytest.mark.usefixtures("no_backoff")
def test_a_file_that_changes_in_mid_download_comes_whole(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    """The server goes on in another version though it was told not to: the hash finds it."""
    server = scripted_server()
    store = Store(server, 300_000, ETag=None)
    store.content = bytes(len(CONTENT))
    answer = store.answer

    def changing(request: Request) -> Answer:
        given = answer(request)
        store.content = CONTENT
        return given

    server.script = changing
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=SHA1)
    assert (tmp_path / "night.edf").read_bytes() == CONTENT


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    "odd",
    [Answer(416), Answer(206, CONTENT[7:], {"Content-Range": "bytes 7-9/10"}), Answer(206, b"x")],
)
def test_an_odd_answer_to_a_range_leads_to_the_beginning(
    scripted_server: StartServer, tmp_path: Path, odd: Answer
) -> None:
    server = scripted_server()
    first = Answer(200, CONTENT, {"ETag": '"v1"'}, cut_after=300_000)
    server.answers(first, odd, Answer(200, CONTENT))
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf")
    assert (tmp_path / "night.edf").read_bytes() == CONTENT
    assert "Range" not in server.requests[2].headers


@pytest.mark.usefixtures("no_backoff")
def test_json_is_never_gone_on_with(scripted_server: StartServer, tmp_path: Path) -> None:
    server = scripted_server()
    text = base64.b64encode(CONTENT).decode()
    body = f'{{"resourceType": "Binary", "data": "{text}"}}'.encode()
    headers = {"Content-Type": "application/fhir+json", "ETag": '"v1"'}
    server.answers(Answer(200, body, headers, cut_after=1_500_000), Answer(200, body, headers))
    with client_of(server) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=SHA1)
    assert (tmp_path / "night.edf").read_bytes() == CONTENT
    assert "Range" not in server.requests[1].headers


# ── limits ────────────────────────────────────────────────────────────────────────────────


def test_an_attachment_of_unknown_size_has_an_end(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    server = scripted_server()
    server.answers(Answer(200, bytes(3 << 20)))
    with (
        client_of(server) as client,
        pytest.raises(WrongAttachment, match="more than 2 MB of an attachment that does not say"),
    ):
        client.download("Binary/1", tmp_path / "night.edf")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(scripted_server: StartServer, tmp_path: Path) -> None:
    server = scripted_server()
    Store(server)
    (tmp_path / "night.edf.part").symlink_to("/dev/full")
    with client_of(server) as client, pytest.raises(SettingsRefused) as caught:
        client.download("Binary/1", tmp_path / "night.edf", size=len(CONTENT))
    assert "the disk has no room for the recording; free some" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_fit_is_not_begun(scripted_server: StartServer, tmp_path: Path) -> None:
    server = scripted_server()
    with client_of(server) as client, pytest.raises(SettingsRefused, match="no room"):
        client.download("Binary/1", tmp_path / "night.edf", size=1 << 60)
    assert server.requests == []


# ── other hosts ───────────────────────────────────────────────────────────────────────────


def at(name: str, server: ScriptedServer) -> str:
    """The address of a server by another name of this machine."""
    return f"http://{name}:{server.origin.rpartition(':')[2]}"


def test_a_listed_host_is_asked_without_the_token(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    home, files = scripted_server(), scripted_server()
    Store(files)
    foreign = ForeignHosts(frozenset({"localhost"}), LOOPBACK)
    with client_of(home, foreign) as client:
        url = f"{at('localhost', files)}/night.edf?X-Signature=abc"
        client.download(url, tmp_path / "night.edf", sha1_base64=SHA1)
    (asked,) = files.requests
    assert asked.path == "/night.edf?X-Signature=abc"
    assert asked.headers["Host"] == at("localhost", files).removeprefix("http://")
    assert "Authorization" not in asked.headers
    assert home.requests == []


def test_a_redirect_to_a_listed_host_is_followed_without_the_token(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    home, files = scripted_server(), scripted_server()
    Store(files)
    home.answers(Answer(307, headers={"Location": f"{at('localhost', files)}/night.edf"}))
    foreign = ForeignHosts(frozenset({"localhost"}), LOOPBACK)
    with client_of(home, foreign) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=SHA1)
    assert home.requests[0].headers["Authorization"] == "Bearer secret"
    assert "Authorization" not in files.requests[0].headers


def test_a_way_home_through_another_host_brings_no_token(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    """The foreign host would choose what is asked with our rights."""
    home, files = scripted_server(), scripted_server()
    home.answers(Answer(302, headers={"Location": f"{at('localhost', files)}/night.edf"}))
    files.answers(Answer(302, headers={"Location": f"{home.origin}/fhir/Binary/2"}))
    foreign = ForeignHosts(frozenset({"localhost"}), LOOPBACK)
    with client_of(home, foreign) as client, pytest.raises(AddressRefused):
        client.download("Binary/1", tmp_path / "night.edf")
    assert len(home.requests) == 1


def test_a_redirect_within_the_server_keeps_the_token(
    scripted_server: StartServer, tmp_path: Path
) -> None:
    home = scripted_server()
    home.answers(Answer(303, headers={"Location": "/files/7"}), Answer(200, CONTENT))
    with client_of(home) as client:
        client.download("Binary/1", tmp_path / "night.edf", sha1_base64=SHA1)
    assert [(r.path, r.headers["Authorization"]) for r in home.requests] == [
        ("/fhir/Binary/1", "Bearer secret"),
        ("/files/7", "Bearer secret"),
    ]


def test_redirects_end(scripted_server: StartServer, tmp_path: Path) -> None:
    home = scripted_server()
    home.answers(Answer(302, headers={"Location": "Binary/1"}))
    with client_of(home) as client, pytest.raises(AddressRefused, match="again and again"):
        client.download("Binary/1", tmp_path / "night.edf")
    assert len(home.requests) == 6


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_another_host_is_told_without_its_address(
    scripted_server: StartServer, tmp_path: Path, status: int
) -> None:
    home, files = scripted_server(), scripted_server()
    files.answers(Answer(status))
    foreign = ForeignHosts(frozenset({"localhost"}), LOOPBACK)
    with client_of(home, foreign) as client, pytest.raises(Exception, match=str(status)) as caught:
        client.download(f"{at('localhost', files)}/n?X-Signature=abc", tmp_path / "night.edf")
    assert "abc" not in str(caught.value)
    assert not isinstance(caught.value, Forbidden) or status == 403


PRIVATE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://100.64.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://localhost/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    parsed = httpx.URL(url)
    with pytest.raises(NotAllowed, match="private network"):
        ForeignHosts(frozenset({parsed.host})).resolve(parsed)


@pytest.mark.parametrize("host", ["0177.0.0.1", "[fe80::1%25lo]", "[::1", "127.0.0.1\t"])
def test_an_address_that_is_none_is_refused(
    scripted_server: StartServer, tmp_path: Path, host: str
) -> None:
    home = scripted_server()
    with client_of(home) as client, pytest.raises(BadAnswer, match="gave an address"):
        client.download(f"https://{host}/night.edf", tmp_path / "night.edf")
    assert home.requests == []


@given(st.ip_addresses())
def test_no_wrapping_makes_an_address_public(address: object) -> None:
    foreign = ForeignHosts(frozenset({str(address)}))
    literal = str(address)
    host = f"[{literal}]" if ":" in literal else literal
    try:
        foreign.resolve(httpx.URL(f"https://{host}/"))
    except NotAllowed:
        return
    assert ip_address(literal).is_global


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://elsewhere.example/", "elsewhere.example, which is not allowed"),
        ("https://files.example.evil.example/", "not allowed"),
        ("https://evilfiles.example/", "not allowed"),
        ("https://files.example@evil.example/", "password"),
        ("https://user:word@files.example/", "password"),
        ("ftp://files.example/", "not https"),
        ("https://a.b.store.example.evil/", "not allowed"),
        ("https://store.example/", "not allowed"),
    ],
)
def test_an_unlisted_host_is_refused_before_anyone_is_asked(url: str, said: str) -> None:
    foreign = ForeignHosts(frozenset({"files.example", "*.store.example"}))
    with pytest.raises(NotAllowed, match=said):
        foreign.check(httpx.URL(url))


@pytest.mark.parametrize("url", ["https://files.example./", "https://A.b.store.EXAMPLE/"])
def test_a_listed_host_is_known_however_it_is_written(url: str) -> None:
    ForeignHosts(frozenset({"files.example", "*.store.example"})).check(httpx.URL(url))


def test_a_public_host_must_speak_https() -> None:
    with pytest.raises(NotAllowed, match="not https"):
        ForeignHosts(frozenset({"1.1.1.1"})).resolve(httpx.URL("http://1.1.1.1/"))


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    (checked,) = ForeignHosts(frozenset({"1.1.1.1"})).resolve(httpx.URL("https://1.1.1.1:8443/n"))
    assert (checked.url, checked.host) == (httpx.URL("https://1.1.1.1:8443/n"), "1.1.1.1:8443")


def test_a_name_that_resolves_otherwise_a_moment_later_gains_nothing(
    scripted_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: each name is resolved once, and what it gave is what is connected to."""
    home, files, thief = scripted_server(), scripted_server(), scripted_server()
    Store(files)
    real, asked = socket.getaddrinfo, []

    def rebinding(host: str, *details: object, **more: object) -> object:
        if host != "files.example":
            return real(host, *details, **more)  # type: ignore[arg-type]
        asked.append(host)
        port = files.origin if len(asked) == 1 else thief.origin
        address = ("127.0.0.1", int(port.rpartition(":")[2]))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    foreign = ForeignHosts(frozenset({"files.example"}), LOOPBACK)
    with client_of(home, foreign) as client:
        client.download(at("files.example", files), tmp_path / "night.edf", sha1_base64=SHA1)
    assert asked == ["files.example"]
    assert thief.requests == []


@pytest.mark.usefixtures("no_backoff")
def test_a_host_of_no_address_is_told(scripted_server: StartServer, tmp_path: Path) -> None:
    foreign = ForeignHosts(frozenset({"nowhere.invalid"}))
    with (
        client_of(scripted_server(), foreign) as client,
        pytest.raises(ServerDown, match="no network address"),
    ):
        client.download("https://nowhere.invalid/night.edf", tmp_path / "night.edf")


# ── https ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def https_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An https server with a certificate for "localhost", and its authority's file."""
    folder = tmp_path_factory.mktemp("https")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "localhost.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    whole = folder / "key.pem"
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    whole.write_bytes(sealed + pem.read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"{server.server_address[1]}", pem
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("no_backoff")
def test_the_certificate_is_held_against_the_name(
    scripted_server: StartServer,
    https_files: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the connection goes to a number, and not to a host that merely sits there."""
    port, authority = https_files
    monkeypatch.setattr(
        "connector.fhir.attachments.tls", lambda: ssl.create_default_context(cafile=str(authority))
    )
    foreign = ForeignHosts(frozenset({"localhost", "127.0.0.1"}), LOOPBACK)
    with client_of(scripted_server(), foreign) as client:
        client.download(f"https://localhost:{port}/n", tmp_path / "night.edf", sha1_base64=SHA1)
        with pytest.raises(ServerDown, match="certificate"):
            client.download(f"https://127.0.0.1:{port}/n", tmp_path / "other.edf")
    assert (tmp_path / "night.edf").read_bytes() == CONTENT
