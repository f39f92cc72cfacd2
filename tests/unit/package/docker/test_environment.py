"""Output of `edgekit doctor` about Docker: each defect made here, and found."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from edgekit.package.docker import environment
from edgekit.package.docker.engine import CLIENT, Engine, clients


def stand_in(folder: Path, version: str, *, buildx: bool, engine: bool) -> Path:
    """A docker command that prints the output of one in this state."""
    script = folder / "docker"
    script.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && echo "Docker version {version}, build 0" && exit\n'
        f'[ "$1" = buildx ] && {"echo github.com/docker/buildx v0.13" if buildx else "false"}'
        " && exit\n"
        f'[ "$1" = info ] && {"echo 1.0" if engine else "false"} && exit\n'
        'echo "Cannot connect to the Docker daemon" >&2; exit 1\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def found(name: str) -> tuple[bool, str, str]:
    [one] = [each for each in environment.examine() if each.name == name]
    return one.ok, one.found, one.fix


def test_no_docker_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLIENT, "/nonexistent/docker")
    assert found("docker engine") == (
        False,
        "no docker command",
        "apt install docker.io",
    )
    with pytest.raises(Exception, match="no docker command here") as raised:
        Engine.find()
    assert raised.value.exit_code == 3  # type: ignore[attr-defined]


def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = stand_in(tmp_path, "20.10.24", buildx=False, engine=False)
    monkeypatch.setenv(CLIENT, str(script))
    ok, text, fix = found("docker engine")
    assert not ok and "Cannot connect" in text and "systemctl start docker" in fix
    assert found("BuildKit")[0], "this version has it built in"
    with pytest.raises(Exception, match="No Docker engine answers"):
        Engine.find()


def test_no_buildkit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = stand_in(tmp_path, "28.2.2", buildx=False, engine=True)
    monkeypatch.setenv(CLIENT, str(script))
    ok, text, fix = found("BuildKit")
    assert not ok and "28.2.2 has no plugin buildx" in text
    assert "docker-buildx" in fix
    assert found("docker engine")[0]
    with pytest.raises(Exception, match="has no BuildKit"):
        Engine.find()


def test_the_plugin_is_buildkit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = stand_in(tmp_path, "28.2.2", buildx=True, engine=True)
    monkeypatch.setenv(CLIENT, str(script))
    assert [client.buildkit for client in clients()] == [True]
    assert found("BuildKit")[0]


@pytest.mark.parametrize(
    ("text", "ok", "words"),
    [
        (None, False, "no emulator is registered"),
        ("enabled\ninterpreter /usr/bin/qemu\nflags: OC\n", False, "lacks the flag F"),
        ("enabled\ninterpreter /usr/bin/qemu\nflags: POF\n", True, "flags POF"),
    ],
)
def test_the_emulator_must_be_fixed_in_the_kernel(
    tmp_path: Path, text: str | None, ok: bool, words: str
) -> None:
    if text is not None:
        place = tmp_path / "proc/sys/fs/binfmt_misc"
        place.mkdir(parents=True)
        (place / "qemu-aarch64").write_text(text)
    finding = environment.emulator("aarch64", tmp_path)
    assert finding.ok is ok and words in finding.found
    assert ok or "qemu" in finding.fix


def test_foreign_processors_in_a_guest() -> None:
    x86 = environment._cpuinfo(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t: sse\n"
    )
    assert not x86.ok and "LiteRT crashes" in x86.found
    assert "/proc/cpuinfo:ro" in x86.fix and "QEMU_CPU" in x86.fix
    assert environment._cpuinfo("Features\t: fp asimd\nCPU implementer\t: 0x41\n").ok
    assert not environment._cpuinfo(None).ok


def test_the_probe_is_a_program_that_runs() -> None:
    """Under the real emulator: what it prints is what a guest sees."""
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        if shutil.which("qemu-aarch64-static") is None:
            pytest.skip("no emulator for aarch64 here: apt install qemu-user-static")
        pytest.skip("no emulator is registered for aarch64")
    listed = environment.guest_cpuinfo()
    assert listed is not None and "processor" in listed


def test_certificates_of_this_machine(tmp_path: Path) -> None:
    assert environment._certificates({}, tmp_path).ok
    given = environment._certificates({"PIP_CERT": "/etc/own.pem"}, tmp_path)
    assert not given.ok and "--secret id=ca,src=/etc/own.pem" in given.fix
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").write_text("[global]\ncert = /etc/pip.pem\n")
    assert "/etc/pip.pem" in environment._certificates({}, tmp_path).found
    (tmp_path / "etc/pip.conf").unlink()
    local = tmp_path / "usr/local/share/ca-certificates"
    local.mkdir(parents=True)
    (local / "own.crt").write_text("-")
    assert not environment._certificates({}, tmp_path).ok
