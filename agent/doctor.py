"""`foveate doctor`: looks at this installation and says what is wrong and what to do about it.

Nothing leaves the machine unless a base URL is given. Knows no image and asks no model a question.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Status = Literal["ok", "note", "warn", "fail"]

CORE = (
    *(
        "torch",
        "transformers",
        "accelerate",
        "safetensors",
        "langgraph",
        "langchain-core",
        "langchain-openai",
    ),
    *("pillow", "pydantic", "numpy", "scipy", "nibabel", "pydicom", "pynrrd"),
)
ENOUGH_MEMORY_GIB = 2.0
IMPORT_SECONDS = 120
SERVER_SECONDS = 5.0


@dataclass(frozen=True)
class Check:
    """One line of the report. "note" is for what is merely good to know."""

    name: str
    status: Status
    detail: str


def examine(base_url: str | None = None) -> list[Check]:
    """All checks, in reading order. `base_url` adds the one check that uses the network."""
    checks = [_python(), *_packages(), _torchvision(), _accelerator(), _memory(), _bytecode()]
    checks += [*_weights(), *_extras(), _keys()]
    if base_url is not None:
        checks.append(_server(base_url))
    return checks


def run_doctor(as_json: bool = False, base_url: str | None = None) -> int:
    """Prints the report; 1 when something is broken, else 0."""
    checks = examine(base_url)
    print(json.dumps({"checks": [asdict(check) for check in checks]}) if as_json else table(checks))
    return int(any(check.status == "fail" for check in checks))


def table(checks: Iterable[Check]) -> str:
    """The report as aligned plain text."""
    rows = list(checks)
    width = max(len(check.name) for check in rows)
    return "\n".join(f"{check.status:<5} {check.name:<{width}}  {check.detail}" for check in rows)


def _python() -> Check:
    found = platform.python_version()
    good = sys.version_info >= (3, 11)
    return Check(
        "python", "ok" if good else "fail", found if good else f"{found}; Foveate needs 3.11 or newer"
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Check]:
    yield Check("foveate", "ok", _version("foveate") or "run from a folder, not installed")
    for package in CORE:
        version = _version(package)
        yield Check(package, "ok" if version else "fail", version or "missing; install Foveate again")


def _torchvision() -> Check:
    """A torchvision that does not match torch breaks nearly every import of transformers and diffusers."""
    version = _version("torchvision")
    if version is None:
        return Check("torchvision", "ok", "not installed, and not needed")
    fault = import_fault("torchvision")
    if fault is None:
        return Check("torchvision", "ok", version)
    advice = "run: pip uninstall torchvision (Foveate does not need it)"
    return Check("torchvision", "fail", f"{version} is broken and breaks transformers: {fault}; {advice}")


def import_fault(module: str) -> str | None:
    """Why `module` cannot be imported, tried in a process of its own; None when it can."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=IMPORT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"importing it took more than {IMPORT_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:160] if lines else f"exit code {done.returncode}"


def _accelerator() -> Check:
    try:
        import torch
    except Exception as error:  # a broken torch raises anything
        return Check("compute", "fail", f"torch does not import: {type(error).__name__}")
    if torch.cuda.is_available():
        return Check("compute", "ok", f"GPU {torch.cuda.get_device_name(0)}")
    return Check("compute", "ok", f"CPU, {torch.get_num_threads()} threads, models run in fp32")


def _memory() -> Check:
    spare = spare_memory_gib()
    if spare is None:
        return Check("memory", "note", "spare memory is not known on this system")
    if spare < ENOUGH_MEMORY_GIB:
        return Check(
            "memory", "warn", f"{spare:.1f} GiB spare; the pocket models want {ENOUGH_MEMORY_GIB:.0f}"
        )
    return Check("memory", "ok", f"{spare:.1f} GiB spare")


