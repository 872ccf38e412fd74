"""Training logs: the many forms in which people write what happened."""

import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.readers import read, text_log
from engine.recognition import metrics
from engine.recognition.evidence import Reading

STAMP = "2025-07-25 10:44:38,042 - INFO - "
RUN = """\
2025-07-25 10:44:30,001 - INFO - ==================
2025-07-25 10:44:30,042 - INFO - Net-L Training for Sleep Staging
2025-07-25 10:44:30,042 - INFO - Target: 0.625 AUC (paper's result)
2025-07-25 10:44:31,000 - INFO - Learning rate: 1e-4
2025-07-25 10:44:31,000 - INFO - Batch size: 32
2025-07-25 10:44:31,000 - INFO - Model parameters:
2025-07-25 10:44:31,000 - INFO -   Total: 1,984,289
2025-07-25 10:44:38,042 - INFO - Epoch  1: Train Loss=1.3, Val Loss=1.2, Val AUC=0.5829, LR=9.77e-05
2025-07-25 10:45:38,042 - INFO - Epoch  2: Train Loss=1.1, Val Loss=1.1, Val AUC=0.5929, LR=9.77e-05
2025-07-25 10:45:38,310 - INFO - ✅ Saved best model with AUC: 0.5929
2025-07-25 10:45:39,310 - INFO - Early stopping at epoch 12
2025-07-25 10:45:39,310 - INFO - Gap to target: 0.032 AUC
2025-07-25 10:45:39,310 - INFO - Best val AUC: 0.5929 (epoch 2)
"""


def given_log(folder: Path, text: str | bytes, name: str = "a.log") -> Reading | None:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(folder / name, name)


def said(reading: Reading | None) -> list[tuple[str, float, str, int | None]]:
    assert reading is not None
    return [(m.name, m.value, m.kind, m.epoch) for m in reading.measurements]


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    """Epochs, the saved checkpoint and the best value are read; target, gap and rate are not."""
    reading = given_log(tmp_path, RUN)
    assert reading and (reading.role, reading.format) == ("log", "training log")
    assert said(reading) == [
        ("Train Loss", 1.3, "epoch", 1),
        ("Val Loss", 1.2, "epoch", 1),
        ("Val AUC", 0.5829, "epoch", 1),
        ("Train Loss", 1.1, "epoch", 2),
        ("Val Loss", 1.1, "epoch", 2),
        ("Val AUC", 0.5929, "epoch", 2),
        ("AUC", 0.5929, "saved", 2),
        ("Best val AUC", 0.5929, "best", 2),
    ]
    last = reading.measurements[-2]
    assert (last.where, last.digits) == ("line 10", 4)
    assert last.time == datetime(2025, 7, 25, 10, 45, 38, 310000)
    assert [(n.fact, n.value) for n in reading.notes] == [
        ("model_type", "Net-L"),
        ("task", "Sleep Staging"),
        ("parameters", "1984289"),
        ("started", "2025-07-25T10:44:30.042000"),
        ("finished", "2025-07-25T10:45:39.310000"),
    ]
    assert reading.config == {"learning_rate": 0.0001, "batch_size": 32}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Epoch 3/10 - loss: 0.3 - val_acc: 0.9", [("loss", 0.3, 3), ("val_acc", 0.9, 3)]),
        ("[epoch 4] val_auc 0.71", [("val_auc", 0.71, 4)]),
        ("epoch: 5, valid accuracy: 91.2%", [("valid accuracy", 0.912, 5)]),
        ("Epoch [6/15], Val Loss: 0.25.", [("Val Loss", 0.25, 6)]),
        ("{'eval_auc': 0.7, 'epoch': 9.0}", [("eval_auc", 0.7, 9)]),
        ('{"epoch": 2, "val_f1": 9.1e-1}', [("val_f1", 0.91, 2)]),
        ("Epoch 7, Val AUC: 0.5 (target: 0.62)", [("Val AUC", 0.5, 7)]),
        ("| INFO | main:train:42 - Epoch 8 | val_auc=0.6", [("val_auc", 0.6, 8)]),
        ("\x1b[32mEpoch 9: val_auc=0.6\x1b[0m", [("val_auc", 0.6, 9)]),
        ("[ 3/50] val_auc: 0.6", [("val_auc", 0.6, 3)]),
        ("[에폭 3/7] | val auc 0.6", [("val auc", 0.6, 3)]),
        ("[3/50][10/391] auc: 0.6", [("auc", 0.6, 3)]),
        ("Epoch 2: 100%|███| 9/9 [00:01<00:00, v_num=0, val_auc=0.71]", [("val_auc", 0.71, 2)]),
    ],
)
@pytest.mark.parametrize("stamp", ["", STAMP, "[2025-07-25 10:44:38] ", "INFO:root:"])
def test_an_epoch_is_read_in_many_forms(
    tmp_path: Path, stamp: str, line: str, expected: list[tuple[str, float, int]]
) -> None:
    """The forms of Keras, Lightning, Hugging Face and of people's own printing."""
    found = said(given_log(tmp_path, stamp + line + "\n"))
    assert found == [(name, value, "epoch", epoch) for name, value, epoch in expected]


