"""Attacks as functions, and the harness that measures again everything they return."""
