"""How metrics are named, scaled and compared, whoever trained; folders that are one checkpoint."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from conventions_text import CONVENTIONS
from engine.conventions import load
from engine.readers import keys, read
from engine.recognition import metrics
from engine.recognition.evidence import Measurement, Reading
from engine.recognition.selection import groups
from mess import attributed, curve, log, measured, model, noted
from test_samples import by_path, planned
from torch_writer import Tensor, save


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/best_my_score", "my_score"),
        ("neg_mean_squared_error", "mse"),
        ("coco/bbox_mAP_50", "map50"),
        ("best_score", "score"),
        ("lr/pg0", None),
        ("eval_samples_per_second", None),
        ("best_epoch", None),
        ("target_gap", None),
    ],
)
def test_a_name_that_nobody_knows_may_be_a_metric(name: str, expected: str | None) -> None:
    """What is left of it without split and qualifiers is its name; a learning rate is none."""
    assert metrics.plausible(name) == expected


@pytest.mark.parametrize(
    ("name", "value", "compared"),
    [
        ("val_acc", 91.2, 0.912),
        ("val_acc", 0.912, 0.912),
        ("best_err1", 23.7, 0.237),
        ("val_acc", 1.3, 1.3),
        ("neg_mse", -0.25, 0.25),
        ("rmse", -0.25, 0.25),
        ("val_loss", -0.25, -0.25),
        ("bleu", 31.5, 31.5),
        ("my_score", 91.2, 91.2),
    ],
)
def test_values_are_compared_on_one_scale(name: str, value: float, compared: float) -> None:
    """A percentage becomes a fraction, a negated error positive; a loss may be negative."""
    assert metrics.as_compared(name, value)[0] == compared


def test_a_percentage_beside_fractions_wins_nothing_by_its_size() -> None:
    """91.2 percent is worse than 0.95, and its evidence shows what was written."""
    found = attributed(
        {
            "a/u_best.pt": model(measured("val_auc", 91.2)),
            "a/v_best.pt": model(measured("val_auc", 0.95)),
        }
    )
    (group,) = groups(found.values())
    assert group.winner and group.winner.path == "a/v_best.pt"
    assert "91.2" in found["a/u_best.pt"].evidence[-1].where


def test_test_figures_pick_no_model_where_there_are_validation_figures() -> None:
    """A checkpoint of which only a test figure is known wins only among such."""
    found = attributed(
        {
            "a/u_best.pt": model(measured("test_auc", 0.99)),
            "a/v_best.pt": model(measured("val_auc", 0.7)),
        }
    )
    (group,) = groups(found.values())
    assert group.winner and group.winner.path == "a/v_best.pt"


def test_the_best_epoch_is_that_of_the_monitor() -> None:
    """The best checkpoint is of the epoch in which the monitored metric was best."""
    rows = (*curve("val_auc", 0.5, 0.6, 0.7), *curve("val_loss", 0.9, 0.1, 0.5))
    (usual,) = attributed({"x/best.pt": model(), "x/t.log": log(*rows)}).values()
    assert usual.value == 0.7
    monitored = log(*rows, noted("monitor", "val_loss"))
    (told,) = attributed({"x/best.pt": model(), "x/t.log": monitored}).values()
    assert told.value == 0.6


def test_a_checkpoint_without_a_best_in_its_name_is_that_of_its_step() -> None:
    """The step in a name is matched to the row of that step."""
    rows = tuple(
        Measurement("val_auc", value, "here", "epoch", None, step)
        for step, value in ((100, 0.5), (200, 0.7), (300, 0.6))
    )
    files = {f"x/checkpoint_{n}.pt": model() for n in (100, 300)}
    found = attributed({**files, "x/t.log": log(*rows)})
    assert [found[path].value for path in files] == [0.5, 0.6]


def test_facts_in_the_conventions_tell_groups_apart() -> None:
    """[production].group_by widens and narrows the comparable groups."""
    found = attributed(
        {
            "a/u_best.pt": model(measured("val_auc", 0.9), noted("task", "x")),
            "a/v_best.pt": model(measured("val_auc", 0.8), noted("task", "y")),
        }
    ).values()
    assert len(groups(found)) == 2
    (together,) = groups(found, by=())
    assert together.members[0].value == 0.9
    assert len(groups(found, by=("model_type",))) == 2
    assert "task x" in groups(found)[0].reason


def test_group_by_is_read_from_the_conventions(tmp_path: Path) -> None:
    """An empty list means one winner for each metric."""
    file = tmp_path / "conventions.toml"
    file.write_text(
        CONVENTIONS.replace('group_by = ["task", "dataset", "classes"]', "group_by = []")
    )
    assert load(file).production.group_by == ()


# --- histories -----------------------------------------------------------------------------------


def lines(path: Path, *rows: Mapping[str, object]) -> list[Measurement]:
    """Return what is read in a history with these rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reading = read(path, path.name)
    return list(reading.measurements) if reading else []