@pytest.mark.parametrize(
    ("lines", "splits"),
    [
        ("Epoch 1: val: loss=0.6 acc=0.8 | train: loss=0.5 acc=0.9", ["val", "train"]),
        ("Val Epoch: 1 Loss: 0.6 Acc: 0.8\nTrain Epoch: 1 Loss: 0.5 Acc: 0.9", ["val", "train"]),
        ("| valid | epoch 1 | loss 6.5 | acc 0.8\n| train | epoch 1 | acc 0.9", ["val", "train"]),
        ("Epoch 1\nTraining loss: 0.5, accuracy: 0.9", ["train"]),
        ("1epoch results: [train] loss=0.5, acc=0.9, [valid] loss=0.6, acc=0.8", ["train", "val"]),
        ("Epoch 1\nTrain Loss: 0.5 Val Loss: 0.6 Acc: 0.8", [None]),
        ("Epoch 1: train: acc=0.9 test: loss=0.6 acc=0.8", ["train", None]),
        ("Epoch 1\nTest: [78/79] Loss 0.6 Acc 0.8", [None]),
        ("Epoch 1\nTraining goes on, accuracy: 0.8", [None]),
    ],
)
def test_a_label_says_of_which_data_the_figures_behind_it_are(
    tmp_path: Path, lines: str, splits: list[str | None]
) -> None:
    """A figure of training that is told last is not taken for one of validation."""
    found = given_log(tmp_path, f"device: cuda, lr: 0.1, epochs: 3\n{lines}\n")
    assert found is not None
    accuracies = [m.name for m in found.measurements if metrics.canonical(m.name) == "accuracy"]
    assert [metrics.split(name) for name in accuracies] == splits


