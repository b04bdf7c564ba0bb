"""`trader serve`: an address of this computer, and an end in order."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
from importlib.util import find_spec

import httpx
import pytest

from host.home.access.certificate import certificate_file, read_certificate
from host.home.access.token_store import Right, TokenStore
from host.home.home import Home
from host.http.server import open_listener
from tests.host.conftest import Trader

END_S = 20.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_then_ends_with_0(own_home: Home, number: int) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    words = ["--home", str(own_home.root), "serve", "--port", str(port)]
    command = [sys.executable, "-m", "host.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"at http://127.0.0.1:{port} " in line
        assert httpx.get(f"http://127.0.0.1:{port}/presets").status_code == 200
        process.send_signal(number)
        assert process.wait(END_S) == 0


def test_a_port_in_use_is_an_error_that_says_what_to_do(trader: Trader, own_home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = trader("serve", "--port", port, "--home", own_home.root)
    assert result.code == 1
    assert f"cannot listen on 127.0.0.1 port {port}: address already in use" in result.err
    assert "`trader serve --port N`" in result.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - refused
def test_without_encryption_an_address_that_others_can_reach_is_refused(
    trader: Trader, own_home: Home, host: str
) -> None:
    own_home.device_file.write_text('[web]\ntls = "never"\n')
    result = trader("serve", f"--host={host}", "--home", own_home.root)
    assert result.code == 1
    assert "is not an address of this computer alone" in result.err
    assert 'set web.tls = "auto", or use 127.0.0.1 or ::1' in result.err


@pytest.mark.parametrize("host", ["example.com", "x y", "1.2.3"])
def test_what_is_not_an_address_is_refused(trader: Trader, own_home: Home, host: str) -> None:
    result = trader("serve", f"--host={host}", "--home", own_home.root)
    assert result.code == 1
    assert "is not an address (write one such as 127.0.0.1 or 0.0.0.0)" in result.err


def test_the_address_of_the_settings_is_used(trader: Trader, own_home: Home) -> None:
    own_home.device_file.write_text('[web]\nhost = "192.0.2.7"\n')
    assert "cannot listen on 192.0.2.7" in trader("serve", "--home", own_home.root).err


def test_beyond_this_computer_it_makes_a_certificate_and_prints_its_fingerprint(
    own_home: Home,
) -> None:
    own_home.device_file.write_text('[web]\nhost = "0.0.0.0"\nnames = ["localhost"]\n')
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    words = ["--home", str(own_home.root), "serve", "--port", str(port)]
    command = [sys.executable, "-m", "host.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        certificate = read_certificate(own_home)
        assert certificate is not None
        assert certificate.colon_fingerprint in process.stdout.readline()
        context = ssl.create_default_context(cafile=str(certificate_file(own_home)))
        url = f"https://localhost:{port}/presets"
        assert httpx.get(url, verify=context).status_code == 401
        token = TokenStore(own_home).add("phone", Right.READ, "terminal")
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(url, verify=context, headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0
    assert f"at https://localhost:{port} " in first, "0.0.0.0 is not an address to call"


def test_without_the_extra_the_error_says_how_to_install_it(
    trader: Trader, own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> object:
        return None if name == "fastapi" else find_spec(name)

    monkeypatch.setattr("host.cli.commands.serve.importlib.util.find_spec", find)
    result = trader("serve", "--home", own_home.root)
    assert result.code == 1
    assert "needs fastapi" in result.err
    assert "pip install 'arduino-trader[web]'" in result.err


def test_no_other_command_loads_the_web_packages(own_home: Home) -> None:
    code = (
        "import sys, runpy; sys.argv = ['trader', *sys.argv[1:]]\n"
        "try:\n    runpy.run_module('host.cli', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'fastapi', 'uvicorn', 'anyio'}))"
    )
    for words in (["--help"], ["serve", "--help"], ["preset", "list"], ["health"]):
        command = [sys.executable, "-c", code, "--home", str(own_home.root), *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.stdout.splitlines()[-1] == "[]", ended.stderr
