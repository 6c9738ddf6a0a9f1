"""lipcert.toml and attacks/*.toml: what is read, and that every problem is named with its key in one go."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest

from lipcert.errors import InputError, OutputError
from lipcert.norms.norm import NORMS
from lipcert.workspace.init import init
from lipcert.workspace.load import load
from lipcert.workspace.schema import NormName

ROOT = Path(__file__).parents[2]
SUITE = """
version = 1
space = "input"
norm = "linf"
eps = [0.1, "8/255"]
steps = 10
attacks = ["pgd", "my.code:f"]
"""
SETTINGS = """
version = 1
default_model = "small"
suites = ["linf"]

[models.small]
path = "nets/small.pt"
arch = "nets.py:small"
input = [1, 28, 28]
norm = "linf"
domain = "box:0,1"
radius = 0.1
output = "logits"

[models.plain]
path = "nets/small.pt"
"""


def workspace(root: Path, settings: str = SETTINGS, suite: str = SUITE) -> Path:
    (root / "attacks").mkdir()
    (root / "nets").mkdir()
    (root / "nets" / "small.pt").write_bytes(b"never opened")
    (root / "nets.py").write_text("raise SystemExit('never imported')")
    (root / "attacks" / "linf.toml").write_text(suite)
    (root / "lipcert.toml").write_text(settings)
    return root


def problems(root: Path) -> list[str]:
    with pytest.raises(InputError) as refusal:
        load(root)
    return [line.strip().removeprefix(f"{root}/") for line in refusal.value.message.splitlines()[1:]]


def test_a_workspace_is_read_exactly(tmp_path: Path) -> None:
    found = load(workspace(tmp_path))
    small, plain = (found.settings.models[name] for name in ("small", "plain"))
    assert small.region == ("box", 0, 1, Fraction(1, 10))  # a tenth, not the float next to it
    assert (small.norm, small.input, small.output) == ("linf", [1, 28, 28], "logits")
    assert (plain.norm, plain.region.kind, plain.arch, plain.output) == ("l2", "everywhere", None, "")
    assert (small.inputs, plain.inputs, plain.source) == (["1,28,28"], [], "")
    assert found.path_of(small) == tmp_path / "nets/small.pt"
    assert found.suites["linf"].eps == [Fraction(1, 10), Fraction(8, 255)]
    assert found.suites["linf"].restarts == 1


def test_a_model_of_token_ids(tmp_path: Path) -> None:
    entry = (
        'path = "nets/small.pt"\ninput = "ids:256"\nsource = "embedding"\nnorm = "token-rms"\n'
        'domain = "vocabulary"\nradius = "1/10"\n'
    )
    model = load(workspace(tmp_path, f"version = 1\n[models.small]\n{entry}")).settings.models["small"]
    assert (model.inputs, model.source, model.norm) == (["ids:256"], "embedding", "token-rms")
    assert model.region == ("vocabulary", None, None, Fraction(1, 10))


def test_the_norms_are_those_that_lipcert_knows() -> None:
    assert set(get_args(NormName)) == set(NORMS)


def test_the_suites_of_this_repository_are_copies_of_the_templates() -> None:
    for template in (ROOT / "lipcert/workspace/templates/attacks").glob("*.toml"):
        assert (ROOT / "attacks" / template.name).read_bytes() == template.read_bytes()


def test_the_smallest_workspace(tmp_path: Path) -> None:
    (tmp_path / "lipcert.toml").write_text("version = 1")
    assert load(tmp_path).suites == {}


def test_this_repository_is_a_workspace() -> None:
    assert load(ROOT).settings.default_model == "digits"


def test_init_writes_a_valid_workspace_and_keeps_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "new"
    (root / "attacks").mkdir(parents=True)
    (root / "attacks" / "quick.toml").write_text(SUITE)
    new, kept = init(root)
    suites = [f"attacks/{name}.toml" for name in ("standard-embeddings", "standard", "thorough")]
    assert [path.relative_to(root).as_posix() for path in new] == [*suites, "lipcert.toml", "reports/README.md"]
    assert kept == [root / "attacks" / "quick.toml"]
    assert kept[0].read_text() == SUITE
    assert set(load(root).suites) == {"quick", "standard", "standard-embeddings", "thorough"}
    assert init(root).new == []


def test_the_commented_lines_of_the_template_are_valid_too(tmp_path: Path) -> None:
    init(tmp_path)
    text = (tmp_path / "lipcert.toml").read_text()
    keys = ("default_model", "[models", "path", "arch", "input", "norm", "domain", "radius", "output", "source")
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    (tmp_path / "lipcert.toml").write_text(
        "\n".join(["version = 1", 'suites = ["quick"]', *(line for line in lines if line.startswith(keys))])
    )
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mnist.pt").write_bytes(b"")
    model = load(tmp_path).settings.models["mnist"]
    assert (model.region.radius, model.source) == (Fraction(8, 255), "features.3")


def test_init_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder"):
        init(tmp_path / "file")


def test_no_workspace(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["lipcert.toml: no such file; `lipcert init` writes one"]


def test_every_problem_in_one_go(tmp_path: Path) -> None:
    root = workspace(
        tmp_path,
        settings='version = 1\nsuites = ["linff"]\ndefault_model = "smal"\n'
        '[models.small]\npath = "gone.pt"\narch = "gone.py:f"\n',
        suite=SUITE.replace("norm", "nrom"),
    )
    assert problems(root) == [
        "attacks/linf.toml: norm: is missing",
        "attacks/linf.toml: nrom: is no known key; did you mean 'norm'?",
        "lipcert.toml: default_model: there is no [models.smal]; did you mean 'small'?",
        "lipcert.toml: suites.0: there is no attacks/linff.toml; did you mean 'linf'?",
        f"lipcert.toml: models.small.path: there is no file {root}/gone.pt",
        f"lipcert.toml: models.small.arch: there is no file {root}/gone.py",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version = 1", "version = 2", "version: this lipcert reads version 1 (seen: 2)"),
        ("version = 1", "version = true", "version: Input should be a valid integer (seen: True)"),
        ("version = 1", "", "version: is missing"),
        ("version = 1", "version = 1\nversion = 1", "no TOML: Cannot overwrite a value"),
        ("default_model", "defualt_model", "defualt_model: is no known key; did you mean 'default_model'?"),
        ("suites", "[claims]\nsuites", "claims: is no known key; known: version, default_model, suites, models"),
        ('suites = ["linf"]', "suites = [1]", "suites.0: Input should be a valid string (seen: 1)"),
        ("path", "paht", "models.small.path: is missing"),
        ("radius", "raduis", "models.small.raduis: is no known key; did you mean 'radius'?"),
        ("nets.py:small", "nets.py", "models.small.arch: write 'package.module:function'"),
        ("[1, 28, 28]", "[1, 28.0]", "models.small.input.1: Input should be a valid integer (seen: 28.0)"),
        ("[1, 28, 28]", "[0]", "models.small.input.0: Input should be greater than 0 (seen: 0)"),
        ("[1, 28, 28]", "[]", "models.small.input: List should have at least 1 item"),
        ("[1, 28, 28]", "5", "models.small.input: Input should be a valid list (seen: 5)"),
        ("[1, 28, 28]", '"1,28,28"', "models.small.input: write the shape, [1, 28, 28], or 'ids:256'"),
        ("[1, 28, 28]", '"ids:0"', "models.small.input: write the shape"),
        ("input", "inputs", "models.small.inputs: is no known key; did you mean 'input'?"),
        ("output", "sourc", "models.small.sourc: is no known key; did you mean 'source'?"),
        ("box:0,1", "vocab", "models.small.domain: 'vocab' is no domain: write"),
        ('norm = "linf"', 'norm = "l1"', "models.small.norm: Input should be 'l2', 'linf', 'token-l2' or 'token-rms'"),
        ("box:0,1", "box:1,0", "models.small.domain: the box 'box:1,0' is empty"),
        ("box:0,1", "everywhere", "models.small: everywhere has no room for a radius"),
        ("radius = 0.1", "radius = nan", "models.small.radius: 'NaN' is no exact number"),
        ("radius = 0.1", "radius = 1e9999", "models.small.radius: '1E+9999' is no exact number"),
        ("radius = 0.1", "radius = true", "models.small.radius: a number such as 0.5"),
        ("radius = 0.1", 'radius = "-1/255"', "models.small.radius: -1/255 is negative"),
        ("[models.plain]", "[models.plain]\nx = " + "[" * 2000, "no TOML: maximum recursion depth"),
        ("[models.plain]", "[models.plain]\nx = " + "9" * 5000, "no TOML: Exceeds the limit"),
    ],
)
def test_a_problem_in_the_settings(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SETTINGS
    root = workspace(tmp_path, settings=SETTINGS.replace(old, new, 1))
    assert any(line.startswith(f"lipcert.toml: {problem}") for line in problems(root)), problems(root)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[0.1", "[0", "eps.0: 0 is not above 0 (seen: 0)"),
        ("[0.1", "[inf", "eps.0: 'Infinity' is no exact number"),
        ("8/255", "8/0", "eps.1: '8/0' divides by zero"),
        ("steps = 10", "steps = 0", "steps: Input should be greater than 0 (seen: 0)"),
        ("pgd", "PGD!", "attacks.0: write the name of an attack"),
        ("pgd", "agpd-ce", "attacks.0: no known attack; did you mean 'apgd-ce'? (seen: 'agpd-ce')"),
        ("pgd", "zzz", "attacks.0: no known attack; known: fgsm, pgd, "),
        ("steps = 10", "steps = 10\nquieries = 5", "quieries: is no known key; did you mean 'queries'?"),
        ("steps = 10", "steps = 10\nrange = [1, 0]", "the range [1, 0] is empty"),
        ("steps = 10", "steps = 10\nrange = [0]", "range: List should have at least 2 items"),
        ("eps = [0.1", "range = [0, 1]\neps = [2", "eps = 2 is wider than the range [0, 1]"),
        ('"input"', '"weights"', "space: Input should be 'input' or 'embedding' (seen: 'weights')"),
    ],
)
def test_a_problem_in_a_suite(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SUITE
    root = workspace(tmp_path, suite=SUITE.replace(old, new, 1))
    assert any(line.startswith(f"attacks/linf.toml: {problem}") for line in problems(root)), problems(root)


def test_what_is_no_text(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    (root / "attacks" / "linf.toml").write_bytes(b"\xff")
    (root / "attacks" / "folder.toml").mkdir()
    assert problems(root) == [
        "attacks/folder.toml: cannot be read: Is a directory",
        "attacks/linf.toml: no TOML: it is not UTF-8 text",
    ]
