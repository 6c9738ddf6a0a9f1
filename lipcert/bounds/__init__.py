"""Search for witnesses, the measured lower bound, and the result as a table."""
