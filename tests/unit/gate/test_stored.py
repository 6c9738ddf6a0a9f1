"""How a wrong number could pass a gate by a stored file, and that none does: a way each."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from lipcert.errors import ExitCode
from lipcert.gates.result import Verdict
from tests.unit.gate.made import (
    ACCURACY,
    ATTACKED,
    BOUND,
    CERTIFIED,
    EXAMPLES,
    GOOD,
    SUITE,
    edit,
    gated,
    judge,
    judged,
    require_broken,
    rule,
    workspace,
)


def edit_rows(folder: Path, change: Callable[[list[dict[str, str]]], object], *, hide: bool = True) -> None:
    """Change attack.csv by hand. hide: put its new hash into attack.json."""
    path = folder / "found/attack.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    change(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue())
    if hide:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        edit(folder / "found/attack.json", lambda found: found["table"].update(sha256=digest))


@pytest.mark.parametrize("name", GOOD)
def test_what_was_stored_is_read(name: str, stored: Path) -> None:
    row = judge(stored, GOOD[name])
    assert row.verdict == Verdict.PASSED, row.message
    assert row.reading is not None
    assert row.reading.source == ("bound.json" if name == "bound" else "attack.json")


def test_what_certification_alone_stored_is_read(stored: Path) -> None:
    row = judge(stored, CERTIFIED, results="proved")
    assert row.verdict == Verdict.PASSED, row.message
    require_broken(
        judge(stored, ATTACKED, results="proved"), "holds no attack.json", "lipcert attack digits.safetensors"
    )


# Weights


@pytest.mark.parametrize("name", GOOD)
def test_results_of_weights_that_changed_since_are_broken(name: str, stored: Path) -> None:
    folder = workspace(stored, GOOD[name], results="found")
    with safe_open(folder / "digits.safetensors", "pt") as file:
        weights, about = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    weights["layers.0.bias" if "layers.0.bias" in weights else sorted(weights)[0]] += 1e-6
    save_file(weights, folder / "digits.safetensors", about)
    require_broken(judged(folder), "weights")


def other_function(checkpoint: Path) -> None:
    """The same weights under another activation."""
    with safe_open(checkpoint, "pt") as file:
        weights, about = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    recipe = json.loads(about["lipcert.recipe"])
    recipe["arguments"]["activation"] = "softplus"
    save_file(weights, checkpoint, about | {"lipcert.recipe": json.dumps(recipe)})


@pytest.mark.parametrize("name", GOOD)
def test_results_of_another_network_of_the_same_weights_are_broken(name: str, stored: Path) -> None:
    folder = workspace(stored, GOOD[name], results="found")
    other_function(folder / "digits.safetensors")
    require_broken(judged(folder), "about another network of these weights" if name != "bound" else "nodes.softplus")


@pytest.mark.parametrize("name", ["certified", "attacked", "accuracy"])
def test_another_network_of_the_same_classes_is_known_by_its_margins(name: str, stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["model"].pop("network_sha256"))
    edit(stored / "found/bound.json", lambda found: found.pop("network_sha256"))
    assert judge(stored, GOOD[name]).verdict == Verdict.PASSED
    edit_rows(stored, lambda rows: [row.update(margin=str(2 * float(row["margin"]))) for row in rows])
    require_broken(judge(stored, GOOD[name]), "is not what the network makes of it")


def test_a_folder_of_results_of_two_networks_of_the_same_weights_is_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["model"].update(network_sha256="0" * 64))
    require_broken(judge(stored, BOUND), "different networks of the same weights", "Make again")


def test_a_folder_of_mixed_results_is_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["model"]["weights_sha256"].update({"0.weight": "0" * 64}))
    edit(stored / "found/bound.json", lambda found: found["weights_sha256"].update({"0.weight": "1" * 64}))
    require_broken(judge(stored, BOUND), "mixes results of different weights", "Make again")


# Tables and their JSON


def test_an_accuracy_changed_in_the_json_is_broken(stored: Path) -> None:
    for key, text in {"attacked": ATTACKED, "certified": CERTIFIED, "clean": ACCURACY}.items():
        copy = Path(shutil.copytree(stored, stored.with_name(key)))
        edit(copy / "found/attack.json", lambda found, key=key: found["accuracy"][1].update({key: 0.75}))
        require_broken(judge(copy, text), f"says {key} = 0.75")


def test_a_table_changed_by_hand_is_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[0].update(attacked_radius=""), hide=False)
    require_broken(judge(stored, ATTACKED), "its SHA-256 differs", "run again")


def test_a_table_changed_together_with_its_hash_disagrees_with_the_accuracies(stored: Path) -> None:
    edit_rows(stored, lambda rows: [row.update(attacked_radius="") for row in rows])
    require_broken(judge(stored, ATTACKED), "says attacked =")


def test_labels_changed_by_hand_are_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(label=rows[4]["label"], prediction=rows[4]["label"]))
    require_broken(judge(stored, ACCURACY), "other labels")


def test_predictions_changed_by_hand_are_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(prediction="9" if rows[3]["label"] != "9" else "8", right="false"))
    require_broken(judge(stored, ACCURACY), "example 3 is not what the network makes of it")


def test_a_class_that_there_is_not_is_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(prediction="99", right="false"))
    require_broken(judge(stored, ACCURACY), "example 3")


def test_right_that_is_not_the_label_is_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(right="false"))
    require_broken(judge(stored, ACCURACY), "example 3")


def test_a_certified_radius_without_a_margin_is_broken(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(margin="-0.1"))
    require_broken(judge(stored, CERTIFIED), "example 3")


def test_an_example_fooled_within_its_certified_radius_is_a_violation(stored: Path) -> None:
    edit_rows(stored, lambda rows: rows[3].update(certified_radius="0.4", attacked_radius="0.3"))
    result = gated(workspace(stored, BOUND, CERTIFIED, results="found"))
    assert [row.verdict for row in result.rows] == [Verdict.PASSED, Verdict.VIOLATED]
    assert result.exit_code == ExitCode.VIOLATED
    assert "example 3 is certified to 0.4 and fooled at 0.3" in result.rows[1].message


def within(rows: list[dict[str, str]], margin64: str) -> None:
    """Certifies an example to a little more than where it is fooled; what is counted at each eps stays."""
    for row in rows:
        found = float(row["certified_radius"] or 0), float(row["attacked_radius"] or 0)
        if all(0.1 < each < 0.5 for each in found):
            row.update(certified_radius=str(found[1] + 1e-6), margin64=margin64)
            return
    raise AssertionError("no such example")


def test_an_example_that_rounding_alone_fools_is_none(stored: Path) -> None:
    edit_rows(stored, lambda rows: within(rows, "1e-09"))
    for row in gated(workspace(stored, CERTIFIED, ATTACKED, results="found")).rows:
        assert row.verdict == Verdict.PASSED, row.message
        assert "1 of the examples are fooled within a certified radius, by rounding alone" in row.notes[0]


@pytest.mark.parametrize("margin64", ["0.0", "-1e-09", ""])
def test_an_example_that_float64_fools_or_nobody_asked_is_a_violation(margin64: str, stored: Path) -> None:
    edit_rows(stored, lambda rows: within(rows, margin64))
    assert judge(stored, CERTIFIED).verdict == Verdict.VIOLATED


def test_a_violation_in_a_table_of_an_earlier_lipcert_says_how_to_ask_float64(stored: Path) -> None:
    edit_rows(stored, lambda rows: within(rows, ""))
    edit_rows(stored, lambda rows: [row.pop("margin64") for row in rows])
    edit(stored / "found/attack.json", lambda found: found["table"]["columns"].pop())
    row = judge(stored, CERTIFIED)
    assert row.verdict == Verdict.VIOLATED
    assert "An earlier lipcert wrote the table, without what rounding explains" in row.message
    assert "lipcert attack digits.safetensors" in row.hint


def test_a_table_that_says_its_radii_are_text_is_broken(stored: Path) -> None:
    """Or whole numbers: then none of them would count."""
    for kind in ("text", "int"):
        edit(stored / "found/attack.json", lambda found, kind=kind: found["table"]["columns"][6].update(type=kind))
        row = judge(stored, ATTACKED)
        assert row.verdict == Verdict.BROKEN, kind


def test_a_missing_table_is_broken(stored: Path) -> None:
    (stored / "found/attack.csv").unlink()
    require_broken(judge(stored, ATTACKED), "cannot be read", "")


# What was tried, and on what


def test_fewer_examples_than_the_rule_asks_for_are_broken(stored: Path) -> None:
    text = rule("attacked-accuracy", eps="1/2", limit=0.5, examples=20)
    require_broken(judge(stored, text), f"is about {EXAMPLES} examples; the rule asks for 20", "--limit 20")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps = 5", "steps = 6"),
        ("range = [0, 1]", "range = [0, 2]"),
        ('attacks = ["pgd", "fgsm"]', 'attacks = ["pgd"]'),
        ("steps = 5", "steps = 5\nrestarts = 2"),
        ("steps = 5", "steps = 5\nqueries = 7"),
        ('norm = "l2"', 'norm = "linf"'),
    ],
)
def test_another_threat_than_the_suite_is_now_is_broken(old: str, new: str, stored: Path) -> None:
    folder = workspace(stored, ATTACKED.replace('"1/2"', '"1/10"'), results="found")
    (folder / "attacks/short.toml").write_text(SUITE.replace(old, new).replace(', "2"', ""))
    require_broken(judged(folder), "the rule asks for", "lipcert attack digits.safetensors --data digits.py:test")


def test_a_weaker_attack_under_the_name_of_the_suite_is_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["threat"].update(steps=1))
    require_broken(judge(stored, ATTACKED), "says steps = 1; the rule asks for 5")


def test_a_certificate_on_another_domain_is_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["threat"].update(domain="box:0,1/2"))
    require_broken(judge(stored, CERTIFIED), "says domain = 'box:0,1/2'")


def test_results_that_do_not_say_what_was_tried_are_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found.pop("threat"))
    require_broken(judge(stored, ATTACKED), "an earlier lipcert wrote it")


def test_an_attack_that_could_not_be_run_is_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: [row["by_attack"].update(pgd=None) for row in found["accuracy"]])
    require_broken(judge(stored, ATTACKED), "the attack pgd of the suite could not be run", "attacks/*.toml")


def test_results_of_other_data_are_broken(stored: Path) -> None:
    edit(stored / "found/attack.json", lambda found: found["data"].update(sha256="0" * 64))
    require_broken(judge(stored, ACCURACY), "is about other data than digits.py:test holds now")


def test_an_eps_that_the_usual_suite_does_not_try_is_broken(stored: Path) -> None:
    require_broken(judge(stored, rule("accuracy-drop", eps="1/5", limit=0.5)), "eps 1/5 is not tried", "Add it there")


def test_attacks_without_a_certificate_are_no_certificate(stored: Path) -> None:
    edit_rows(stored, lambda rows: [row.update(certified_radius="", ratio="") for row in rows])
    edit(stored / "found/attack.json", lambda found: [row.update(certified=None) for row in found["accuracy"]])
    require_broken(judge(stored, CERTIFIED), "there is no certified-accuracy of digits")


# What is not there, or of another time


def test_a_folder_without_results_is_broken(stored: Path) -> None:
    require_broken(
        judge(stored, BOUND, results="nowhere"), "nowhere holds no results", "lipcert bound digits.safetensors"
    )


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_file_of_another_schema_version_is_broken(version: object, stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(schema_version=version))
    require_broken(judge(stored, BOUND), "has schema_version", "make it again")


def test_a_file_of_another_kind_is_broken(stored: Path) -> None:
    shutil.copy(stored / "found/attack.json", stored / "found/bound.json")
    require_broken(judge(stored, BOUND), "is no lipcert result", "")


def test_stored_results_are_not_read_where_all_is_to_be_fresh(stored: Path) -> None:
    edit(stored / "found/bound.json", lambda found: found.update(upper="1e+0"))
    row = judge(stored, BOUND, fresh=True)
    assert row.verdict == Verdict.PASSED
    assert row.reading is not None
    assert row.reading.source == "computed"


def test_a_fresh_violation_is_told_and_the_other_rules_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lipcert.errors import ViolationError
    from lipcert.gates import fresh

    def violated(*_given: object, **_more: object) -> None:
        raise ViolationError("example 1 has another class")

    monkeypatch.setattr(fresh, "attacked", violated)
    result = gated(workspace(tmp_path, ATTACKED, rule("accuracy", limit=1), rule("accuracy", limit=0.9, examples=360)))
    assert [row.verdict for row in result.rows] == [Verdict.VIOLATED, Verdict.PASSED, Verdict.PASSED]
    assert result.exit_code == ExitCode.VIOLATED
