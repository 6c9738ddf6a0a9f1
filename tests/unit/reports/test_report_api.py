"""`lipcert.report` and what it refuses: nothing is overwritten, and nothing is said of weights that changed."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import lipcert
from lipcert.errors import InputError, OutputError, ViolationError
from lipcert.reports.api import compare, report
from lipcert.reports.content import Picture
from lipcert.reports.figures.kept import replace_figures
from lipcert.reports.figures.style import encode, legend_below, panels, plain
from lipcert.reports.figures.svg import inline_svg
from lipcert.reports.record import read_record
from lipcert.store.lock import locked
from tests.unit.reports import made

DEMO = Path(__file__).parents[3] / "demo/digits.safetensors"
FILES = ["report.html", "report.md"]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file by hand."""
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made.run(tmp_path / "run", trained=False)


def test_a_report_is_a_page_a_text_and_its_figures(run: Path) -> None:
    said: list[str] = []
    assert report(run, say=said.append) == run / "report.html"
    assert said == ["verdict: 1 proved, 4 upheld"]
    text = (run / "report.md").read_text(encoding="utf-8")
    figures = sorted(path.name for path in (run / "figures").glob("[!.]*"))
    assert figures == sorted(
        f"{path.stem}.{ending}" for path in (run / "figures").glob("*.svg") for ending in ("png", "svg")
    )
    assert all(f"(figures/{name})" in text for name in figures if name.endswith(".png"))
    assert "PROVED" in (run / "report.html").read_text(encoding="utf-8")


def test_the_same_results_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        report(run, out=tmp_path / name)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*") if path.is_file()]
    assert len(files) > len(FILES)
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)


@pytest.mark.parametrize("there", [*FILES, "figures/gap.svg"])
def test_a_file_that_is_there_is_refused_and_kept(run: Path, there: str) -> None:
    (run / there).parent.mkdir(exist_ok=True)
    (run / there).write_text("mine")
    before = sorted(run.rglob("*"))
    with pytest.raises(OutputError, match=f"{there} exists"):
        report(run)
    assert (run / there).read_text() == "mine"
    assert [path for path in sorted(run.rglob("*")) if path not in before] == [run / ".lipcert.lock"]
    report(run, force=True)
    assert (run / there).read_text(encoding="utf-8") != "mine"


def test_figures_that_a_new_report_has_not_go_with_the_old_one(run: Path) -> None:
    """What lipcert left goes; what a user put there, or changed, stays and is told."""
    report(run)
    for name in ("mine.png", "notes.txt"):
        (run / "figures" / name).write_text("mine")
    (run / "figures/radius.svg").write_text("changed")
    for name in ("attack.json", "attack.csv", "attack.parquet"):
        (run / name).unlink()
    said: list[str] = []
    report(run, force=True, say=said.append)
    there = {path.name for path in (run / "figures").iterdir()}
    assert there == {"gap.svg", "gap.png", ".lipcert.json", "mine.png", "notes.txt", "radius.svg"}
    assert any("mine.png" in line and "radius.svg" in line and "notes" not in line for line in said)


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"../mine.png": "HASH"}', '{"mine.png": 1}', None])
def test_without_a_list_of_what_was_left_nothing_is_removed(content: str | None, tmp_path: Path) -> None:
    folder, said = tmp_path / "figures", list[str]()
    folder.mkdir()
    for mine in (tmp_path / "mine.png", folder / "mine.png"):
        mine.write_text("mine")
    if content is not None:
        digest = hashlib.sha256(b"mine").hexdigest()
        (folder / ".lipcert.json").write_text(content.replace("HASH", digest))
    replace_figures(folder, {"gap.svg": b"new"}, overwrite=True, say=said.append)
    assert (tmp_path / "mine.png").exists()
    assert said == [f"kept, and no figures of this report: {folder / 'mine.png'}"]


def test_two_that_write_to_one_folder_do_not_mix(run: Path) -> None:
    with locked(run), pytest.raises(OutputError, match="another lipcert is writing"):
        report(run)


