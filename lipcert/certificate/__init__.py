"""What was proved, as a file, and the checker that proves it again."""
