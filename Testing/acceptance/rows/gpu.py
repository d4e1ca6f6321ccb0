"""The engine on a graphics card, where there is one."""

from __future__ import annotations

from Testing.acceptance.row import Outcome, Row

LEAST_DICE = {"reference": 0.999, "exact": 0.999, "fast": 0.998}
"""Of the labels of a device against those of the CPU, at each precision."""

LEAST_DICE_SMALL = 0.99
"""Of float32 where the network has learned nothing, so that classes nearly tie."""


def _outcome(*, small: bool) -> Outcome:
    """Without a card nothing is measured, and nothing is claimed."""
    import torch

    if not torch.cuda.is_available():
        return Outcome("not measured: no GPU", passed=True)
    from Testing.benchmarks.gpu import FULL, SMALL, measure

    found = measure("cuda:0", SMALL if small else FULL)
    least = {"exact": LEAST_DICE_SMALL} if small else LEAST_DICE
    agrees = all(found.dice[name] >= dice for name, dice in least.items())
    told = ", ".join(f"{name} {dice:.5f}" for name, dice in found.dice.items())
    figure = f"{torch.cuda.get_device_name(0)}: fast {found.speedup:.2f} times as fast, lowest Dice {told}"
    return Outcome(figure, agrees and (small or found.speedup > 1))


ROWS = (
    Row(
        "gpu",
        "sliding window at 287x287x397 on a graphics card against MONAI's in eager torch, labels against the CPU's; "
        "more figures: python -m Testing.benchmarks.gpu",
        "where there is a GPU: faster, Dice >= 0.999 in float32 and >= 0.998 fast (small: float32)",
        lambda: _outcome(small=True),
        lambda: _outcome(small=False),
        is_timed=True,
    ),
)
