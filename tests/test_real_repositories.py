"""What public repositories of many kinds were seen to hold, written anew in small."""

import json
from collections.abc import Callable
from pathlib import Path

from test_public_shapes import BARE, planned, said
from torch_writer import Tensor

Write = Callable[..., None]


def test_figures_in_a_mapping_called_after_a_split_are_of_that_split(
    write: Write, tmp_path: Path
) -> None:
    """The lower error on training data does not win: what `val` holds is of validation."""
    for name, train, val in (("small", 0.3, 0.5), ("large", 0.1, 0.9)):
        figures = {"train": {"rmse": train}, "val": {"rmse": val}, "test": {"rmse": 0.2}}
        write(f"models/{name}.pt", {"w": Tensor((2, 2), seed=len(name)), "metrics": figures})
    plan = planned(tmp_path)
    assert said(plan, "value") == {"models/small.pt": 0.5, "models/large.pt": 0.9}
    assert said(plan)["models/small.pt"] == "production"
