"""ONNX files: compared with onnxruntime before they are used, and then taken by the commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lipcert
from lipcert import checkpoint
from lipcert.checkpoint.onnx import reference
from lipcert.cli.main import main
from lipcert.errors import ExitCode, UnsupportedError
from tests.unit.onnx_files import LINEAR, W, cnn, export, seeded, write


def test_a_file_is_compared_with_onnxruntime_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "net", LINEAR, W=W)
    made = reference._onnxruntime

    def slightly_off(path: Path, names: list[str]) -> Callable[[Any], list[Any]]:
        run = made(path, names)
        return lambda feed: [y + np.float32(1e-3) for y in run(feed)]

    monkeypatch.setattr(reference, "_onnxruntime", slightly_off)
    with pytest.raises(UnsupportedError, match="not what onnxruntime computes"):
        checkpoint.load(path)


def test_an_output_that_is_no_number_on_all_that_is_tried_is_compared_with_nothing_and_refused(tmp_path: Path) -> None:
    graph = "g (float[1, 8] x) => (float[1, 8] y) { a = Abs(x) n = Neg(a) y = Log(n) }"
    with pytest.raises(UnsupportedError, match="nothing could be compared"):
        lipcert.load(write(tmp_path / "net.onnx", graph))


def test_the_same_weights_in_another_graph_are_another_network(tmp_path: Path) -> None:
    graph, w = "g (float[1, 3] x) => (float[1, 3] y) {{ h = MatMul(x, w) y = {}(h) }}", np.ones((3, 3), np.float32)
    one, two = (lipcert.load(write(tmp_path / f"{op}.onnx", graph.format(op), w=w)) for op in ("Tanh", "Sigmoid"))
    assert one.network_sha256 is not None
    assert one.network_sha256 != two.network_sha256


def test_the_commands_bound_verify_and_attack_take_an_onnx_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    export(seeded(cnn), (1, 16, 16), tmp_path / "net.onnx")
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=draw.random((6, 1, 16, 16), dtype=np.float32), y=draw.integers(0, 3, 6))

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["lipcert", *arguments])
        return main()

    assert run("bound", "net.onnx", "--certificate", "c.json", "--seconds", "0.1", "--json") == ExitCode.OK
    assert "weights_sha256" in json.loads(capsys.readouterr().out)
    assert run("verify", "c.json", "net.onnx") == ExitCode.OK
    attack = ("attack", "net.onnx", "--data", "data.npz", "--eps", "0.1", "--norm", "l2", "--steps", "3")
    assert run(*attack, "--seconds", "0.1", "--out", "found") == ExitCode.OK, capsys.readouterr().err
