"""The Docker engine, through its command: find one that can build, build, run, clear away."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import DeviceError

CLIENT = "EDGEKIT_DOCKER"
"""Environment variable that names the docker command to use."""
_BUILT_IN = range(18, 23)
"""Major versions whose command has BuildKit in it; later ones need the plugin buildx."""
_BUILD_S = 1800
_ASK_S = 60
_PULL_S = 600


@dataclass(frozen=True, kw_only=True)
class Client:
    """One docker command on this machine."""

    path: str
    version: str
    buildkit: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """Result of a container."""

    code: int
    out: bytes
    err: str
    out_of_memory: bool


def clients() -> list[Client]:
    """Every docker command here, the one on the path first."""
    named = os.environ.get(CLIENT)
    places = [named] if named else [shutil.which("docker"), "/usr/bin/docker"]
    found = []
    for place in dict.fromkeys(p for p in places if p and shutil.which(p)):
        version = _ask([place, "--version"]).partition("version ")[2].partition(",")[0]
        major = version.partition(".")[0]
        plugin = "buildx" in _ask([place, "buildx", "version"])
        built_in = major.isdigit() and int(major) in _BUILT_IN
        found.append(Client(path=place, version=version, buildkit=plugin or built_in))
    return found


def answers(client: Client) -> str | None:
    """None where the engine answers this client, else its error."""
    done = _try([client.path, "info", "--format", "{{json .ServerVersion}}"])
    if done is None:
        return "no answer within a minute"
    if done.returncode or done.stdout.strip() in ("", '""'):
        lines = (done.stderr or done.stdout).strip().splitlines()
        return lines[-1] if lines else "no answer"
    return None


class Engine:
    """An engine that answers and can build."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @classmethod
    def find(cls) -> Engine:
        """Raises `DeviceError` with the command that helps."""
        known = clients()
        if not known:
            raise DeviceError(
                "Images are built by Docker, and there is no docker command here. "
                "Install it: apt install docker.io"
            )
        able = [client for client in known if client.buildkit]
        if not able:
            raise DeviceError(
                f"docker {known[0].version} has no BuildKit: its plugin buildx is missing. "
                "Install it: apt install docker-buildx (or docker-buildx-plugin)"
            )
        reason = answers(able[0])
        if reason is not None:
            raise DeviceError(
                f"No Docker engine answers ({reason}). Start one: systemctl start docker, "
                "or as root: dockerd"
            )
        return cls(able[0])

    def build(
        self,
        context: Path,
        dockerfile: Path,
        *,
        tag: str,
        platform: str,
        arguments: Mapping[str, str],
    ) -> None:
        """One image; raises `DeviceError` with the build's last output."""
        given = [
            part
            for key, value in arguments.items()
            for part in ("--build-arg", f"{key}={value}")
        ]
        command = [
            *(self.client.path, "build", "--progress", "plain"),
            *("--platform", platform, "--tag", tag, "--file", str(dockerfile)),
            *(*given, str(context)),
        ]
        environment = {
            **os.environ,
            "DOCKER_BUILDKIT": "1",
            # An attestation would make a list of every image, with times of its own.
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }
        done = _try(command, timeout_s=_BUILD_S, environment=environment)
        if done is None or done.returncode:
            said = "" if done is None else done.stderr.strip()
            raise DeviceError(
                f"docker build of {tag} failed ({_last_error(said)}). "
                "See `edgekit doctor` for what this engine lacks."
            )

    def docker(self, *arguments: str, timeout_s: float = 600) -> str:
        """The output of a docker command; raises `DeviceError` with its error output."""
        done = _try([self.client.path, *arguments], timeout_s=timeout_s)
        if done is None or done.returncode:
            said = f"no end within {timeout_s:g} s" if done is None else done.stderr
            lines = said.strip().splitlines() or ["no reason given"]
            raise DeviceError(f"docker {arguments[0]} failed ({lines[-1]}).")
        return done.stdout

    def architecture(self) -> str:
        """Architecture of the engine's own machine, in Docker's words: `amd64`, `arm64`."""
        return self.docker("version", "--format", "{{.Server.Arch}}").strip()

    def inspect(self, image: str) -> dict[str, Any]:
        """The description of an image; raises `DeviceError` where it is absent."""
        found: list[dict[str, Any]] = json.loads(
            self.docker("image", "inspect", image, timeout_s=_ASK_S)
        )
        return found[0]

    def has(self, image: str) -> bool:
        """Return whether the engine has the image."""
        done = _try([self.client.path, "image", "inspect", image])
        return done is not None and not done.returncode

    def pulled(self, image: str, platform: str) -> str | None:
        """`image` by the digest of what its registry gave; `None` where that is out of reach.

        A tag can come to mean something else between two builds, a digest cannot.
        """
        command = [self.client.path, "pull", "--quiet", "--platform", platform, image]
        done = _try(command, timeout_s=_PULL_S)
        if done is None or done.returncode:
            return None
        repository = _repository(image)
        digests: list[str] = self.inspect(image).get("RepoDigests") or []
        own = (digest for digest in digests if digest.split("@")[0] == repository)
        return next(own, image)

    def run(
        self,
        image: str,
        command: Sequence[str],
        *,
        options: Sequence[str] = (),
        stdin: bytes = b"",
        timeout_s: float,
    ) -> Run:
        """One container from start to end; it is gone when this returns or raises."""
        with self.named() as name:
            arguments = ["run", "-i", "--init", "--name", name, *options, image]
            try:
                done = subprocess.run(
                    [self.client.path, *arguments, *command],
                    input=stdin,
                    capture_output=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise DeviceError(
                    f"{image} {' '.join(command)} did not end within {timeout_s:g} s."
                ) from error
            state = self._state(name)
        return Run(
            code=done.returncode,
            out=done.stdout,
            err=done.stderr.decode(errors="replace"),
            out_of_memory=bool(state.get("OOMKilled")),
        )

    @contextlib.contextmanager
    def named(self) -> Iterator[str]:
        """A name for a container that is removed at the end, running or not."""
        name = f"edgekit-{secrets.token_hex(6)}"
        try:
            yield name
        finally:
            _try([self.client.path, "rm", "--force", "--volumes", name])

    def _state(self, name: str) -> dict[str, Any]:
        done = _try([self.client.path, "inspect", "--format", "{{json .State}}", name])
        state: dict[str, Any] = (
            {} if done is None or done.returncode else json.loads(done.stdout)
        )
        return state


def _repository(image: str) -> str:
    """`registry/name` of `registry/name:tag` and of `registry/name@digest`."""
    name = image.split("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.split(":")[0]


def explained(run: Run, memory: str | None = None) -> str | None:
    """Why a container failed, in one line; None where it did not.

    A container can succeed although a process in it was killed for want of memory: then only
    the engine reports it, and the output is not to be trusted.
    """
    limit = f" ({memory})" if memory else ""
    if run.out_of_memory:
        how = "although it ended with 0" if run.code == 0 else f"exit code {run.code}"
        return f"out of memory{limit}, {how}: give it more with --memory"
    if run.code == 137:
        return "killed from outside (137), or the machine ran out of memory"
    if run.code == 139:
        return "the runtime crashed (139)"
    if run.code:
        lines = run.err.strip().splitlines()
        return f"exit code {run.code}" + (f": {lines[-1]}" if lines else "")
    return None


def _last_error(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip(" -")]
    errors = [line for line in lines if "ERROR" in line or "error:" in line]
    return (errors or lines or ["no reason given"])[-1].strip()[:300]


def _ask(command: Sequence[str]) -> str:
    done = _try(command)
    return "" if done is None or done.returncode else done.stdout


def _try(
    command: Sequence[str],
    *,
    timeout_s: float = _ASK_S,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str] | None:
    """The command's end, None where it took too long."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