def test_metrics_on_the_lines_after_an_epoch_belong_to_it(tmp_path: Path) -> None:
    """An epoch may be a heading with its figures below."""
    text = "Epoch 3/15\n  Val AUC: 0.5\n  Best AUC so far: 0.6\nEpoch 4/15\n  Val AUC: 0.55\n"
    assert said(given_log(tmp_path, text)) == [
        ("Val AUC", 0.5, "epoch", 3),
        ("Best AUC so far", 0.6, "best", None),
        ("Val AUC", 0.55, "epoch", 4),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        " Epoch | ValLoss | ValAcc |    LR | Time\n--------------------------------------\n"
        "   1/9 |  0.6341 | 60.67% | 0.001 | 19.6s  <- best\n"
        "   2/9 |  0.5590 | 71.25% | 0.001 | 19.4s\n",
        "Epoch, LR, Val Loss, Val Acc\n1, 0.1, 0.6341, 60.67\nSaved best to a.pth\n"
        "2, 0.1, 0.5590, 71.25\n",
        "epoch     val_loss  val_acc   time\n1         0.6341    60.67%    00:12\n"
        "2         0.5590    71.25%    00:11\n   precision   recall   f1   support\n"
        "0      0.95     0.93     0.94\n",
        "| Epoch | Val Loss | Val Acc |\n|---|---|---|\n| 1 | 0.6341 | 60.67 |\n"
        "| 2 | 0.5590 | 71.25 |\n",
        f"{STAMP}Epoch\tVal Loss\tVal Acc\n{STAMP}1\t0.6341\t60.67\n{STAMP}2\t0.5590\t71.25\n",
    ],
)
def test_a_table_in_a_log_has_a_row_for_each_epoch(tmp_path: Path, lines: str) -> None:
    """Below the names of its columns, however they are set apart; no row goes back."""
    reading = given_log(tmp_path, f"Training on cuda\nbatch size: 8\n\n{lines}")
    assert reading
    rows = [m for m in reading.measurements if m.kind == "epoch"]
    assert [(m.epoch, metrics.split(m.name), m.value) for m in rows] == [
        (1, "val", 0.6341),
        (1, "val", 0.6067 if "%" in lines else 60.67),
        (2, "val", 0.559),
        (2, "val", 0.7125 if "%" in lines else 71.25),
    ]


def test_each_training_prints_the_head_of_its_table_anew(tmp_path: Path) -> None:
    """The rows of a log that was appended to are of its last run, as elsewhere."""
    head = "Epoch | Val Loss | Val AUC\n"
    reading = given_log(tmp_path, f"{head}1 | 0.5 | 0.6\n2 | 0.4 | 0.7\n{head}1 | 0.6 | 0.5\n")
    assert reading
    assert [m.session for m in reading.measurements] == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "Epoch | Time | Memory\n1 | 12 | 40\n",
        "The epoch of loss was long\n1 2 3 4 5 6\n",
        "Epoch | Val Loss | Note\n1 | n/a | none\n",
        "Epoch | Epochs | Loss\n1 | 2 | 0.4\n",
    ],
)
def test_what_only_looks_like_a_table_is_none(tmp_path: Path, text: str) -> None:
    """Its columns are names, one is a metric, and its figures are numbers."""
    assert given_log(tmp_path, text) is None


@pytest.mark.parametrize(
    ("lines", "checkpoint"),
    [
        ("Saved best model with AUC: 0.6 to out/best.pth", "best.pth"),
        ("Saved best model with AUC: 0.6\n  path: out/best.pth", "best.pth"),
        ("Saved best model with AUC: 0.6\nall is well\n out/best.pth", None),
        ("Saved checkpoint to 'my models/best model.pt'", "best model.pt"),
        ("Epoch 00002: val_auc improved from 0.5 to 0.6, saving model to w.02.h5", "w.02.h5"),
        (r"Model saved: C:\runs\best.ckpt (val_auc: 0.6)", "best.ckpt"),
        ("Saved out/epoch_002.pth (Val auc=0.6)", "epoch_002.pth"),
        ("Saving 'out/epoch_2.pth', Val AUC: 0.6", "epoch_2.pth"),
        ("Saved out/best_model.pdparams (auc: 0.6)", "best_model.pdparams"),
    ],
)
def test_a_saved_checkpoint_is_named(tmp_path: Path, lines: str, checkpoint: str | None) -> None:
    """The file may stand on the line or on the next; without a figure, those of the epoch count."""
    reading = given_log(tmp_path, f"Epoch 2: val_auc=0.6\n{lines}\n")
    assert reading
    saved = [m for m in reading.measurements if m.kind == "saved"]
    assert [(m.value, m.checkpoint, m.epoch) for m in saved] == [(0.6, checkpoint, 2)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("New best AUC: 0.7", ("New best AUC", 0.7, "best", 2)),
        ("Best val AUC: 0.7 (epoch 1)", ("Best val AUC", 0.7, "best", 1)),
        ("Best model at epoch 1: AUC=0.7", ("AUC", 0.7, "best", 1)),
        ("Final test AUC: 0.7", ("Final test AUC", 0.7, "final", None)),
        ("Training complete\nTest AUC: 0.7", ("Test AUC", 0.7, "final", None)),
    ],
)
def test_best_and_final_are_of_the_run(
    tmp_path: Path, line: str, expected: tuple[str, float, str, int | None]
) -> None:
    """What is said of the whole run is not taken for the epoch's."""
    assert said(given_log(tmp_path, f"Epoch 2: val_auc=0.6\n{line}\n"))[1:] == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "Target AUC: 0.625",
        "Gap to target: 0.03 AUC",
        "Paper's result: AUC=0.6",
        "Baseline AUC = 0.6",
        "Previous best AUC: 0.6",
        "LR: 0.0001",
        "val_auc did not improve from 0.6",
    ],
)
def test_wishes_and_yardsticks_are_no_results(tmp_path: Path, line: str) -> None:
    """Targets, gaps, baselines and learning rates are left out."""
    assert len(said(given_log(tmp_path, f"Epoch 2: val_auc=0.5\n{line}\n"))) == 1