def test_a_history_that_begins_again_is_of_two_runs(tmp_path: Path) -> None:
    """Going back to the start is another run; going back a little is one that was resumed."""
    rows = [{"epoch": n, "val_auc": 0.5 + n / 100} for n in (0, 1, 2)]
    again = lines(tmp_path / "a.jsonl", *rows, *rows)
    assert [m.session for m in again] == [0, 0, 0, 1, 1, 1]
    resumed = lines(tmp_path / "b.jsonl", *rows, {"epoch": 2, "val_auc": 0.9})
    assert [(m.session, m.value) for m in resumed][-1] == (0, 0.9)


def test_a_loss_beside_a_learning_rate_is_of_training(tmp_path: Path) -> None:
    """It judges no model where validation figures are there, and is kept where there are none."""
    rows = [{"iter": n, "lr": 0.1, "loss": 0.5} for n in range(3)]
    assert {m.name for m in lines(tmp_path / "a.jsonl", *rows)} == {"loss"}
    found = lines(tmp_path / "b.jsonl", *rows, {"iter": 3, "val_auc": 0.5})
    assert {m.name for m in found} == {"val_auc"}


@pytest.mark.parametrize(
    "text", ["id,epoch\n1,2\n", "epoch,lr\n1,0.1\n", "epoch;val_auc\n", "\0\n", ""]
)
def test_other_tables_are_no_results(tmp_path: Path, text: str) -> None:
    """A table without metrics, or without rows, says nothing."""
    (tmp_path / "t.csv").write_text(text)
    assert read(tmp_path / "t.csv", "t.csv") is None


