"""What public repositories of many kinds were seen to hold, written anew in small."""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from engine.readers import read
from engine.reports.descriptions import epochs
from mess import attributed, curve, grouped, measured, model, results
from test_public_shapes import BARE, EPOCHS, planned, said, touched
from torch_writer import Tensor

Write = Callable[..., None]
SETTINGS = Path(__file__).parent / "samples/huggingface/bert_out/training_args.bin"


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


def test_a_tokenizers_words_are_no_results(write: Write, tmp_path: Path) -> None:
    """A vocabulary numbers its words, of which `task`, `model` and `accuracy` are some."""
    words = {word: number for number, word in enumerate(("accuracy", "task", "model", "epoch"))}
    vocabulary = words | {f"token{number}": number for number in range(4, 60)}
    write("out/net/vocab.json", json.dumps(vocabulary))
    assert read(tmp_path / "out/net/vocab.json", "vocab.json") is None


def test_lightning_writes_tuples_into_its_hparams(write: Write, tmp_path: Path) -> None:
    """A tuple in YAML is a list, and nothing that has to be executed."""
    text = "channels: !!python/tuple\n- 8\n- 16\nlearning_rate: 0.01\n"
    write("lightning_logs/version_0/hparams.yaml", text)
    reading = read(tmp_path / "lightning_logs/version_0/hparams.yaml", "hparams.yaml")
    assert reading is not None
    assert reading.config == {"channels": "[8, 16]", "learning_rate": 0.01}


def test_runs_on_other_data_sets_do_not_compete(write: Write, tmp_path: Path) -> None:
    """The config of an Ultralytics training names its data: by the file, or by its folder."""
    table = "epoch,metrics/mAP50(B),metrics/mAP50-95(B)\n1,0.7,{}\n2,0.8,{}\n"
    datas = {"train": "cracks.yaml", "train2": "coins/data.yaml", "train3": "/x/coins/data.yaml"}
    for number, (run, data) in enumerate(datas.items()):
        folder = f"runs/detect/{run}"
        write(f"{folder}/weights/best.pt", {"w": Tensor((2, 2), seed=number)})
        write(f"{folder}/args.yaml", f"task: detect\nmode: train\nmodel: n.pt\ndata: {data}\n")
        write(f"{folder}/results.csv", table.format(0.1 + number / 10, 0.2 + number / 10))
    assert said(planned(tmp_path)) == {
        "runs/detect/train/weights/best.pt": "production",
        "runs/detect/train2/weights/best.pt": "candidate",
        "runs/detect/train3/weights/best.pt": "production",
    }


def test_a_zero_in_a_lightning_name_is_a_metric_that_was_never_logged(
    write: Write, tmp_path: Path
) -> None:
    """Lightning fills in 0 for what it does not know, so the name tells no value."""
    for epoch in (3, 8):
        name = f"net-epoch={epoch}-val_accuracy=0.0000.ckpt"
        write(f"out/{name}", {"w": Tensor((2, 2), seed=epoch)})
    assert {*said(planned(tmp_path), "value").values()} == {None}


def test_a_run_whose_checkpoints_git_lfs_has_yet_to_bring_is_not_torn(
    write: Write, tmp_path: Path
) -> None:
    """Its table, its log and its pointers stay together, and one line tells of all pointers."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for moment in ("checkpoints_20260507_203149", "checkpoints_20260508_172800"):
        for name in ("best_model.pt", "final_model.pt"):
            write(f"nets/unet/{moment}/{name}", pointer)
        write(f"nets/unet/{moment}/training_log.csv", "epoch,val_loss\n1,0.7\n2,0.6\n")
        write(f"nets/unet/{moment}/train.log", EPOCHS)
        write(f"nets/unet/{moment}/logs/validation/epochs.csv", "epoch,val_loss\n1,0.7\n2,0.6\n")
    plan = planned(tmp_path)
    assert touched(plan) == set()
    assert [note for note in plan.notes if "git-lfs" in note] == [
        "nets/unet/checkpoints_20260507_203149/best_model.pt and 3 more: git-lfs pointer, "
        "content not here (`git lfs pull` brings it)"
    ]


@pytest.mark.parametrize("name", ["net.keras", "net.onnx", "pytorch_model.bin"])
def test_the_log_beside_what_git_lfs_has_waits_with_it(
    write: Write, tmp_path: Path, name: str
) -> None:
    """A pointer stands for a checkpoint in any format, and the run in a folder there is another."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    write(f"nets/{name}", pointer)
    write("nets/training_log.csv", "epoch,val_loss\n1,0.7\n2,0.6\n")
    for folder in ("nets/digits", "nets/digits/checkpoint-9"):
        write(f"{folder}/model.safetensors", pointer)
        write(f"{folder}/training_args.bin", SETTINGS.read_bytes())
        write(f"{folder}/config.json", json.dumps({"architectures": ["DigitNet"]}))
    write("nets/digits/checkpoint-9/rng_state.pth", BARE)
    assert touched(planned(tmp_path)) == set()
    write("nets/logs/training_log.csv", "epoch,val_loss\n1,0.8\n2,0.5\n")
    actions = planned(tmp_path).actions
    assert not any("digits" in str(a.dst) for a in actions if a.src)  # for its `training_args`