def test_runs_appended_to_one_file_are_sessions(tmp_path: Path) -> None:
    """Each run has its own epochs, dates and facts; a restart of the epochs is a new run, too."""
    later = RUN.replace("10:4", "11:4").replace("Net-L", "Net-M").replace("1e-4", "3e-5")
    reading = given_log(tmp_path, RUN + later + "Epoch 1: val_auc=0.4\n")
    assert reading
    assert {m.session for m in reading.measurements} == {0, 1, 2}
    named = {(n.session, n.value) for n in reading.notes if n.fact == "model_type"}
    assert named == {(0, "Net-L"), (1, "Net-M")}
    dates = {(n.session, n.fact): n.value for n in reading.notes if n.fact == "finished"}
    assert dates[0, "finished"] < dates[1, "finished"]


def test_a_mention_of_another_epoch_starts_nothing(tmp_path: Path) -> None:
    """Resuming from an epoch, stopping at one or praising one is not that epoch."""
    text = "Resuming from epoch 4\nEpoch 5: val_auc=0.5\nBest was epoch 3\nStopping at epoch 5\n"
    reading = given_log(tmp_path, text)
    assert said(reading) == [("val_auc", 0.5, "epoch", 5)]
    assert reading and reading.measurements[0].session == 0


def test_the_last_state_of_a_progress_bar_counts(tmp_path: Path) -> None:
    """Bars are overwritten with carriage returns; what they showed last is the epoch's."""
    bar = "".join(f"Epoch 1: {i}/9 loss=0.{9 - i}\r" for i in range(10))
    assert said(given_log(tmp_path, bar + "\n")) == [("loss", 0.0, "epoch", 1)]


def test_lines_that_differ_in_digits_alone_are_of_their_own_epochs(tmp_path: Path) -> None:
    """Of each epoch the last line of a kind counts, also where 1 is how 11 begins."""
    for form in ("val_auc: 0.{} epoch {}\n", "Epoch {1}/12 step {0} val_auc: 0.{0}\n"):
        lines = [form.format(step, epoch) for epoch in (1, 11, 12) for step in (3, 5, 4)]
        read = given_log(tmp_path, "".join(lines))
        assert said(read) == [("val_auc", 0.4, "epoch", epoch) for epoch in (1, 11, 12)]