@pytest.mark.parametrize("size", [0, 11, 12, 40, 200])
def test_what_a_crash_left_of_an_event_file_is_read(tmp_path: Path, size: int) -> None:
    """A cut record ends the file; bytes that are no events are damaged, and nothing raises."""
    name = "events.out.tfevents.1.host.1.0"
    (tmp_path / name).write_bytes((b"\x18" + b"\0" * 11 + b"\xff" * 28) * 5)
    with (tmp_path / name).open("r+b") as file:
        file.truncate(size)
    reading = read(tmp_path / name, name)
    assert reading is None or reading.role == "unreadable"


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.jsonl", "rows.json", "events.out.tfevents.1.b.1"]
)
def test_of_a_column_that_is_too_long_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Half of a column would name a wrong best; the validation of a few epochs is read whole."""
    monkeypatch.setattr("engine.readers.keys.MAX_MEASUREMENTS", 40)
    monkeypatch.setattr("engine.readers.keys.LONG", 5)
    monkeypatch.setattr("engine.readers.tensorboard.MOST", 40)
    values = [step / 64 for step in range(60)]
    few = {step: value for step, value in enumerate(values) if step % 10 == 9}
    rows = [
        {"epoch": step, "loss": value, **({"val_auc": few[step]} if step in few else {})}
        for step, value in enumerate(values)
    ]
    path = tmp_path / name
    if name.startswith("events"):
        found: Reading | None = events(path, 1.7e9, loss=values, val_auc=[*few.values()])
    else:
        lines = [json.dumps(row) for row in rows]
        cells = [f"{step},{value},{few.get(step, '')}" for step, value in enumerate(values)]
        texts = {
            ".csv": "\n".join(("epoch,loss,val_auc", *cells)),
            ".jsonl": "\n".join(lines),
            ".json": f"[{','.join(lines)}]",
        }
        path.write_text(texts[path.suffix])
        found = read(path, name)
    assert found
    assert [(m.name, m.value) for m in found.measurements] == [("val_auc", v) for v in few.values()]


def test_an_event_file_is_read_to_its_end(tmp_path: Path) -> None:
    """What a training writes at each step keeps nobody from its last epoch."""
    ways = {"train/loss": [1.0] * 120, "val/auc": [0.5, 0.75]}
    path = tmp_path / "events.out.tfevents.1.box.1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.readers.tensorboard.MOST_OF_TRAINING", 100)
        found = events(path, 1.7e9, **ways)
    assert [(m.name, m.value) for m in found.measurements] == [("val/auc", 0.5), ("val/auc", 0.75)]


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("t.csv", "epoch,val_auc\n1,0.5\n2,0.6\n3,0.7\n", "csv_table.MAX_ROWS"),
        ("t.jsonl", '{"epoch": 1, "auc": 0.5}\n{"epoch": 2, "auc": 0.6}\n', "json_lines.MAX_BYTES"),
        ("t.csv", "epoch,val_auc\n1,0.5\n2,0.6\n3,0.7\n", "keys.MAX_MEASUREMENTS"),
    ],
)
def test_what_is_too_long_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, limit: str
) -> None:
    """Nothing is told of the part that could be read."""
    monkeypatch.setattr(f"engine.readers.{limit}", 2)
    (tmp_path / name).write_text(text)
    found = read(tmp_path / name, name)
    assert found
    assert (found.role, found.measurements) == ("unreadable", ())
    assert "not read" in str(found.problem)


def test_a_checkpoint_is_one_whatever_its_history() -> None:
    """Of a history that is too long it tells nothing, and the rest all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "MAX_MEASUREMENTS", 3)
        rows = [{"epoch": number, "val_auc": 0.5} for number in range(4)]
        facts = keys.collect({"history": rows, "best_val_auc": 0.7}, "own")
    assert [(m.name, m.value) for m in facts.measurements] == [("best_val_auc", 0.7)]


