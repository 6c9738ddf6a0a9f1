"""How tight are bounds of random ReLU networks? Prints each over the measured lower bound.

    python -m benchmarks.tightness

ECLipsE-Fast is the published recursion (Xu and Sivaranjani 2024), in floating point and without proof.
"""

import torch
from torch import Tensor, nn

import lipcert

NETWORKS = ((3, 64), (5, 64), (8, 128))
SECONDS = 10.0


def network(depth: int, width: int) -> nn.Sequential:
    """`depth` linear layers with entries N(0, 1/width) and ReLU between them."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        nn.init.normal_(linear.weight, std=width**-0.5)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def eclipse_fast(weights: list[Tensor]) -> float:
    """M_0 = I, M_i = Λ_i - Λ_i W M⁻¹ Wᵀ Λ_i / 4 with Λ_i = 2/λmax(W M⁻¹ Wᵀ); L² = λmax(W_l M⁻¹ W_lᵀ)."""
    metric = torch.eye(weights[0].shape[1], dtype=torch.float64)
    for weight in weights:
        spread = weight @ torch.linalg.solve(metric, weight.T)
        largest = torch.linalg.eigvalsh(spread)[-1]
        factor = 2 / largest
        metric = factor * torch.eye(len(weight), dtype=torch.float64) - factor**2 / 4 * spread
    return float(largest.sqrt())


def main() -> None:
    print("network  measured  product/measured  ECLipsE-Fast/measured  lipcert/measured  (proved)")
    for depth, width in NETWORKS:
        model = network(depth, width)
        weights = [layer.weight.detach().double() for layer in model if isinstance(layer, nn.Linear)]
        found = lipcert.bound(model, torch.zeros(1, width), seconds=SECONDS)
        ratios = [value / found.lower for value in (found.product, eclipse_fast(weights), found.upper)]
        print(f"{depth}×{width:<6} {found.lower:8.4f} " + " ".join(f"{ratio:20.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