def test_a_run_that_was_appended_begins_anew(tmp_path: Path) -> None:
    """What its first lines say is its own, though they are shaped like lines of the run before."""
    run = "Training net_a\nfinal val_auc: 0.{0}\nEpoch 1: val_auc: 0.{1}\nfinal val_auc: 0.{2}\n"
    read = given_log(tmp_path, run.format(1, 2, 3) + run.format(4, 5, 6))
    assert read
    finals = [(m.value, m.session) for m in read.measurements if m.kind == "final"]
    assert finals == [(0.1, 0), (0.3, 0), (0.4, 1), (0.6, 1)]


def test_a_run_ends_with_a_time_of_its_own(tmp_path: Path) -> None:
    """The last time of the run before it in the file is not when a run without times ended."""
    text = f"Training net_a\n{STAMP}Epoch 1: val_auc: 0.5\nTraining net_b\nEpoch 1: val_auc: 0.6\n"
    read = given_log(tmp_path, text)
    assert read
    assert [(n.fact, n.session) for n in read.notes if n.fact == "finished"] == [("finished", 0)]


def test_a_validation_that_is_told_after_the_saving_counts(tmp_path: Path) -> None:
    """Keras saves before the last state of its progress bar, and that has the validation."""
    epochs = (
        f"Epoch {n}/2\r1/4 - auc: 0.3 - loss: 0.9\nEpoch {n}: saving model to w.0{n}.h5\n"
        f"\b\b\b\r4/4 - 2s - auc: 0.5 - loss: 0.8 - val_auc: 0.{n + 5} - val_loss: 0.7\n"
        for n in (1, 2)
    )
    reading = given_log(tmp_path, "".join(epochs))
    assert reading
    saved = [m for m in reading.measurements if m.kind == "saved" and m.name == "val_auc"]
    assert [(m.checkpoint, m.value, m.where) for m in saved] == [
        ("w.01.h5", 0.6, "line 5"),
        ("w.02.h5", 0.7, "line 10"),
    ]


@pytest.mark.parametrize(
    ("epochs", "end", "expected"),
    [
        ([True, True, False, False], "Training complete. Best model saved.\n", [1, 2]),
        ([True, True, False, False], "Best model saved\n", [1, 2]),
        ([True, False, False, True], "", [1, 4]),  # such a line was one of an epoch before
        ([False, False, False, True], "", []),  # it may be a word about all of the training
    ],
)
def test_a_best_that_was_saved_without_a_figure_is_of_its_epoch(
    tmp_path: Path, epochs: list[bool], end: str, expected: list[int]
) -> None:
    """Its line stands below those of the epoch; nobody says by which metric it is the best."""
    lines = [
        f"Epoch {n}: val_loss=0.{n} val_acc=0.{n}\n" + "Saved best model!\n" * is_best
        for n, is_best in enumerate(epochs, start=1)
    ]
    reading = given_log(tmp_path, "".join(lines) + end)
    assert reading
    saved = [(m.name, m.epoch) for m in reading.measurements if m.kind == "saved"]
    assert saved == [(name, n) for n in expected for name in ("val_loss", "val_acc")]


def test_steps_without_epochs_are_read(tmp_path: Path) -> None:
    """Where a training counts steps, its validation figures bear the step."""
    reading = given_log(tmp_path, "step 250: train loss 2.1, val loss 2.2\n")
    assert reading
    assert [(m.name, m.value, m.step) for m in reading.measurements] == [("val loss", 2.2, 250)]


@pytest.mark.parametrize(
    "line",
    [
        "[{}/6][3/10] Loss_D: 0.9 Loss_G: 1.2 D(x): 0.5",
        "[Epoch {}/200] [Batch 0/938] [D loss: 0.69] [G loss: 0.7]",
        "step {}: loss: 0.62",
        "Epoch {} | train 0.86 | val 0.65",
    ],
)
def test_a_log_of_losses_that_decide_nothing_is_one_of_a_training(
    line: str, tmp_path: Path
) -> None:
    """It goes with its run, as that of a GAN or of steps; one line is none."""
    several = "".join(line.format(n) + "\n" for n in (1, 2, 3))
    reading = given_log(tmp_path, several, "out.txt")
    assert reading and (reading.role, reading.measurements) == ("log", ())
    assert given_log(tmp_path, line.format(1), "out.txt") is None


