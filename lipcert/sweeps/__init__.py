"""Many runs of one recipe, and the frontier of what they reach."""
