"""[[gate]] in lipcert.toml: what is read, and what `lipcert check` refuses."""

from fractions import Fraction
from pathlib import Path

import pytest

from lipcert.errors import InputError
from lipcert.reports.quantities import QUANTITIES
from lipcert.workspace.gate import FACTS, Tolerance
from lipcert.workspace.load import load
from tests.unit.gate.made import rule, workspace


def test_the_workspace_knows_the_quantities_that_results_have() -> None:
    assert list(FACTS) == list(QUANTITIES)
    for name, facts in FACTS.items():
        assert (facts.higher, facts.by_eps) == (QUANTITIES[name].better == "higher", QUANTITIES[name].by_eps)


def test_numbers_of_a_rule_are_exact(tmp_path: Path) -> None:
    text = rule("accuracy-drop", eps="8/255", limit="1/3", tolerance="2.5%")
    text += '\n[[gate]]\nmodel = "digits"\nquantity = "bound"\nlimit = 0.1\ntolerance = 0.3\n'
    drop, bound = load(workspace(tmp_path, text)).settings.gate
    assert (drop.eps, drop.limit, drop.tolerance) == (
        Fraction(8, 255), Fraction(1, 3), Tolerance(Fraction(1, 40), relative=True)
    )  # fmt: skip
    assert (bound.limit, bound.tolerance) == (Fraction(1, 10), Tolerance(Fraction(3, 10), relative=False))


REFUSED = {
    "an unknown model": (rule("bound", model="digit", limit=1), r"model: there is no \[models.digit\]; .*digits"),
    "an unknown quantity": (rule("bund", limit=1), "gate.0.quantity: is no known quantity; did you mean 'bound'"),
    "an unknown key": (rule("bound", limt=1), "gate.0.limt: is no known key; did you mean 'limit'"),
    "an unknown suite": (
        rule("accuracy-drop", eps="1/10", suite="shrt", limit=0.1), "no attacks/shrt.toml; did you mean 'short'"
    ),
    "a missing eps": (rule("attacked-accuracy", limit=0.5), "attacked-accuracy needs an eps"),
    "a superfluous eps": (rule("bound", eps="1/10", limit=1), "bound has no eps: leave it out"),
    "a superfluous suite": (rule("accuracy", suite="short", limit=0.5), "accuracy has no suite: leave it out"),
    "superfluous examples": (rule("slack", examples=3, limit=2), "slack has no examples: leave it out"),
    "an eps that the suite does not try": (
        rule("accuracy-drop", eps="1/5", suite="short", limit=0.1), "1/5 is not tried by attacks/short.toml, which"
    ),
    "nothing asked": (rule("bound"), "give a limit, or a tolerance"),
    "a limit that is NaN": ('\n[[gate]]\nmodel = "digits"\nquantity = "bound"\nlimit = nan\n', "no exact number"),
    "an infinite limit": ('\n[[gate]]\nmodel = "digits"\nquantity = "bound"\nlimit = inf\n', "no exact number"),
    "a limit that is true": ('\n[[gate]]\nmodel = "digits"\nquantity = "bound"\nlimit = true\n', "a number such as"),
    "a tolerance that is NaN": ('\n[[gate]]\nmodel = "digits"\nquantity = "bound"\ntolerance = nan\n', "no exact"),
    "a negative tolerance": (rule("bound", tolerance=-1), "-1 is negative"),
    "an eps of 0": (rule("accuracy-drop", eps="0", limit=0.1), "0 is not above 0"),
    "no examples": (rule("accuracy", examples=0, limit=0.5), "gate.0.examples: Input should be greater than 0"),
    "a share in percent": (rule("accuracy", limit=97), "is a share between 0 and 1"),
    "a drop that is always met": (rule("accuracy-drop", eps="1/10", limit=1), "is a share between 0 and 1"),
    "an accuracy that is always met": (rule("accuracy", limit=0), "is a share between 0 and 1"),
    "a tolerance of all there is": (rule("accuracy", tolerance="100%"), "tolerance = 100% allows every accuracy"),
    "a tolerance of all shares": (rule("accuracy-drop", eps="1/10", tolerance=1), "allows every accuracy-drop"),
    "two rules on one number": (rule("bound", limit=1) + rule("bound", limit=2), "gate.1: is about the same as gate.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_that_makes_no_sense_is_refused(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        load(workspace(tmp_path, text))


def test_a_bound_may_grow_by_more_than_all_of_it(tmp_path: Path) -> None:
    (found,) = load(workspace(tmp_path, rule("bound", tolerance="150%"))).settings.gate
    assert found.tolerance == Tolerance(Fraction(3, 2), relative=True)