def test_counts_in_brackets_are_not_all_epochs(tmp_path: Path) -> None:
    """Those of batches and of steps of a build are none."""
    for text in ("Test: [10/98] Loss 0.7 Acc@1 70.1 val", "[10/98] Building validation 1"):
        assert given_log(tmp_path, f"{text}\n[12/98] Linking\n") is None


CRASHED = """\
2025-07-25 09:11:42,553 - INFO - Using device: cuda
2025-07-25 09:11:42,312 - INFO - Data shapes - Train: (3077, 10080), Val: (1026, 10080)
2025-07-25 09:11:42,904 - INFO - Loading pretrained transformer weights...
2025-07-25 09:11:43,239 - INFO - Model parameters:
2025-07-25 09:11:43,249 - INFO - Using pos_weight: 9.91 for class imbalance
2025-07-25 09:11:43,249 - INFO - Optimizer configuration:
2025-07-25 09:11:43,250 - INFO -   - Head LR: 0.0005
Traceback (most recent call last):
UnboundLocalError: cannot access local variable
"""


def test_a_training_that_crashed_before_its_first_epoch_is_one(tmp_path: Path) -> None:
    """Its words tell it, although there is no result in it."""
    reading = given_log(tmp_path, CRASHED, "run.out")
    assert reading and (reading.role, reading.measurements) == ("log", ())
    assert reading.config == {"pos_weight": 9.91, "head_lr": 0.0005}


APPLICATION = (
    "2025-07-25 10:00:00 INFO server started on device cuda\n"
    "2025-07-25 10:00:01 INFO Loaded model weights from best.pth (val AUC: 0.5929)\n"
    "2025-07-25 10:00:02 ERROR prediction failed, loss of connection\n"
)
PYTEST = "===== test session starts =====\ntests/test_a.py::test_b PASSED\nEpoch 1: val_auc=0.5\n"
SERVER = '127.0.0.1 - - [25/Jul/2025:10:44:38] "GET /epoch/3 HTTP/1.1" 200 5\n'
ADVICE = (
    "* Use a learning rate scheduler, and early stopping when the validation loss rises.\n"
    "* Try SGD instead of Adam as the optimizer, and another batch size or number of epochs.\n"
    "* Start from a pretrained model; use class weights where the data is not balanced.\n"
)


@pytest.mark.parametrize(
    "text",
    [APPLICATION, PYTEST, SERVER, ADVICE, "torch==2.3\nnumpy\n", "", b"\0\1Epoch 1: val_auc=0.5\n"],
)
def test_other_logs_are_nobodys(tmp_path: Path, text: str | bytes) -> None:
    """Applications, test runs, servers, advice, requirements and binary data are no trainings."""
    assert given_log(tmp_path, text) is None
    assert given_log(tmp_path, text, "a.txt") is None


