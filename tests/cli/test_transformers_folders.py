"""Commands on folders of transformers: bound, verify, ops, attack and certify."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from lipcert.cli.main import main
from lipcert.errors import ExitCode
from tests.soundness.tiny_transformers import WORDS, tiny

IDS = ("--input", "ids:5")
FEW = ("--limit", "3", "--seconds", "0.1")
STEPS = ("--steps", "2")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(name: str) -> str:
    """The network and a tokenizer that knows its words, of which [PAD] fills up as in its config."""
    tiny(name).save_pretrained(name)
    words = ["[PAD]", "[UNK]", "good", "bad", "film", "acting", "to", "be", "or", "not"]
    known = {word: place for place, word in enumerate(words + [f"w{i}" for i in range(WORDS - len(words))])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(f"{name}/tokenizer.json")
    return name


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
    return main()


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("BertModel", IDS, "last_hidden_state"),
        ("BertModel", (*IDS, "--output", "pooler_output"), "pooler_output"),
        ("ViTForImageClassification", ("--domain", "box:0,1"), ""),
    ],
)
def test_a_folder_is_bounded_and_its_certificate_proved_again_without_more_flags(
    name: str,
    arguments: tuple[str, ...],
    output: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = saved(name)
    asked = ("bound", folder, *arguments, "--seconds", "0.1", "--certificate", "c.json")
    assert run(monkeypatch, *asked) == ExitCode.OK
    assert json.loads(Path("c.json").read_text())["claim"]["output"] == output
    assert run(monkeypatch, "verify", "c.json", folder) == ExitCode.OK
    assert "every step proved again" in capsys.readouterr().out


def test_every_operation_on_the_way_is_one_that_can_be_bounded(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ops", saved("GPT2LMHeadModel"), *IDS) == ExitCode.OK
    assert "no rule" not in capsys.readouterr().err


def test_a_causal_network_is_attacked_and_certified_on_windows_of_a_text(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.txt").write_text("to be or not to be good film bad acting " * 40)
    asked = ("attack", saved("GPT2LMHeadModel"), *IDS, "--data", "mine.txt", "--eps", "0.1", *FEW, *STEPS, "--json")
    assert run(monkeypatch, *asked) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["examples"] == 3
    row = found["accuracy"][0]
    assert row["certified"] <= row["attacked"] <= row["clean"]


@pytest.mark.parametrize(
    "name", ["BertForSequenceClassification", pytest.param("LlamaForSequenceClassification", marks=pytest.mark.slow)]
)
def test_labelled_texts_of_several_lengths_are_attacked_and_certified(
    name: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lines.txt").write_text("0 good film\n1 bad\n0 good\n1 not film\n")
    asked = (saved(name), *IDS, "--data", "lines.txt", "--eps", "0.1", "--seconds", "0.1", "--json")
    assert run(monkeypatch, "certify", *asked) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert "tokens of id 0, which fill texts up, are masked" in found["model"]["assumes"]
    rows = found["examples"]
    assert any(row["right"] for row in rows)
    assert all((row["certified_radius"] > 0) == row["right"] for row in rows)
    assert run(monkeypatch, "attack", *asked, *STEPS) == ExitCode.OK
    row = json.loads(capsys.readouterr().out)["accuracy"][0]
    assert row["certified"] <= row["attacked"] <= row["clean"]


def test_what_is_left_out_of_a_network_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved("BertForSequenceClassification")
    config = Path(folder) / "config.json"
    config.write_text(config.read_text().replace("BertForSequenceClassification", "BertModel"))
    assert run(monkeypatch, "bound", folder, *IDS, "--seconds", "0.1", "--json") == ExitCode.OK
    out, err = capsys.readouterr()
    claim = json.loads(out)["claim"]
    assert claim["output"] == "last_hidden_state"
    assert claim["assumes"] == [
        "tokens of id 0, which fill texts up, are masked", "all tokens are of type 0",
        "of the file these tensors are left out: classifier.bias, classifier.weight",
    ]  # fmt: skip
    assert "left out, as the network has no place for them: classifier.bias, classifier.weight" in err


def test_a_claim_with_a_mask_says_what_is_held_fixed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, told in (("BertForSequenceClassification", True), ("GPT2LMHeadModel", False)):
        assert run(monkeypatch, "bound", saved(name), *IDS, "--seconds", "0.1") == ExitCode.OK
        assert ("held fixed      ids" in capsys.readouterr().out) is told


def test_what_a_claim_assumes_stands_in_every_file_and_cannot_be_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, told = saved("BertForSequenceClassification"), "tokens of id 0, which fill texts up, are masked"
    assert run(monkeypatch, "bound", folder, *IDS, "--seconds", "0.1", "--out", "run") == ExitCode.OK
    assert f"assumed         {told}" in capsys.readouterr().out
    assert told in json.loads(Path("run/bound.json").read_text())["claim"]["assumes"]
    certificate = json.loads(Path("run/certificate.json").read_text())
    assert told in certificate["claim"]["assumes"]
    assert run(monkeypatch, "report", "run", "--out", "page") == ExitCode.OK
    assert any(told in page.read_text() for page in Path("page").glob("*.md"))
    assert run(monkeypatch, "verify", "run/certificate.json", folder) == ExitCode.OK
    for assumed in (certificate["claim"]["assumes"][1:], [*certificate["claim"]["assumes"], "nothing"]):
        Path("forged.json").write_text(json.dumps(certificate | {"claim": certificate["claim"] | {"assumes": assumed}}))
        assert run(monkeypatch, "verify", "forged.json", folder) == ExitCode.REJECTED
        assert "claim.assumes" in capsys.readouterr().err