def test_a_checkpoint_that_is_a_folder_and_tracked_is_called_after_its_runs_folder(
    write: Write, tmp_path: Path
) -> None:
    """TensorFlow's `best_model/` is of the run in whose folder it lies, as `best_model.h5` is."""
    for name in ("gru", "lstm"):
        for inner in ("saved_model.pb", "fingerprint.pb", "variables/variables.data-00000-of-1"):
            write(f"models/city/12/{name}/best_model/{inner}", f"\0{name}{inner}".encode())
        write(f"models/city/12/{name}/best_model/variables/variables.index", b"\0index")
    plan = planned(tmp_path, tracked=True)
    assert said(plan, "model_type") == {
        "models/city/12/gru/best_model": "gru",
        "models/city/12/lstm/best_model": "lstm",
    }
    assert len(touched(plan)) == 8


def test_what_keras_writes_of_training_and_validation_is_one_run(
    write: Write, tmp_path: Path
) -> None:
    """TensorBoard's `train/` and `validation/` lie side by side, and are packed together."""
    event = next((Path(__file__).parent / "samples").rglob("events.out.*")).read_bytes()
    write("out/net_best.pth", BARE | {"val_auc": 0.9})
    for split in ("train", "validation"):
        write(f"out/baseline/{split}/events.out.tfevents.1778001.box.1.0", event)
    archives = {a.dst for a in planned(tmp_path).actions if a.src and "tfevents" in a.src}
    assert len(archives) == 1
    assert "baseline" in str(archives)


def test_a_version_of_an_artifact_is_not_its_runs_last_checkpoint() -> None:
    """W&B's `model-ID:v8` was logged at some epoch: the run's last value need not be its own."""
    for folder, value in (("artifacts/model-k3v9x2ab:v8", None), ("artifacts/model_a", 0.9)):
        weights, told = f"{folder}/model.ckpt", f"{folder}/metrics.json"
        files = {weights: model(), told: results(measured("val_auc", 0.9, "final"))}
        assert attributed(files)[weights].value == value


def test_a_config_that_tells_the_best_value_is_a_result_and_no_log(
    write: Write, tmp_path: Path
) -> None:
    """It says what the best was saved at, and becomes nobody's canonical log."""
    folder = "nets/unet/checkpoints_20260430_203333"
    write(f"{folder}/best_model.pt", BARE)
    write(f"{folder}/final_model.pt", {"w": Tensor((2, 2), seed=5)})
    said_once = "epochs: 9\nbatch_size: 8\nlearning_rate: 0.1\nbest_val_loss: 0.31\nbest_epoch: 1\n"
    write(f"{folder}/config.txt", said_once)
    write(f"{folder}/training_log.csv", "epoch,val_loss\n1,0.31\n2,0.27\n3,0.29\n")
    plan = planned(tmp_path)
    assert said(plan, "value") == {
        f"{folder}/best_model.pt": 0.31,
        f"{folder}/final_model.pt": 0.29,
    }
    kept = {a.src: a.verb for a in plan.actions if a.src and a.src.endswith(".txt")}
    assert kept == {f"{folder}/config.txt": "pack"}


@pytest.mark.parametrize(
    ("training", "other"),
    [
        ("train_metrics.csv", "valid_metrics.csv"),
        ("metrics_training.csv", "metrics_validation.csv"),
        ("train.csv", "test.csv"),
    ],
)
def test_a_table_that_is_called_after_a_part_of_the_data_is_of_that_part(
    training: str, other: str
) -> None:
    """The higher accuracy on training data is no checkpoint's; both tables are of its run."""
    trained, judged = curve("accuracy", 0.8, 0.95), curve("accuracy", 0.75, 0.7)
    files = {"v1/checkpoints/net_epoch_1.pth": model(), "v1/checkpoints/net_epoch_2.pth": model()}
    files |= {
        f"v1/checkpoints/{training}": results(*trained),
        f"v1/checkpoints/{other}": results(*judged),
    }
    found = attributed(files)
    values = {PurePosixPath(path).stem: c.value for path, c in found.items()}
    assert values == {"net_epoch_1": 0.75, "net_epoch_2": 0.7}
    (run,) = grouped(files)
    assert {*run.records} == {f"v1/checkpoints/{training}", f"v1/checkpoints/{other}"}


def test_a_lone_log_of_a_training_may_tell_of_validation() -> None:
    """Only beside the like of another part does `training` say that the figures are of it."""
    told = results(*curve("dice", 0.7, 0.8))
    files = {"a/net_best.pth": model(), "a/net_training.csv": told}
    assert attributed(files)["a/net_best.pth"].value == 0.8


