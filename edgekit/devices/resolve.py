"""From an address to the device it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from edgekit.arguments import check_image, check_value
from edgekit.devices import Device
from edgekit.devices.adb import AdbLink, BenchmarkModel
from edgekit.devices.browser.device import BrowserDevice
from edgekit.devices.container import ContainerLink
from edgekit.devices.emulated import EmulatedDevice
from edgekit.devices.local import LocalDevice
from edgekit.devices.remote import RemoteDevice
from edgekit.devices.ssh import SshLink
from edgekit.errors import UsageError
from edgekit.store import Store
from edgekit.suggestions import suggest
from edgekit.types import Provenance

FORMS = (
    "local",
    "container:IMAGE",
    "ssh://USER@HOST",
    "ssh://USER@HOST:PORT",
    "adb://SERIAL",
    "emulated:CORE",
    "browser:chromium",
)
_KINDS = ("local", "container", "ssh", "adb", "emulated", "browser")


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address in parts: `ssh://pi@board:2222?python=/opt/python3`."""

    text: str
    kind: str
    rest: str
    settings: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def attached(
    address: str,
    *,
    provenance: Provenance | None = None,
    runtimes: Sequence[str] = (),
) -> Iterator[Device]:
    """The device at `address` while the block lasts; nothing is left behind after it.

    `provenance` is what a figure timed there may be called: by default `host` for this machine and
    its containers, `device` for others and for browsers. `runtimes` are installed there where they
    are missing.
    """
    device = resolve(address, provenance=provenance, runtimes=runtimes)
    try:
        yield device
    finally:
        if isinstance(device, RemoteDevice):
            device.close()


def resolve(
    address: str,
    *,
    provenance: Provenance | None = None,
    runtimes: Sequence[str] = (),
) -> Device:
    """The device at `address`, not connected yet; raises UsageError where it is none."""
    parts = parse(address)
    if parts.kind == "local":
        return _local(parts, provenance)
    if parts.kind == "browser":
        return _browser(parts, provenance)
    if parts.kind == "emulated":
        _known(parts)
        return EmulatedDevice(core=parts.rest, kept=Store())
    return _REMOTE[parts.kind](parts, provenance, tuple(runtimes))


def parse(address: str) -> Address:
    """The parts of an address; raises UsageError naming the forms there are."""
    if not address.isprintable():
        raise UsageError(f"The address {address!r} holds control characters.")
    text, _, query = address.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in settings.items():
        check_value(value, f"the setting {name} of '{address}'", UsageError)
    if text in ("local", "browser"):
        return Address(text=address, kind=text, rest="", settings=settings)
    for prefix in ("container:", "ssh://", "adb://", "emulated:", "browser:"):
        if text.startswith(prefix) and len(text) > len(prefix):
            kind = prefix.rstrip(":/")
            rest = text.removeprefix(prefix)
            return Address(text=address, kind=kind, rest=rest, settings=settings)
    near = suggest(text.split(":")[0], _KINDS)
    raise UsageError(
        f"'{address}' is not a device.{near} Known forms: {', '.join(FORMS)}."
    )


def _local(parts: Address, provenance: Provenance | None) -> LocalDevice:
    given = _known(parts, "python")
    chosen = {"python": given["python"]} if "python" in given else {}
    return LocalDevice(provenance=provenance or "host", **chosen)


def _browser(parts: Address, provenance: Provenance | None) -> BrowserDevice:
    _known(parts)
    if parts.rest not in ("", "chromium"):
        raise UsageError(
            f"'{parts.text}': no browser '{parts.rest}' can be driven. Known: chromium."
        )
    return BrowserDevice(Store(), provenance or "device")


def _ssh(
    parts: Address, provenance: Provenance | None, runtimes: tuple[str, ...]
) -> Device:
    given = _known(parts, "python")
    try:
        split = urlsplit(f"ssh://{parts.rest}")
        port = split.port
    except ValueError as error:
        raise UsageError(
            f"'{parts.text}': {error}. Write ssh://USER@HOST:PORT."
        ) from None
    bad = any(part.startswith("-") for part in re.split("[@/]", parts.rest))
    if bad or not split.hostname or split.path or split.password:
        raise UsageError(
            f"'{parts.text}' is not an ssh device. Write ssh://USER@HOST[:PORT]."
        )
    # The host as written: names of an ssh configuration may have capitals.
    check_value(parts.rest, f"the address '{parts.text}'", UsageError)
    host = parts.rest.rpartition("@")[2].rpartition(":" + str(port))[0]
    host = (host or parts.rest.rpartition("@")[2]).strip("[]")
    check_value(host, f"the host of '{parts.text}'", UsageError)
    link = SshLink(
        name=f"ssh://{parts.rest}",
        host=host,
        user=split.username,
        port=port,
    )
    return _remote(link, given, provenance or "device", runtimes)


def _container(
    parts: Address, provenance: Provenance | None, runtimes: tuple[str, ...]
) -> Device:
    given = _known(parts, "python", *_LIMITS)
    check_image(parts.rest, f"The address '{parts.text}'", UsageError)
    for name, (form, example) in _LIMITS.items():
        if name in given and not form.fullmatch(given[name]):
            raise UsageError(
                f"'{parts.text}': {name} = '{given[name]}' is not a limit. "
                f"Write it as {name}={example}."
            )
    link = ContainerLink(
        name=parts.text,
        image=parts.rest,
        cpus=given.get("cpus"),
        memory=given.get("memory"),
        cpuset=given.get("cpuset"),
        platform=given.get("platform"),
    )
    return _remote(link, given, provenance or "host", runtimes)


def _adb(
    parts: Address, provenance: Provenance | None, runtimes: tuple[str, ...]
) -> Device:
    given = _known(parts, "python", "benchmark_model")
    check_value(parts.rest, f"the serial of '{parts.text}'", UsageError)
    link = AdbLink(name=f"adb://{parts.rest}", serial=parts.rest)
    if "benchmark_model" in given:
        return BenchmarkModel(link=link, binary=given["benchmark_model"])
    return _remote(link, given, provenance or "device", runtimes)


def _remote(
    link: SshLink | ContainerLink | AdbLink,
    given: Mapping[str, str],
    provenance: Provenance,
    runtimes: tuple[str, ...],
) -> RemoteDevice:
    return RemoteDevice(
        link=link,
        python=given.get("python", "python3"),
        provenance=provenance,
        runtimes=runtimes,
        here=isinstance(link, ContainerLink),
    )


def _known(parts: Address, *names: str) -> Mapping[str, str]:
    for name in parts.settings:
        if name not in names:
            raise UsageError(
                f"'{parts.text}' has no setting '{name}'."
                f"{suggest(name, names)} Known: {', '.join(names) or 'none'}."
            )
    return parts.settings


_LIMITS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "cpus": (re.compile(r"\d{1,4}(\.\d{1,3})?"), "0.5"),
    "memory": (re.compile(r"\d{1,15}[bkmgBKMG]?"), "256m"),
    "cpuset": (re.compile(r"\d[\d,-]{0,99}"), "0-1"),
    "platform": (re.compile(r"[a-z][a-z0-9/._-]{0,40}"), "linux/arm64"),
}
"""Limits of a container: what each looks like, and an example."""
_REMOTE: Mapping[
    str, Callable[[Address, Provenance | None, tuple[str, ...]], Device]
] = {"ssh": _ssh, "container": _container, "adb": _adb}
