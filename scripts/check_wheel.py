"""Build the wheel, look inside, install it alone in a fresh environment, use it away from the repository."""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = (
    "py.typed",
    *(f"reports/templates/report.{ending}" for ending in ("css", "html.j2", "js")),
    "store/reproduce.py.txt",
    "store/reproduce_ratio.py.txt",
    *(
        f"store/schemas/{kind}.schema.json"
        for kind in ("attack", "certificate", "certify", "common", "result", "train")
    ),
    "data/corpus/shakespeare.txt.gz",
    "data/corpus/NOTE.md",
    "workspace/templates/lipcert.toml",
    "workspace/templates/attacks/quick.toml",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build(Path(scratch) / "dist")
        look_inside(wheel)
        use(wheel, Path(scratch))
    print(f"{wheel.name}: one top-level name, and it works alone")


def build(folder: Path) -> Path:
    run(
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(ROOT),
        cwd=ROOT,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


def look_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    require(tops == {"lipcert"}, f"top-level names are {sorted(tops)}, not lipcert alone")
    missing = [name for name in DATA if f"lipcert/{name}" not in names]
    require(not missing, f"package data left out: {missing}")


def use(wheel: Path, scratch: Path) -> None:
    """As a user would, with no development tools about: help, a workspace, a bound, its verification."""
    venv.create(scratch / "env", with_pip=True)
    commands = scratch / "env" / "bin"
    constraints = str(ROOT / "constraints.txt")
    run(str(commands / "pip"), "install", "--quiet", "-c", constraints, str(wheel), cwd=scratch)
    checkpoint, certificate = str(ROOT / "demo" / "digits.safetensors"), "certificate.json"
    for arguments in (
        ["--help"],
        ["init", "project"],
        ["check", "project"],
        ["bound", checkpoint, "--domain", "box:0,1", "--certificate", certificate],
        ["verify", certificate, checkpoint],
    ):
        run(str(commands / "lipcert"), *arguments, cwd=scratch)


def run(*command: str, cwd: Path) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, cwd=cwd, check=True)


def require(condition: bool, message: str) -> None:
    if not condition:
        sys.exit(f"check_wheel: {message}")


if __name__ == "__main__":
    main()
