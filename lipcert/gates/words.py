"""The rules as rows of words, which every form of output writes down in its own way."""

from lipcert.gates.result import GateResult, Row, Verdict, shown

COLUMNS = ("model", "rule", "value", "allowed", "baseline", "verdict")


def cells(row: Row) -> list[str]:
    """For `COLUMNS`."""
    baseline = "" if row.baseline is None else shown(row.baseline.value, higher=row.rule.facts.higher)
    return [row.rule.model, row.rule.name, row.value, row.limit, baseline, str(row.verdict)]


def title(row: Row) -> str:
    return f"{row.rule.model}: {row.rule.name} {row.limit}"


def why(row: Row) -> str:
    """Why it has not passed and what to do, a line or more; empty where it has."""
    return "\n".join(filter(None, (row.message, row.hint)))


def summary(result: GateResult) -> str:
    """All of it in a line."""
    counts = [(result.count(verdict), verdict) for verdict in Verdict]
    told = ", ".join(f"{count} {verdict}" for count, verdict in counts if count)
    return f"gate {'passed' if result.passed else 'not passed'}: {told} of {len(result.rows)}"
