"""Proved norms against the usual way to compute them; both timed in turn, in one run.

python benchmarks/norms.py                  # all rows, a minute or two
OMP_NUM_THREADS=1 python benchmarks/norms.py
"""

import os
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from lipcert.norms import ball
from lipcert.norms.conv import Conv
from lipcert.norms.estimate import LinearMap, lanczos
from lipcert.norms.search import conv_norm, spectral_norm

ROUNDS = 3
DENSE = [(768, 3072), (4096, 4096)]
CONV = (64, 64, 3, 32)


def best(*calls: Callable[[], object]) -> list[float]:
    """The shortest time of each call, in seconds; the calls take turns, so that they meet the same machine."""
    times = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def dense(rows: int, columns: int) -> None:
    weight = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    wide, high = torch.from_numpy(weight), torch.from_numpy(weight.T.copy())
    one, other, ours = best(
        lambda: torch.linalg.svdvals(wide), lambda: torch.linalg.svdvals(high), lambda: spectral_norm(weight)
    )
    estimate = lanczos(weight, np.random.default_rng(1)).value
    slack = ball.up(spectral_norm(weight).upper) / estimate - 1
    usual = min(one, other)
    print(
        f"dense {rows}x{columns}: svdvals float32 {usual:.3f} s, proved {ours:.3f} s, {usual / ours:.1f}x, "
        f"slack {slack:.1e}"
    )


def conv(outputs: int, inputs: int, taps: int, size: int) -> None:
    kernel = np.random.default_rng(0).standard_normal((outputs, inputs, taps, taps))
    single = torch.from_numpy(kernel.astype(np.float32))
    layer = Conv(kernel, (size, size), (1, 1), ((taps // 2, taps // 2),) * 2, (1, 1))

    def with_torch() -> float:
        symbol = torch.fft.fft2(single, (size, size)).permute(2, 3, 0, 1)
        return float(torch.linalg.svdvals(symbol).max())

    def with_numpy() -> float:
        symbol = np.fft.fft2(single.numpy(), (size, size), axes=(2, 3)).transpose(2, 3, 0, 1)
        return float(np.linalg.svd(symbol, compute_uv=False).max())

    torch_time, numpy_time, ours = best(with_torch, with_numpy, lambda: conv_norm(layer))
    truth = lanczos(operator(kernel, size), np.random.default_rng(0)).value
    print(
        f"conv {outputs},{inputs},{taps},{taps} on {size}x{size}: FFT + SVD torch {torch_time:.3f} s, numpy "
        f"{numpy_time:.3f} s, proved {ours:.3f} s, {min(torch_time, numpy_time) / ours:.1f}x, "
        f"proved / operator norm - 1 = {ball.up(conv_norm(layer).upper) / truth - 1:.2e}, "
        f"circular / operator norm - 1 = {with_torch() / truth - 1:.2e}"
    )


def operator(kernel: np.ndarray, size: int) -> LinearMap:
    """The zero-padded convolution, for a Lanczos run that converges to its norm from below."""
    weight, padding = torch.from_numpy(kernel), kernel.shape[2] // 2

    def forward(x: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(x).reshape(1, -1, size, size)
        return F.conv2d(image, weight, padding=padding).flatten().numpy()

    def adjoint(y: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(y).reshape(1, -1, size, size)
        return F.conv_transpose2d(image, weight, padding=padding).flatten().numpy()

    return LinearMap(forward, adjoint, kernel.shape[1] * size * size)


def main() -> None:
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    torch.set_num_threads(threads)
    print(f"{threads} threads, torch {torch.__version__}, numpy {np.__version__}")
    for rows, columns in DENSE:
        dense(rows, columns)
    conv(*CONV)


if __name__ == "__main__":
    main()