def test_a_log_of_another_suffix_is_nobodys(tmp_path: Path) -> None:
    """A Markdown file that quotes a log is a document."""
    assert given_log(tmp_path, RUN, "notes.md") is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16; bytes that are no UTF-8 do no harm."""
    text = "Modèle\r\nEpoch 1: val_auc=0.5\r\nEpoch 2: val_auc=0.6\r\n".encode(encoding)
    assert [value for _, value, _, _ in said(given_log(tmp_path, text))] == [0.5, 0.6]


def test_large_logs_are_bounded(tmp_path: Path) -> None:
    """A line without an end, millions of steps and a long application log take seconds."""
    start = time.process_time()
    long_line = given_log(tmp_path, "Epoch 1: val_auc=0.5 " * 400_000)
    steps = "".join(f"{STAMP}Epoch 1 step {i}/200000 loss: 0.{i}\n" for i in range(100_000))
    last = given_log(tmp_path, steps)
    other = given_log(tmp_path, f"{STAMP}model loaded for request on device 0\n" * 100_000)
    assert time.process_time() - start < 15
    assert long_line and len(long_line.measurements) == 1
    assert last and [m.where for m in last.measurements] == ["line 100000"]
    assert other is None


FRAGMENTS = [
    *("Epoch ", "epoch=", "1", "2", "0.5", "nan", "0,95", " ", "\n", "\r", ": ", "val_auc", "="),
    *("Loss", "best ", "saved model ", "x.pth", "2025-07-25 10:00:00", "%", "(", "é", "\x1b[1m"),
]
PIECES = st.lists(st.sampled_from(FRAGMENTS), max_size=60)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PIECES)
def test_any_mixture_is_survived(tmp_path: Path, pieces: list[str]) -> None:
    """Whatever the lines look like, the file is a training log or nobody's."""
    reading = given_log(tmp_path, "".join(pieces))
    assert reading is None or (reading.role, reading.problem) == ("log", None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PIECES, st.integers(0, 200), st.integers(1, 50))
def test_lines_say_the_same_alone_and_together(
    tmp_path: Path, pieces: list[str], together: int, chunk: int
) -> None:
    """How much is looked at and read at once changes nothing, nor the number of a line."""
    text = "".join([*pieces * 3, "\nEpoch 7: val_auc=0.5\n"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_log, "TOGETHER", 0)
        alone = repr(given_log(tmp_path, text))  # which tells a NaN to be one
        patch.setattr(text_log, "TOGETHER", together)
        patch.setattr(text_log, "CHUNK", chunk)
        assert repr(given_log(tmp_path, text)) == alone


def test_a_line_among_others_of_its_form_is_of_its_own_epoch(tmp_path: Path) -> None:
    """Whatever lies between: a header that names the epoch, or lines that tell nothing."""
    lines = []
    for epoch in range(1, 4):
        for step in range(150):
            lines += [f"epoch {epoch}: step {step} loss {step / 1000}", f"lr {step}", f"ok {step}"]
        lines += [f"val_auc 0.{epoch}", f"f1: 0.{epoch}" if epoch == 2 else f"f: 0.{epoch}"]
    read = said(given_log(tmp_path, "\n".join(lines)))
    assert [s for s in read if s[0] == "loss"] == [("loss", 0.149, "epoch", e) for e in (1, 2, 3)]
    assert [s for s in read if s[0] == "val_auc"] == [
        ("val_auc", e / 10, "epoch", e) for e in (1, 2, 3)
    ]
    assert [s for s in read if s[0] == "f1"] == [("f1", 0.2, "epoch", 2)]


def test_a_path_after_a_saved_model_is_its_own(tmp_path: Path) -> None:
    """Although a line like it was read before and told nothing."""
    text = "Epoch 1: val_auc 0.5\nweights to a/e1.pth\nNew best model saved, AUC 0.5\n"
    reading = given_log(tmp_path, text + "weights to a/e2.pth\nweights to a/e3.pth\n")
    assert reading and [m.checkpoint for m in reading.measurements] == [None, "e2.pth"]


def test_a_line_far_below_the_first_of_its_epoch_is_of_it(tmp_path: Path) -> None:
    """The lines between name the epoch, too, although they are not read one by one."""
    lines = []
    for epoch in (1, 2):
        for step in range(100):
            lines += [f"Epoch {epoch} step {step}: loss 0.5"]
            lines += [f"worker {step} f1: 0.{epoch}{step}"] * (step < 95)
    read = said(given_log(tmp_path, "\n".join(lines)))
    assert [s for s in read if s[0] == "f1"] == [
        ("f1", 0.194, "epoch", 1),
        ("f1", 0.294, "epoch", 2),
    ]


def test_steps_without_an_epoch_tell_what_validation_gave(tmp_path: Path) -> None:
    """Whatever repeats between: a loss of one step is no figure of the run, nor is a rate."""
    lines = ["Using device cuda", "lr: 0.5"]
    for step in range(300):
        lines += [f"step {step} | loss {step / 1000} | lr: {step}e-5"]
        lines += [f"step {step} val_loss {step / 100}"] * (step % 100 == 99)
    reading = given_log(tmp_path, "\n".join(lines))
    assert reading and [(m.name, m.value, m.step, m.epoch) for m in reading.measurements] == [
        ("val_loss", value, step, None) for value, step in ((0.99, 99), (1.99, 199), (2.99, 299))
    ]
    assert reading.config == {"lr": 0.5}


BATCHES = """Epoch: [1][0/200]\tTime 0.1 (0.1)\tLoss 0.90 (0.95)\tPrec@1 61.0 (60.0)
Epoch: [1][100/200]\tTime 0.1 (0.1)\tLoss 0.70 (0.80)\tPrec@1 79.0 (71.5)
"""


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("Test: [0/50]\tLoss 0.4 (0.4)\tPrec@1 87.0 (87.0)\n * Testing Prec@1 86.3\n", [86.3]),
        ("Test: [0/50]\tLoss 0.4 (0.4)\tPrec@1 87.0 (87.0)\n", []),
        ("Test: [49/50]\tLoss 0.4 (0.5)\tPrec@1 87.0 (85.2)\n", [85.2]),
    ],
)
def test_a_figure_of_a_batch_is_not_that_of_its_epoch(
    tmp_path: Path, test: str, told: list[float]
) -> None:
    """While it trains it is of training, and of a test only what all of its batches gave counts."""
    found = given_log(tmp_path, BATCHES + test)
    assert found is not None
    split = [(metrics.split(m.name), m.value) for m in found.measurements if "Prec" in m.name]
    assert split[:1] == [("train", 71.5)]
    assert [value for part, value in split if part != "train"] == told