def events(path: Path, began: float, **ways: list[float]) -> Reading:
    """Write scalars by tag, one for each step and second, and return what is read."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    records = []
    for tag, values in ways.items():
        for step, value in enumerate(values):
            scalar = field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
            event = b"\x09" + struct.pack("<d", began + step) + bytes([0x10, step])
            event += field(5, field(1, scalar))
            records.append(struct.pack("<QI", len(event), 0) + event + bytes(4))
    path.write_bytes(b"".join(records))
    reading = read(path, path.name)
    assert reading
    return reading


def test_times_since_a_training_began_are_no_dates(tmp_path: Path) -> None:
    """StyleGAN counts seconds from its start: nothing is of 1970."""
    path = tmp_path / "events.out.tfevents.1714469542.box.1.0"
    assert not events(path, 16_432.0, fid=[50.0, 40.0]).notes
    dated = events(path, 1_714_469_542.0, fid=[50.0, 40.0])
    assert [note.value for note in dated.notes] == ["2024-04-30T09:32:22", "2024-04-30T09:32:23"]


def test_yolo_keeps_what_is_fit_by_its_events_as_by_its_table(tmp_path: Path) -> None:
    """`best.pt` is of the step with the best mAP50-95, whatever the others were."""
    ways = {"metrics/mAP_0.5": [0.5, 0.9, 0.8], "metrics/mAP_0.5:0.95": [0.2, 0.3, 0.6]}
    folder = tmp_path / "runs/train/exp"
    (folder / "weights").mkdir(parents=True)
    events(folder / "events.out.tfevents.1714469542.box.1.0", 1_714_469_542.0, **ways)
    save(folder / "weights/best.pt", {"w": Tensor((2, 2), seed=1)})
    save(folder / "weights/last.pt", {"w": Tensor((2, 2), seed=2)})
    found = by_path(planned(tmp_path, "map50", "max"))["runs/train/exp/weights/best.pt"]
    assert found["value"] == pytest.approx(0.8)


# --- folders -------------------------------------------------------------------------------------


def folder_model(folder: Path, seed: int) -> None:
    """Make a folder as `save_pretrained` does."""
    folder.mkdir(parents=True)
    save(folder / "pytorch_model.bin", {"w": Tensor((2, 2), seed=seed)})
    (folder / "config.json").write_text('{"model_type": "tiny", "hidden_size": 2, "vocab_size": 3}')


def test_rewards_of_two_environments_are_not_compared(tmp_path: Path) -> None:
    """A pole that stands for 500 steps is no worse than an arcade game of 50,000 points."""
    for seed, (game, reward) in enumerate({"CartPole-v1": 500.0, "RoadRunner-v4": 50590.0}.items()):
        folder = tmp_path / "runs" / f"run_{seed}"
        folder.mkdir(parents=True)
        save(folder / "agent.pt", {"w": Tensor((2, 2), seed=seed), "mean_reward": reward})
        (folder / "config.json").write_text(json.dumps({"env_id": game, "lr": 0.1, "epochs": 9}))
    found = by_path(planned(tmp_path, "reward", "max"))
    assert {known["role"] for known in found.values()} == {"production"}


def test_an_equal_folder_goes_whole_and_a_similar_one_stays(tmp_path: Path) -> None:
    """A copy of a folder is dropped file by file; one file less, and it is no copy."""
    for name, seed in (("one", 1), ("copy", 1), ("other", 1)):
        folder_model(tmp_path / name, seed)
    (tmp_path / "other/tokenizer.json").write_text("{}")
    plan = planned(tmp_path, "auc", "max")
    assert {path: known["role"] for path, known in by_path(plan).items()} == {
        "copy": "duplicate",
        "one": "candidate",
        "other": "candidate",
    }
    dropped = {str(a.src): str(a.dst) for a in plan.actions if a.verb == "drop"}
    assert dropped == {
        "copy/config.json": "one/config.json",
        "copy/pytorch_model.bin": "one/pytorch_model.bin",
    }


def test_a_spacy_pipeline_is_one_checkpoint(tmp_path: Path) -> None:
    """It moves whole, and what its meta.json says of its performance is its own."""
    for name, score in (("model-best", 0.9), ("model-last", 0.8)):
        folder = tmp_path / "film/output" / name
        (folder / "textcat").mkdir(parents=True)
        (folder / "textcat/model").write_bytes(b"\x80msgpack")
        (folder / "config.cfg").write_text("[nlp]\n")
        about = {"lang": "en", "name": "pipeline", "performance": {"cats_score": score}}
        (folder / "meta.json").write_text(json.dumps(about))
    found = by_path(planned(tmp_path, "cats_score", "max"))
    assert {path: (c["role"], c["value"]) for path, c in found.items()} == {
        "film/output/model-best": ("production", 0.9),
        "film/output/model-last": ("candidate", 0.8),
    }


def test_a_config_beside_plain_weights_makes_no_folder_checkpoint(tmp_path: Path) -> None:
    """Only names that libraries give to weights do."""
    (tmp_path / "run").mkdir()
    save(tmp_path / "run/best.pt", {"w": Tensor((2, 2), seed=1)})
    (tmp_path / "run/config.json").write_text('{"lr": 0.1, "epochs": 3}')
    assert list(by_path(planned(tmp_path, "auc", "max"))) == ["run/best.pt"]


def test_a_picked_folder_wins(tmp_path: Path) -> None:
    """[production].pick takes the path of a folder as that of a file."""
    folder_model(tmp_path / "one", 1)
    picks = CONVENTIONS.replace("pick = []", 'pick = ["one"]')
    plan = planned(tmp_path, "auc", "max", text=picks)
    assert by_path(plan)["one"]["role"] == "production"
    moved = sorted(str(action.dst) for action in plan.actions if action.verb == "move")
    production = "model_weights/production/tiny_vunknown"
    assert moved == [f"{production}/config.json", f"{production}/pytorch_model.bin"]
