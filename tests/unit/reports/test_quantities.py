"""Numbers out of stored results: what counts, what is none, and which way they are rounded."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from lipcert.reports.quantities import QUANTITIES, Reading, eps_of
from lipcert.reports.record import Examples, Record, Training

CLAIM = {"norm": "l2", "domain": "box:0,1", "source": "x", "output": "", "arithmetic": "real", "shape": [1, 8, 8],
         "module": "", "through": ""}  # fmt: skip
DATA = {"name": "digits", "sha256": "a" * 64, "examples": 3}


def _bound(**changes: Any) -> dict[str, Any]:
    return {"status": "proved", "upper": "1.6e+1", "lower": 12.0, "claim": CLAIM} | changes


def _run(kind: str = "attack", rows: list[dict[str, Any]] | None = None, **accuracy: Any) -> Examples:
    document = {"kind": kind, "norm": "l2", "suite": "l2", "source": "input", "data": DATA,
                "accuracy": [{"eps": "1/10", "clean": 1.0, "attacked": 1.0, "certified": 1.0} | accuracy]}  # fmt: skip
    return Examples(document, ROWS if rows is None else rows)


def _row(right: bool, certified: float | None, attacked: float | None) -> dict[str, Any]:
    return {"right": right, "certified_radius": certified, "attacked_radius": attacked}


ROWS = [_row(True, 0.2, None), _row(True, 0.05, 0.08), _row(False, 0.0, None)]


def _training(rows: list[dict[str, Any]] | None = None, bounds: list[dict[str, Any]] | None = None) -> Training:
    document = {"results": {"validation_accuracy": 0.5}, "data": DATA, "bounds": bounds or []}
    return Training(document, {"activations": rows or []})


def _record(
    bound: Mapping[str, Any] | None = None, attack: Examples | None = None, certify: Examples | None = None,
    training: Training | None = None,
) -> Record:  # fmt: skip
    runs = {"attack": attack, "certify": certify}
    return Record("a", {}, None, bound, {kind: run for kind, run in runs.items() if run is not None}, training)


def _read(name: str, record: Record, eps: str = "") -> Reading | None:
    return QUANTITIES[name].read(record, Fraction(eps) if eps else None)


def _value(name: str, record: Record, eps: str = "") -> Decimal | None:
    reading = _read(name, record, eps)
    return None if reading is None else reading.value


def test_a_bound_is_read_exactly_and_says_what_it_holds_for() -> None:
    found = _read("bound", _record(_bound(upper="1.55812345678901e+264")))
    assert found == Reading(Decimal("1.55812345678901e264"), "proved", "bound.json", "l2 on box:0,1, from input 8×8")


@pytest.mark.parametrize("status", ["estimated", "unsupported"])
def test_a_bound_that_is_not_proved_is_none(status: str) -> None:
    assert _read("bound", _record(_bound(status=status))) is None
    assert _read("slack", _record(_bound(status=status))) is None


def test_a_bound_without_a_number_is_none() -> None:
    assert _read("bound", _record(_bound(upper=None))) is None


def test_a_bound_that_training_alone_tells_of_is_no_proof() -> None:
    trained = _training(bounds=[{"claim": CLAIM, "upper": "2e+0", "lower": 1.0}])
    assert _read("bound", _record(training=trained)) is None
    assert _read("slack", _record(training=trained)) is None
    assert _value("bound", _record(_bound(), training=trained)) == 16


def test_slack_is_proved_over_measured_rounded_up() -> None:
    found = _read("slack", _record(_bound(upper="1e+0", lower=3.0)))
    assert found is not None
    assert Fraction(found.value) > Fraction(1, 3)
    assert found.standing == "measured"


@pytest.mark.parametrize("lower", [None, 0.0])
def test_slack_needs_both_numbers(lower: float | None) -> None:
    assert _read("slack", _record(_bound(lower=lower))) is None


def test_slack_of_a_bound_beyond_any_float_is_a_number() -> None:
    assert _value("slack", _record(_bound(upper="1e+2000000", lower=0.5))) == Decimal("2e2000000")


def test_shares_are_counted_in_the_rows_whatever_the_json_says() -> None:
    record = _record(attack=_run(clean=1.0, attacked=1.0, certified=1.0))
    third = Decimal(1) / 3
    assert _value("accuracy", record) == 2 * third
    assert _value("attacked-accuracy", record, "1/10") == third
    assert _value("certified-accuracy", record, "1/10") == third


def test_shares_are_rounded_to_what_is_worse() -> None:
    rows = [_row(True, 0.2, 0.05), _row(True, 0.2, None), _row(True, 0.2, None)]
    drop = _value("accuracy-drop", _record(attack=_run(rows=rows)), "1/10")
    kept = _value("attacked-accuracy", _record(attack=_run(rows=rows)), "1/10")
    assert drop is not None
    assert Fraction(drop) > Fraction(1, 3)
    assert kept is not None
    assert Fraction(kept) < Fraction(2, 3)


def test_an_example_certified_to_exactly_the_budget_counts_and_one_below_does_not() -> None:
    rows = [_row(True, 0.5, None), _row(True, math.nextafter(0.5, 0), None)]
    run = _run(rows=rows, eps="1/2")
    assert _value("certified-accuracy", _record(attack=run), "1/2") == Decimal("0.5")


def test_nothing_is_certified_beyond_the_domain() -> None:
    rows = [_row(True, 0.1, None)]
    for eps, expected in (("1/10", 1), ("10000000000000000001/100000000000000000000", 0)):
        run = _run(rows=rows, eps=eps)
        run.document["threat"] = {"domain": "vocabulary+1/10"}  # type: ignore[index]
        assert _value("certified-accuracy", _record(attack=run), eps) == expected


def test_an_example_fooled_at_exactly_the_budget_has_fallen() -> None:
    run = _run(rows=[_row(True, 0.1, 0.5)], eps="1/2")
    assert _value("attacked-accuracy", _record(attack=run), "1/2") == 0
    assert _value("accuracy-drop", _record(attack=run), "1/2") == 1


def test_what_was_wrong_without_an_attack_is_neither_certified_nor_lost() -> None:
    run = _run(rows=[_row(False, 1.0, 0.05)])
    assert _value("certified-accuracy", _record(attack=run), "1/10") == 0
    assert _value("accuracy-drop", _record(attack=run), "1/10") == 0


def test_a_budget_that_was_not_tried_is_none() -> None:
    for name in ("attacked-accuracy", "accuracy-drop", "certified-accuracy"):
        assert _read(name, _record(attack=_run()), "1/20") is None


def test_certification_alone_says_nothing_of_attacks() -> None:
    record = _record(certify=_run("certify", attacked=None))
    assert _read("attacked-accuracy", record, "1/10") is None
    assert _read("accuracy-drop", record, "1/10") is None
    found = _read("certified-accuracy", record, "1/10")
    assert found is not None
    assert (found.standing, found.source) == ("proved", "certify.json")


def test_attacks_without_a_certificate_certify_nothing() -> None:
    rows = [_row(True, None, None)]
    assert _read("certified-accuracy", _record(attack=_run(certified=None, rows=rows)), "1/10") is None
    assert _read("certified-accuracy", _record(attack=_run(certified=1.0, rows=rows)), "1/10") is None


def test_two_readings_of_other_examples_have_other_claims() -> None:
    more = _run()
    fewer = Examples({**more.document, "data": DATA | {"examples": 2}}, more.rows)
    for name in ("accuracy", "attacked-accuracy", "certified-accuracy", "accuracy-drop"):
        claims = [_read(name, _record(attack=run), "1/10") for run in (more, fewer)]
        assert claims[0] is not None
        assert claims[1] is not None
        assert claims[0].claim != claims[1].claim


def test_two_readings_of_other_attacks_under_one_name_have_other_claims() -> None:
    tried = {"attacks": ["pgd"], "steps": 5, "restarts": 1, "queries": 100, "positions": "", "domain": "box:0,1"}
    runs = [Examples({**_run().document, "threat": tried | change}, ROWS)
            for change in ({}, {"steps": 6}, {"attacks": ["fgsm"]}, {"positions": "0"})]  # fmt: skip
    claims = [_read("attacked-accuracy", _record(attack=run), "1/10") for run in runs]
    assert len({reading.claim for reading in claims if reading is not None}) == len(runs)


def test_two_certificates_on_other_domains_have_other_claims() -> None:
    runs = [Examples({**_run().document, "threat": {"domain": domain}}, ROWS) for domain in ("box:0,1", "everywhere")]
    claims = [_read("certified-accuracy", _record(attack=run), "1/10") for run in runs]
    assert len({reading.claim for reading in claims if reading is not None}) == 2


def test_the_largest_activation_is_that_of_the_last_step() -> None:
    rows = [{"step": 9, "largest": 3.0}, {"step": 10, "largest": 1.5}, {"step": 10, "largest": 2.5}]
    assert _value("largest-activation", _record(training=_training(rows))) == Decimal("2.5")


def test_an_infinite_activation_is_none() -> None:
    rows = [{"step": 10, "largest": float("inf")}, {"step": 10, "largest": 2.5}]
    assert _read("largest-activation", _record(training=_training(rows))) is None


def test_nothing_stored_is_none_for_every_quantity() -> None:
    assert [_read(name, _record(), "1/10") for name in QUANTITIES] == [None] * len(QUANTITIES)


def test_accuracy_of_validation_data_counts_where_no_examples_are_stored() -> None:
    found = _read("accuracy", _record(training=_training()))
    assert found is not None
    assert (found.value, found.source) == (Decimal("0.5"), "train.json")


def test_stored_budgets_are_told_in_order() -> None:
    record = _record(attack=_run(eps="1/2"), certify=_run("certify", eps="1/10"))
    assert eps_of(record) == [Fraction(1, 10), Fraction(1, 2)]


def test_radii_from_margins_that_were_not_enclosed_are_not_called_proved() -> None:
    for computed, standing in ((0, "proved"), (1, "measured")):
        run = _run()
        told = {"float64_margins": computed} if computed else {}
        reading = QUANTITIES["certified-accuracy"].read(
            _record(attack=Examples({**run.document, **told}, run.rows)), Fraction("1/10")
        )
        assert reading is not None
        assert reading.standing == standing
        assert ("1 margins in float64" in reading.claim) is bool(computed)
