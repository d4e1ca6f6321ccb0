"""What a person with a graphics card runs once does run: in tiny, on the CPU."""

import torch

from Testing.acceptance.rows import gpu
from Testing.benchmarks.gpu import PRECISIONS, SMALL, main, measure


def test_every_figure_of_the_benchmark_is_there():
    found = measure("cpu:0", SMALL)
    kinds = [line.what.partition(",")[0] for line in found.lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"patch": 6, "volume": 5, "restore": 2, "copy": 2}
    assert all(line.seconds > 0 for line in found.lines) and found.speedup > 0
    assert tuple(found.dice) == PRECISIONS and found.dice["exact"] > 0.99 and 0.9 < found.dice["fast"] < 1


def test_without_a_graphics_card_nothing_is_claimed(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = gpu.ROWS
    assert row.run_full() == row.run_small() == gpu.Outcome("not measured: no GPU", passed=True)
    assert main([]) == 1 and capsys.readouterr().out == "not measured: no GPU\n"