def spare_memory_gib() -> float | None:
    """Memory that can be had without swapping, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    return None if kib is None else kib / 2**20


def _bytecode() -> Check:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return Check(
            "bytecode", "warn", "PYTHONDONTWRITEBYTECODE is set: every start takes twice as long; unset it"
        )
    return Check("bytecode", "ok", "compiled files are kept")


def _weights() -> Iterator[Check]:
    from foveate.agent.models.pocket import pocket_path

    folder = pocket_path().parent
    sums = _recorded_sums(folder / "SHA256SUMS")
    for name in ("vlm", "locator"):
        yield _weights_of(folder / name, sums)
    if (folder / "diffusion").is_dir():
        yield _weights_of(folder / "diffusion", sums)
    else:
        yield Check(
            "pocket diffusion", "note", "not trained here; --grounder diffusion wants a model of yours"
        )


def _weights_of(folder: Path, sums: dict[str, str]) -> Check:
    name = f"pocket {folder.name}"
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else []
    if not files:
        return Check(name, "fail", f"no weights in {folder}; install Foveate again")
    paths = [f"{folder.name}/{file.relative_to(folder).as_posix()}" for file in files]
    for file, path in zip(files, paths, strict=True):
        wanted = sums.get(path)
        if wanted is not None and wanted != sha256_of(file):
            return Check(name, "fail", f"{file.name} is damaged: its hash is not the recorded one")
    size = sum(file.stat().st_size for file in files) / 2**20
    recorded = all(path in sums for path in paths)
    told = "as recorded" if recorded else "no hash is recorded"
    return Check(
        name, "ok" if recorded else "note", f"{size:.1f} MiB, sha256 {sha256_of(files[0])[:12]} {told}"
    )


def sha256_of(file: Path) -> str:
    """Hex digest of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _recorded_sums(file: Path) -> dict[str, str]:
    """Paths below the weights folder to digests, from a file that `sha256sum` wrote."""
    if not file.is_file():
        return {}
    pairs = (line.split(maxsplit=1) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    return {path.strip().lstrip("*").removeprefix("./"): digest for digest, path in pairs}


def _extras() -> Iterator[Check]:
    """One line per extra of the installed package: what is missing of it."""
    try:
        told = metadata.metadata("foveate")
    except metadata.PackageNotFoundError:
        return
    needs = metadata.requires("foveate") or []
    for extra in told.get_all("Provides-Extra") or []:
        packages = [_package_of(need) for need in needs if f'extra == "{extra}"' in need]
        missing = [package for package in packages if _version(package) is None]
        detail = f"lacks {', '.join(missing)}; pip install 'foveate[{extra}]'" if missing else "installed"
        yield Check(f"extra {extra}", "note" if missing else "ok", detail)


def _package_of(requirement: str) -> str:
    name = requirement.partition(";")[0].partition("[")[0]
    for mark in "=<>!~ ":
        name = name.partition(mark)[0]
    return name.strip()


def _keys() -> Check:
    from foveate.agent.models.servers import KEY_VARIABLES

    found = [name for name in KEY_VARIABLES if os.environ.get(name)]
    return Check(
        "API key", "note", f"in {' and '.join(found)}" if found else "none set; only servers need one"
    )


def _server(base_url: str) -> Check:
    """Asks an OpenAI-compatible server which models it has."""
    from foveate.agent.models.errors import ModelError
    from foveate.agent.models.servers import api_key, check_base_url

    try:
        check_base_url(base_url)
        request = urllib.request.Request(base_url.rstrip("/") + "/models")
        request.add_header("Authorization", f"Bearer {api_key(None, needed=False)}")
        with urllib.request.urlopen(request, timeout=SERVER_SECONDS) as answer:
            names = [str(model["id"]) for model in json.load(answer)["data"]]
    except ModelError as error:
        return Check("server", "fail", str(error))
    except urllib.error.HTTPError as error:
        return Check("server", "fail", f"it answers with HTTP {error.code}; does the address end in /v1?")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Check(
            "server", "fail", f"it is not reachable or no OpenAI-compatible server ({type(error).__name__})"
        )
    return Check("server", "ok", f"serves {', '.join(names[:5])}" if names else "reachable, serves no model")
