"""`lipcert attack` and `lipcert certify` on a GPT and on an encoder, with tokens that the checkpoint says."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lipcert.architectures import build
from lipcert.attacks.session import Setup, open_session
from lipcert.bounds.margins import Margins
from lipcert.checkpoint.lipcert import save
from lipcert.cli.main import main
from lipcert.data.stream import held_out, stream
from lipcert.data.tokens import of_lines
from lipcert.errors import ExitCode, InputError

CONTEXT = 8
FEW = ("--limit", "4", "--steps", "3", "--seconds", "0.2")


def trained(path: Path, about: Mapping[str, Any]) -> str:
    """A few steps on the corpus: enough for a space after a comma."""
    text, _ = held_out(stream("shakespeare").ids, 0.1)
    arguments = {"vocabulary": 78, "context": CONTEXT, "width": 16, "layers": 1, "heads": 1}
    torch.manual_seed(0)
    network, generator = build("gpt", arguments), np.random.default_rng(0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        starts = generator.integers(0, len(text) - CONTEXT, 32)
        both = torch.from_numpy(text[starts[:, None] + np.arange(CONTEXT + 1)].astype(np.int64))
        loss = F.cross_entropy(network(both[:, :-1]).flatten(0, 1), both[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save(path, network, "gpt", arguments, (CONTEXT,), "int64", {"lipcert.training": json.dumps(about)} if about else {})
    return str(path)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("gpt") / "gpt.safetensors"
    return trained(path, {"tokens": stream("shakespeare").tokens})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
    return main()


def test_a_gpt_is_attacked_and_certified_on_what_was_held_out(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "attack", gpt, "--data", "shakespeare", "--eps", "0.1", *FEW, "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["norm"], found["source"], found["data"]["examples"]) == ("token-l2", "embedding", 4)
    _, held = held_out(stream("shakespeare").ids, 0.1)
    assert [row["label"] for row in found["examples"]] == held[CONTEXT : 4 * CONTEXT + 1 : CONTEXT].tolist()
    row = found["accuracy"][0]
    assert row["certified"] <= row["attacked"] <= row["clean"]


def test_radii_of_several_windows_are_certified(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("certify", gpt, "--data", "shakespeare", "--eps", "0.001", "--limit", "40", "--seconds", "0.2")
    assert run(monkeypatch, *arguments, "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    rows = found["examples"]
    assert "float64_margins" not in found
    assert any(row["right"] for row in rows)
    assert all((row["certified_radius"] > 0) == row["right"] for row in rows)


def test_margins_that_are_too_wide_to_be_enclosed_are_told(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lipcert.bounds.example._WIDEST", 0.0)
    arguments = (
        "certify",
        gpt,
        "--data",
        "shakespeare",
        "--eps",
        "0.001",
        "--limit",
        "2",
        "--seconds",
        "0",
        "--out",
        "run",
    )
    assert run(monkeypatch, *arguments) == ExitCode.OK
    assert "the margins of 2 examples" in capsys.readouterr().out
    assert json.loads(Path("run/certify.json").read_text())["float64_margins"] == 2


def test_the_session_answers_at_the_last_token(gpt: str) -> None:
    session = open_session(Setup(gpt, "shakespeare", None, (), False, "", True, "", 3))
    assert session.model.module is not None
    assert session.target(session.x).shape == (3, 78)
    assert torch.equal(session.target(session.x), session.model.module(session.inputs))


def test_a_text_file_is_read_in_the_tokens_of_the_checkpoint(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.txt").write_text("to be, or not to be, that is the question " * 20)
    for same in ((), ("--tokenizer", "chars")):
        assert run(monkeypatch, "certify", gpt, "--data", "mine.txt", "--eps", "0.1", *FEW[:2], *same) == ExitCode.OK
    Path("chars.txt").write_text("abc")
    for tokens, words in (
        ("bytes", "are chars, and the data's are bytes"),
        ("chars:chars.txt", "78 characters are not"),
    ):
        arguments = ("attack", gpt, "--data", "mine.txt", "--eps", "0.1", "--tokenizer", tokens)
        assert run(monkeypatch, *arguments) == ExitCode.INPUT
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [("naïve " * 200, "'ï', which is not among the 78"), ("short", "needs 9"), (None, "nothing is downloaded")],
)
def test_text_that_does_not_suit_the_network_is_refused(
    gpt: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    words: str,
) -> None:
    if content is not None:
        Path("mine.txt").write_text(content)
    assert run(monkeypatch, "certify", gpt, "--data", "mine.txt", "--eps", "0.1") == ExitCode.INPUT
    assert words in " ".join(capsys.readouterr().err.split())


def test_without_tokens_in_the_checkpoint_the_number_of_characters_has_to_agree(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = trained(here / "plain.safetensors", {})
    assert run(monkeypatch, "certify", plain, "--data", "shakespeare", "--eps", "0.1", *FEW[:2]) == ExitCode.OK
    Path("mine.txt").write_text("abc" * 200)
    assert run(monkeypatch, "certify", plain, "--data", "mine.txt", "--eps", "0.1") == ExitCode.INPUT
    assert "it knows 78 tokens, and the text has 3 characters" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("about", ["[1]", "{", '{"tokens": {"kind": "runes"}}', '{"tokens": {"kind": "chars"}}'])
def test_nonsense_in_the_metadata_is_refused(here: Path, about: str) -> None:
    arguments = {"vocabulary": 78, "context": 4, "width": 4, "layers": 1, "heads": 1}
    save(
        here / "gpt.safetensors", build("gpt", arguments), "gpt", arguments, (4,), "int64", {"lipcert.training": about}
    )
    with pytest.raises(InputError, match="lipcert"):
        open_session(Setup("gpt.safetensors", "shakespeare", None, (), False, "", True, "", 3))


def test_what_the_recipe_held_out_is_what_is_attacked(here: Path) -> None:
    about = {"tokens": stream("shakespeare").tokens, "recipe": {"validation_share": 0.02}}
    path = trained(here / "gpt.safetensors", about)
    session = open_session(Setup(path, "shakespeare", None, (), False, "", True, "", 1))
    _, held = held_out(stream("shakespeare").ids, 0.02)
    assert session.inputs[0].tolist() == held[:CONTEXT].tolist()


def test_the_workspace_suite_for_embeddings_is_taken(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lipcert.toml").write_text('version = 1\nsuites = ["pixels", "tokens"]\n')
    Path("attacks").mkdir()
    common = 'version = 1\neps = ["1/10"]\nsteps = 2\nattacks = ["pgd"]\n'
    Path("attacks/pixels.toml").write_text(common + 'space = "input"\nnorm = "linf"\n')
    Path("attacks/tokens.toml").write_text(common + 'space = "embedding"\nnorm = "token-rms"\n')
    assert run(monkeypatch, "attack", gpt, "--data", "shakespeare", *FEW, "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["suite"], found["norm"]) == ("tokens", "token-rms")


@pytest.mark.slow
def test_a_violation_of_a_gpt_is_shown_again_by_its_script(
    gpt: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Margins, "against", lambda _self, _label, classes: np.full(classes, 1e-3))
    arguments = ("attack", gpt, "--data", "shakespeare", "--eps", "9", "--limit", "40", "--steps", "5")
    assert run(monkeypatch, *arguments, "--seconds", "0.1", "--out", "found") == ExitCode.VIOLATED
    script = here / "found/violation/reproduce.py"
    done = subprocess.run([sys.executable, str(script)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (5, "")


def test_labelled_texts_are_encoded_as_the_checkpoint_says(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = of_lines("words", ["good film", "bad film"])
    arguments = {"vocabulary": 5, "context": 4, "width": 4, "layers": 1, "heads": 1, "classes": 2}
    about = {"lipcert.training": json.dumps({"tokens": tokens})}
    save(here / "encoder.safetensors", build("encoder", arguments), "encoder", arguments, (4,), "int64", about)
    Path("lines.txt").write_text("0 good film\n1 bad acting\n")
    arguments_used = ("attack", "encoder.safetensors", "--data", "lines.txt", "--eps", "0.1", *FEW)
    assert run(monkeypatch, *arguments_used) == ExitCode.OK
    Path("vocab.txt").write_text("[PAD]\n[UNK]\ngood\n")
    assert run(monkeypatch, *arguments_used, "--tokenizer", "vocab.txt") == ExitCode.INPUT
    assert "are words, and the data's are file" in " ".join(capsys.readouterr().err.split())