def version(run: Path) -> None:
    document = json.loads((run / "bound.json").read_text()) | {"schema_version": 0}
    (run / "bound.json").write_text(json.dumps(document))


def cell(run: Path) -> None:
    text = (run / "attack.csv").read_text()
    (run / "attack.csv").write_text(text.replace("0.4,", "0.9,", 1))


def other(run: Path) -> None:
    document = made.bound(weights_sha256={"a.weight": made.HASH[::-1]})
    (run / "bound.json").write_text(json.dumps(document))


def empty(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (version, "schema_version 0; this lipcert reads 1"),
        (cell, "attack.csv is not what was written"),
        (other, "mixes results of different weights: attack.json is not about what bound.json is about"),
        (empty, "holds no results"),
    ],
)
def test_results_that_are_not_what_was_written_are_refused(
    run: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(run)
    with pytest.raises(InputError, match=message):
        report(run)
    assert not any((run / name).exists() for name in FILES)


def test_a_checkpoint_is_no_folder_of_results() -> None:
    with pytest.raises(InputError, match="is a file; a folder of results is needed") as refusal:
        report(DEMO)
    assert refusal.value.hint.endswith(f"lipcert bound {DEMO} --out FOLDER")


def test_a_violation_is_written_down_and_then_raised(tmp_path: Path) -> None:
    run = made.run(tmp_path / "run", trained=False, lower=4.0)
    with pytest.raises(ViolationError, match=r"measured 4, proved 3\.00001"):
        report(run)
    assert "VIOLATED" in (run / "report.md").read_text(encoding="utf-8")
    with pytest.raises(ViolationError, match="run: VIOLATED"):
        compare([run, made.run(tmp_path / "other", trained=False)])


@pytest.fixture
def bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint, and a bound of it in the folder `run`."""
    from lipcert.certificate.document import hashes

    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO, "digits.safetensors")
    made.run(Path("run"), trained=False, path="digits.safetensors", weights_sha256=hashes(load_file(DEMO)))
    return Path("run")


def test_a_checkpoint_that_still_holds_its_weights_is_told(bounded: Path) -> None:
    report(bounded)
    assert "digits.safetensors still holds exactly these weights" in (bounded / "report.md").read_text(encoding="utf-8")


def test_a_checkpoint_whose_weights_changed_is_refused(bounded: Path) -> None:
    with safe_open("digits.safetensors", "pt") as file:
        metadata = file.metadata()
    tensors = load_file("digits.safetensors")
    tensors["5.bias"] = tensors["5.bias"] + torch.ones(10)
    save_file(tensors, "digits.safetensors", metadata)
    with pytest.raises(InputError, match=r"digits\.safetensors changed since its results were stored in run"):
        report(bounded)
    with pytest.raises(InputError, match="changed since"):
        compare([bounded, read_record(made.run(Path("other")))])


def test_a_checkpoint_whose_recipe_makes_another_network_of_the_weights_is_refused(bounded: Path) -> None:
    model = lipcert.load("digits.safetensors")
    edit(bounded / "bound.json", lambda found: found.update(network_sha256=model.network_sha256))
    report(bounded)
    assert "these weights, and makes the same network" in (bounded / "report.md").read_text(encoding="utf-8")
    with safe_open("digits.safetensors", "pt") as file:
        about = file.metadata()
    recipe = about["lipcert.recipe"].replace("relu", "tanh")
    save_file(load_file("digits.safetensors"), "digits.safetensors", about | {"lipcert.recipe": recipe})
    with pytest.raises(InputError, match=r"digits\.safetensors makes another network of these weights"):
        report(bounded, force=True)


@pytest.mark.parametrize("name", ["bound.json", "certificate.json"])
def test_a_bound_that_is_not_that_of_its_certificate_is_refused(name: str, run: Path) -> None:
    edit(run / name, lambda found: found.update(upper="2.9e+0"))
    with pytest.raises(InputError, match="differ in upper"):
        report(run)
    with pytest.raises(InputError, match="differ in upper"):
        compare([made.run(run.with_name("whole")), run])


@pytest.mark.parametrize("key", ["clean", "attacked", "certified"])
def test_accuracies_that_the_table_does_not_count_are_refused(key: str, run: Path) -> None:
    edit(run / "attack.json", lambda found: found["accuracy"][1].update({key: 0.99}))
    with pytest.raises(InputError, match=f"says {key} = 0.99 at eps 1/2; attack.csv beside it says otherwise"):
        report(run)


def test_more_examples_than_the_table_has_are_refused(run: Path) -> None:
    edit(run / "attack.json", lambda found: found["data"].update(examples=10_000))
    with pytest.raises(InputError, match=r"about 10000 examples; attack\.csv beside it has 5"):
        report(run)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("attack.json", lambda found: found["accuracy"][0].update(eps="1/0")),
        ("bound.json", lambda found: found.update(seconds=10**400)),
        ("bound.json", lambda found: found.update(lower=10**400)),
        ("bound.json", lambda found: found.update(lower=True)),
        ("bound.json", lambda found: found["claim"].update(domain="box:0,1/0")),
    ],
)
def test_numbers_that_are_none_are_refused(name: str, change: Callable[[dict[str, Any]], object], run: Path) -> None:
    edit(run / name, change)
    with pytest.raises(InputError, match=name):
        report(run)


NAMES = ["_hidden", "a$b$c", r"$\frac{1$", "<b>x</b>", "n" * 200, "x`|y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_written_letter_by_letter(name: str) -> None:
    """It is no formula, in no way hidden from a legend, and never longer than a figure is wide."""
    figure, (axis,) = panels(1, 1)
    axis.plot([0, 1], [0, 1], label=plain(name))
    legend_below(figure, *axis.get_legend_handles_labels())
    drawn = ElementTree.fromstring(inline_svg(Picture("figure", figure, "", "")))
    expected = name if len(name) < 50 else f"{'n' * 24}…{'n' * 24}"
    assert expected in {"".join(each.itertext()).strip() for each in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_a_figure_grows_with_the_rows_of_its_legend() -> None:
    figure, (axis,) = panels(1, 1)
    for number in range(40):
        axis.plot([0, 1], [0, 1], label=f"{number} {'n' * 40}")
    legend_below(figure, *axis.get_legend_handles_labels())
    assert encode(figure, "many")  # matplotlib warns where no room is left


def test_a_bound_without_its_certificate_is_refused(run: Path) -> None:
    (run / "certificate.json").unlink()
    with pytest.raises(InputError, match=r"certificate\.json: no such file"):
        report(run)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "is not there any more"), (b"no checkpoint", "cannot be read by itself")]
)
def test_a_checkpoint_that_cannot_be_looked_at_is_told(bounded: Path, content: bytes | None, said: str) -> None:
    Path("digits.safetensors").unlink()
    if content is not None:
        Path("digits.safetensors").write_bytes(content)
    report(bounded)
    text = (bounded / "report.md").read_text(encoding="utf-8")
    assert f"digits.safetensors {said}, so whether its weights changed since was not looked at" in text


def test_settings_and_fonts_of_the_user_change_nothing(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report(run, out=tmp_path / "plain")
    said: list[str] = []
    with mpl.rc_context({"font.family": ["No Such Font"], "text.usetex": True}), caplog.at_level(logging.WARNING):
        report(run, out=tmp_path / "set", say=said.append)
    assert not caplog.records
    assert not any(line.startswith("warning") for line in said)
    one, two = (tmp_path / name / "figures/gap.png" for name in ("plain", "set"))
    assert one.read_bytes() == two.read_bytes()


def test_letters_that_the_font_lacks_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    run = made.run(tmp_path / "重み", trained=False)
    assert report(run, say=said.append).is_file()
    assert any(line.startswith("warning: Glyph") and "missing from font" in line for line in said)