def test_each_known_metric_on_a_line_of_its_own_is_read(tmp_path: Path) -> None:
    """No other word has to stand on the line that says of what it tells."""
    found = given_log(tmp_path, "Epoch 1/3\nloss 0.5\nPSNR: 31.2, SSIM: 0.91\n")
    assert found is not None
    assert [m.value for m in found.measurements] == [0.5, 31.2, 0.91]


def test_a_new_best_of_a_metric_tells_by_which_the_best_is_kept(tmp_path: Path) -> None:
    """So the examples of Stanford's CS230 write, without the figure."""
    text = "Epoch 1/2\nval_loss: 0.5\n- Found new best val_loss\nFound new best model\n"
    found = given_log(tmp_path, text)
    assert found is not None
    said = [(n.value, n.where) for n in found.notes if n.fact == "monitor"]
    assert said == [("val_loss", "line 3")]


def test_what_is_tested_when_the_optimization_is_finished_is_of_no_epoch(tmp_path: Path) -> None:
    """The file that the next training names is not what was tested before it."""
    lines = ["Epoch: 0001", "loss= 0.5 accuracy= 0.9", "Optimization Finished!"]
    lines += ["Test set results: loss= 0.4 accuracy= 0.8", "best model saved at: w/net.pt"]
    found = given_log(tmp_path, "\n".join(lines) + "\n")
    assert found is not None
    tested = [(m.kind, metrics.split(m.name), m.value) for m in found.measurements[2:]]
    assert tested == [("final", "test", 0.4), ("final", "test", 0.8)]


def test_what_someone_wrote_about_a_training_is_no_log(tmp_path: Path) -> None:
    """An essay has the words of a log's beginning, in sentences."""
    essay = (
        "I chose the device and the optimizer with care. The learning rate was lr=0.001 at first.\n"
        "Of 8,161 training and 20 validation items we used all. A batch size of 32 was enough.\n"
        "We fine-tuned a pretrained net. Its scheduler had a patience of 4.\n"
    )
    assert given_log(tmp_path, essay) is None