def test_a_curve_is_drawn_of_the_table_that_has_the_value() -> None:
    """Not of the first one in the alphabet."""
    told = {
        f"a/{name}.csv": results(*curve("dice", *values))
        for name, values in (("train", (0.8, 0.9)), ("val", (0.5, 0.6)))
    }
    files = {"a/best.pth": model(), **told}
    rows = epochs(attributed(files)["a/best.pth"], told)
    assert [row["dice"] for row in rows] == [0.5, 0.6]


@pytest.mark.parametrize(
    ("judged", "value"), [("val_map10", None), ("val_dice", 0.6), ("train_dice", 0.1)]
)
def test_a_loss_beside_what_only_validation_has_is_of_training(
    judged: str, value: float | None
) -> None:
    """It picks no model, be the metric that does one that nobody knows."""
    told = results(*curve("loss", 0.3, 0.2, 0.1), *curve(judged, 0.5, 0.6, 0.4))
    assert attributed({"a/best.pth": model(), "a/told.csv": told})["a/best.pth"].value == value


def test_a_loss_that_is_asked_for_counts_whatever_stands_beside_it() -> None:
    """By the user's conventions, or by the checkpoint's own name."""
    told = results(*curve("loss", 0.3, 0.1, 0.2), *curve("val_map10", 0.5, 0.6, 0.4))
    files = {"a/best_loss.pth": model(), "a/told.csv": told}
    assert attributed(files)["a/best_loss.pth"].value == 0.1


def test_a_history_is_of_the_one_run_beside_it_whose_name_ends_like_its_own() -> None:
    """`history_dice.json` is not torn from `sinkholes_dice.h5`; of two it is neither's."""
    told = {"w/history_dice.json": results(*curve("val_dice", 0.5, 0.6))}
    files = told | {"w/sinkholes_dice.h5": model(), "w/sinkholes_entropy.h5": model()}
    assert {run.key: run.records for run in grouped(files) if run.records} == {
        ("sinkholes", "dice"): ("w/history_dice.json",)
    }
    runs = grouped(files | {"w/caves_dice.h5": model()})
    assert not any(run.records for run in runs if run.checkpoints)


@pytest.mark.parametrize(
    ("name", "said"), [("best", "best by which metric, nothing"), ("net", "of the best epoch or")]
)
def test_the_plan_says_that_nothing_tells_which_epoch_a_model_is_of(
    write: Write, tmp_path: Path, name: str, said: str
) -> None:
    """The history has epochs, and the best of them by each metric is another."""
    write(f"w/{name}.pth", BARE)
    write("w/history.csv", "epoch,val_mae,val_loss\n1,0.4,0.9\n2,0.3,0.7\n3,0.5,0.6\n4,0.6,0.8\n")
    notes = [note for note in planned(tmp_path).notes if note.startswith(f"w/{name}.pth: {said}")]
    assert len(notes) == 1


def test_a_best_by_nobody_knows_which_metric_is_told_of(write: Write, tmp_path: Path) -> None:
    """The lowest loss and the highest accuracy were in two epochs; the user's metric decides."""
    write("exps/a/best_model.pt", {"w": Tensor((2, 2))})
    write("exps/a/log.csv", "epoch,val_loss,val_acc\n1,0.5,0.7\n2,0.3,0.8\n3,0.4,0.9\n")
    plan = planned(tmp_path)
    assert said(plan, "value") == {"exps/a/best_model.pt": None}
    note = "exps/a/best_model.pt: best by which metric, nothing says; [metric] in conventions.toml"
    assert any(line.startswith(note) for line in plan.notes)


def test_a_log_beside_a_model_that_stays_stays_with_it(write: Write, tmp_path: Path) -> None:
    """A program loads the model by its name; the log in another folder is an old log like any."""
    write("serve.py", "import flask\nnet = load('model/net.pt')\n")
    write("model/net.pt", {"w": Tensor((2, 2))})
    for text in ("model/log.txt", "logs/other.log"):
        write(text, "Epoch 1\nloss: 0.4\nEpoch 2\nloss: 0.5\n")
    assert touched(planned(tmp_path)) == {"logs/other.log"}


def test_a_best_that_stays_says_what_would_tell_how_good_it_is(
    write: Write, tmp_path: Path
) -> None:
    """Its curve is there, but the lowest loss and the highest accuracy were in two epochs."""
    write("serve.py", "import flask\nnet = load('exps/a/best_model.pt')\n")
    for name in ("a", "b"):
        write(f"exps/{name}/best_model.pt", {"w": Tensor((2, 2), seed=ord(name))})
    write("exps/a/log.csv", "epoch,val_loss,val_acc\n1,0.5,0.7\n2,0.3,0.8\n3,0.4,0.9\n")
    hints = [note for note in planned(tmp_path).notes if "[metric] in conventions.toml" in note]
    assert [note.split(":")[0] for note in hints] == ["exps/a/best_model.pt"]
