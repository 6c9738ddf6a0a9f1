"""Transformers to measure lipcert with.

    python -m benchmarks.transformers make PATH [--form paper|gpt2] [--size small|tiny]
    python -m benchmarks.transformers bound PATH [--norm token-rms]
    python -m benchmarks.transformers deept CHECKPOINT SST2_FOLDER [--vocabulary vocab.txt]

make writes a GPT with random weights as a lipcert checkpoint. bound runs `lipcert bound` on it, and compares its time
with the floor: the operations that the proofs of the weights' norms need, at the rate of float64 products that this
machine reaches in the same run, and its memory with the weights'. deept prints the accuracy of DeepT's one-layer
sentiment classifier on the test set of SST-2 (stsa.binary.train and .test in the folder). Its words are numbered by
their first occurrence in the authors' training file, whose sentences come in another order than those of
stsa.binary.train: --vocabulary gives the numbers, as the authors published them, one word a line
(bert-custom-word-vocab-uncased/vocab.txt of github.com/eth-sri/DeepT).
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open

import lipcert
from benchmarks import deept
from lipcert import architectures
from lipcert.architectures.transformer import GPT2
from lipcert.bounds.accounting import paper_accounting
from lipcert.checkpoint import lipcert as own

SIZES = {
    "small": {"vocabulary": 50304, "context": 256, "width": 768, "layers": 12, "heads": 12},
    "tiny": {"vocabulary": 65, "context": 64, "width": 64, "layers": 3, "heads": 4},
}
FORMS: dict[str, dict[str, object]] = {"paper": {}, "gpt2": GPT2}


def make(path: Path, form: str, size: str) -> None:
    """Writes the network, and prints its size and what the paper would report for it."""
    torch.manual_seed(0)
    arguments = SIZES[size] | FORMS[form]
    started = time.monotonic()
    module = architectures.build("gpt", arguments)
    own.save(path, module, "gpt", arguments, (SIZES[size]["context"],), input_dtype="int64")
    parameters = sum(parameter.numel() for parameter in module.parameters())
    print(f"{path}: {parameters:,} parameters, {time.monotonic() - started:.1f} s")
    accounting = paper_accounting(module)
    if accounting:
        print(f"by the paper's own accounting (an estimate): 10^{accounting.log10:.3f}")


def bound(path: Path, norm: str) -> None:
    """Time and memory of `lipcert bound`, as a process of its own, over the floors."""
    with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    flops = sum(_proof(*shape) for shape in shapes if len(shape) == 2)
    rate = _rate()
    command = [sys.executable, "-m", "lipcert.cli.main", "bound", str(path), "--norm", norm]
    started = time.monotonic()
    subprocess.run(command, check=True)
    seconds = time.monotonic() - started
    peak, weights = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, path.stat().st_size
    print(
        f"{seconds:.1f} s; floor {flops / 1e9:.0f} GFLOP at {rate / 1e9:.0f} GFLOP/s = {flops / rate:.1f} s,", end=" "
    )
    print(f"ratio {seconds * rate / flops:.1f}")
    print(f"peak memory {peak / 2**30:.2f} GiB, {(peak - weights) / 2**30:.2f} GiB beyond the weights")


def _proof(rows: int, columns: int) -> float:
    """Gram matrix and Cholesky factor of a weight."""
    short, long = sorted((rows, columns))
    return short**2 * long + short**3 / 3


def _rate() -> float:
    """Operations a second of a float64 product, the best of three."""
    a = torch.rand(3072, 3072, dtype=torch.float64)
    taken = []
    for _ in range(3):
        started = time.monotonic()
        a @ a
        taken.append(time.monotonic() - started)
    return 2 * 3072**3 / min(taken)


def sst2_accuracy(checkpoint: Path, folder: Path, vocabulary: Path | None) -> None:
    module = lipcert.load(checkpoint, arch=f"{deept.__file__}:net").module
    assert module is not None  # a state dict becomes a module
    words = deept.vocabulary([words for _, words in deept.read(folder / "stsa.binary.train")])
    if vocabulary:
        published = vocabulary.read_text(encoding="utf-8").splitlines()
        print(f"{len(set(published) & set(words))} of {len(published)} words are also those of stsa.binary.train")
        words = published
    indices = {word: index for index, word in enumerate(words)}
    test = deept.read(folder / "stsa.binary.test")
    with torch.no_grad():
        hits = sum(int(module(deept.encode(words, indices)).argmax()) == label for label, words in test)
    print(f"{len(indices)} words; accuracy on the test set {hits / len(test):.4f} ({hits} of {len(test)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("make")
    command.add_argument("path", type=Path)
    command.add_argument("--form", choices=FORMS, default="paper")
    command.add_argument("--size", choices=SIZES, default="small")
    command = commands.add_parser("bound")
    command.add_argument("path", type=Path)
    command.add_argument("--norm", default="token-rms")
    command = commands.add_parser("deept")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("folder", type=Path)
    command.add_argument("--vocabulary", type=Path)
    flags = parser.parse_args()
    if flags.command == "make":
        make(flags.path, flags.form, flags.size)
    elif flags.command == "bound":
        bound(flags.path, flags.norm)
    else:
        sst2_accuracy(flags.checkpoint, flags.folder, flags.vocabulary)


if __name__ == "__main__":
    main()
