"""Training of networks whose weights stay under a cap: models, optimisers, constraints, the loop."""
