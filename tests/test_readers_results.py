"""Result files, configs, and what names say."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.readers import dates, may_be_read, numbers, read
from engine.readers.file_name import read_name
from engine.recognition.evidence import Reading


def given_text(folder: Path, text: str, name: str = "run.json") -> Reading | None:
    (folder / name).write_text(text)
    return read(folder / name, name)


def given_json(folder: Path, value: object, name: str = "run.json") -> Reading | None:
    return given_text(folder, json.dumps(value), name)


def said(reading: Reading | None) -> list[tuple[str, float, str, int | None]]:
    assert reading is not None
    return [(m.where, m.value, m.kind, m.epoch) for m in reading.measurements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mcc = 0.91\ntp = 12\n", [("key mcc", 0.91)]),
        ("Model: a/b.pth\n\nTest Accuracy: 71.25%\n", [("key Test Accuracy", 0.7125)]),
        ("Test AUC: 0.71\nTest AUC: 0.72\n", None),  # of two models
        ("Results on test data\nTest AUC: 0.71\n", None),
        ("Author: me\nSamples: 80\n", None),
        ("Test Results\n====\nAUC: 0.71\n", [("key test.AUC", 0.71)]),
        (
            "Training Set:\nAUC: 0.9\n\nValidation:\nAUC: 0.7\n",
            [("key train.AUC", 0.9), ("key val.AUC", 0.7)],
        ),
        ("Evaluation Metrics:\n----\nTest Set:\nAUC: 0.7\n\nTest Set:\nAUC: 0.8\n", None),
        ("Random Forest:\nTest AUC: 0.71\n", None),
    ],
)
def test_results_stand_on_lines_of_their_own(
    tmp_path: Path, text: str, expected: list[tuple[str, float]] | None
) -> None:
    """What says more than names and values may tell of other models: it is nobody's."""
    reading = given_text(tmp_path, text, "test_results.txt")
    found = None if reading is None else [(m.where, m.value) for m in reading.measurements]
    assert found == expected


def test_history_best_final_and_test_metrics_are_told_apart(tmp_path: Path) -> None:
    """The best value bears its epoch, the history the place of each value in the list."""
    reading = given_json(
        tmp_path,
        {
            "history": {"val_auc": [0.5, 0.6], "lr_head": [1e-4, 1e-5]},
            "best_val_auc": 0.6012345678901234,
            "best_epoch": 1,
            "final_metrics": {"val_auc": 0.55},
            "test_metrics": {"test_auc": 0.52},
        },
    )
    assert reading and (reading.role, reading.format) == ("results", "result JSON")
    assert said(reading) == [
        ("key history.val_auc[0]", 0.5, "epoch", 0),
        ("key history.val_auc[1]", 0.6, "epoch", 1),
        ("key best_val_auc", 0.6012345678901234, "best", 1),
        ("key final_metrics.val_auc", 0.55, "final", None),
        ("key test_metrics.test_auc", 0.52, "final", None),
    ]


@pytest.mark.parametrize(
    ("columns", "moment"),
    [
        ("Epoch,LR,Val Dice", (7, None)),
        ("EPOCH,lr,Dice", (7, None)),
        ("Step,Learning Rate,Dice", (None, 7)),
    ],
)
def test_the_epoch_of_a_row_is_found_however_it_is_spelled(
    tmp_path: Path, columns: str, moment: tuple[int | None, int | None]
) -> None:
    """A learning rate and a bare loss beside it, too."""
    reading = given_text(tmp_path, f"{columns},Loss\n7,0.1,0.8,0.3\n", "log.csv")
    assert reading
    assert [(m.value, (m.epoch, m.step), m.is_counted) for m in reading.measurements] == [
        (0.8, moment, False)
    ]


@pytest.mark.parametrize("more", [{}, {"best": {"best_val_acc": 0.8}, "duration": "0:52:28"}])
def test_curves_under_a_part_of_the_data_are_of_it(tmp_path: Path, more: dict[str, object]) -> None:
    """Each at the epoch that stands beside it, whatever else is in the file."""
    parts = {"train": {"epoch": [4, 5], "accuracy": [0.8, 0.9]}, "valid": {"accuracy": [0.6, 0.7]}}
    reading = given_json(tmp_path, parts | more, "metrics.json")
    assert reading
    rows = [m for m in reading.measurements if m.kind == "epoch"]
    assert [(m.name, m.where, m.value, m.epoch) for m in rows] == [
        ("train_accuracy", "key train.accuracy[0]", 0.8, 4),
        ("train_accuracy", "key train.accuracy[1]", 0.9, 5),
        ("val_accuracy", "key valid.accuracy[0]", 0.6, 0),
        ("val_accuracy", "key valid.accuracy[1]", 0.7, 1),
    ]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"loss": {"0": 0.5, "1": 0.4}, "val_loss": {"0": 0.7, "1": 0.6}}, ".val_loss[1]"),
        ({"loss": [0.5, 0.4], "val_loss": [0.7, 0.6], "classes": ["a"]}, ".val_loss[1]"),
        ({"train_loss": [0.5, 0.4], "val_loss": [0.7, 0.6], "args": {"lr": 1}}, ".val_loss[1]"),
        ({"train_loss": [0.5], "val_loss": [0.7, 0.6], "args": {"lr": 1}}, None),
        ({"val_acc": [0.7, 0.6], "mean_val_acc": 0.65}, None),
        ({"fold_train_acc": [0.8, 0.7], "fold_val_acc": [0.7, 0.6], "mean_val_acc": 0.65}, None),
    ],
)
def test_curves_are_found_as_pandas_writes_them_and_among_other_things(
    tmp_path: Path, value: dict[str, object], where: str | None
) -> None:
    """What stands in lists is a curve only where training and validation have one each."""
    reading = given_json(tmp_path, value, "history.json")
    found = [m for m in reading.measurements if m.kind == "epoch"] if reading else []
    assert [(m.where, m.value) for m in found[-1:]] == ([(f"key {where}", 0.6)] if where else [])


def test_what_is_told_of_the_model_may_stand_apart(tmp_path: Path) -> None:
    """In `model_info`; what a bare `info` is of, nothing says."""
    about = {"model_type": "FernNet", "num_classes": 7, "best_val_acc": 0.8}
    results = {"test_results": {"accuracy": 0.75}}
    reading = given_json(tmp_path, {"model_info": about} | results, "results.json")
    assert reading
    told = {(n.fact, n.value) for n in reading.notes}
    assert told == {("model_type", "FernNet"), ("classes", "7")}
    assert [m.value for m in reading.measurements] == [0.8, 0.75]
    bare = given_json(tmp_path, {"info": about} | results, "results.json")
    assert bare and not bare.notes


def test_a_flat_summary_gives_metric_facts_and_settings(tmp_path: Path) -> None:
    """Model, parameters and date are facts; a text of a number stays the setting that it is."""
    reading = given_json(
        tmp_path,
        {
            "best_auc": 0.57,
            "model": "PAT-L",
            "encoder_lr": "5e-5",
            "total_params": 1984289,
            "completed_at": "2025-07-24T17:52:02.742323",
        },
    )
    assert reading and reading.config == {"encoder_lr": "5e-5"}
    assert {n.fact: n.value for n in reading.notes} == {
        "model_type": "PAT-L",
        "parameters": "1984289",
        "finished": "2025-07-24T17:52:02.742323",
    }


def test_a_history_that_names_no_part_of_the_data_is_of_its_run_and_tells_no_value(
    tmp_path: Path,
) -> None:
    """Elsewhere, lists of no split may be those of methods: then the file is no result at all."""
    lists = {"total_loss": [0.7, 0.4], "lr": [0.1, 0.01]}
    assert said(given_json(tmp_path, lists, "history.json")) == []
    assert given_json(tmp_path, lists, "table.json") is None
    assert given_json(tmp_path, {"messages": ["hello"]}, "history.json") is None


def test_a_list_of_epochs_is_a_history(tmp_path: Path) -> None:
    """One mapping for each epoch, bare or under `history`, keeps the epochs as written."""
    rows = [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2.0, "val_loss": None}]
    bare = given_json(tmp_path, rows)
    under = given_json(tmp_path, {"history": rows})
    assert [m.epoch for m in bare.measurements] == [1, 2] if bare else False
    assert bare and under and len(under.measurements) == 2
    assert math.isnan(bare.measurements[1].value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("91.2", 91.2),
        ("true", math.nan),
        ('"0,95"', math.nan),
    ],
)
def test_an_odd_value_is_reported_as_read(tmp_path: Path, text: str, expected: float) -> None:
    """NaN, infinity, a percentage: what stands there is reported; what is no number is NaN."""
    reading = given_text(tmp_path, f'{{"best_val_auc": {text}}}')
    assert reading and repr(reading.measurements[0].value) == repr(expected)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "app", "version": "1.0", "dependencies": {}},
        {"accuracy": 5.0, "latitude": 48.1, "longitude": 11.5, "timestamp": "2025-07-25T10:00:00"},
        {"$schema": "x", "properties": {"accuracy": {"type": "number"}}},
        {"learning_rate": 1e-4, "target_auc": 0.625, "paper_results": {"auc": 0.6}},
        {"cells": [{"cell_type": "code"}], "nbformat": 4},
        {"editor.fontSize": 12},
        {"profit": 3, "loss": 2},
        [1, 2, 3],
    ],
)
def test_other_json_is_no_result(tmp_path: Path, value: object) -> None:
    """Packages, schemas, positions, recipes and notebooks are nobody's."""
    assert given_json(tmp_path, value) is None


@pytest.mark.parametrize("text", ["", "{not json", "[" * 100_000, "1" * 5000])
def test_broken_json_of_no_telling_name_is_nobodys(tmp_path: Path, text: str) -> None:
    """Nothing says that there should have been results."""
    assert given_text(tmp_path, text) is None


def test_a_result_file_that_is_broken_is_unreadable(tmp_path: Path) -> None:
    """Where the name says that there should be results, their absence is said."""
    reading = given_text(tmp_path, '{"best_auc": 0.5', "results_small.json")
    assert reading and reading.role == "unreadable" and "not valid JSON" in (reading.problem or "")


def test_a_config_is_flattened(tmp_path: Path) -> None:
    """YAML and JSON named as configs give dotted keys, and the facts among them."""
    (tmp_path / "train_config.yaml").write_text(
        "optimizer: {name: AdamW, betas: [0.9, 0.95]}\nbatch_size: 32\nseed: 7\nmodel: PAT-L\n"
    )
    reading = read(tmp_path / "train_config.yaml", "train_config.yaml")
    assert reading and reading.role == "config"
    assert reading.config == {
        "optimizer.name": "AdamW",
        "optimizer.betas": "[0.9, 0.95]",
        "batch_size": 32,
        "seed": 7,
        "model": "PAT-L",
    }
    assert {n.fact: n.value for n in reading.notes} == {"seed": "7", "model_type": "PAT-L"}
    hparams = given_json(tmp_path, {"lr": 0.1, "epochs": 3}, "hparams.json")
    assert hparams and hparams.role == "config"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".pre-commit-config.yaml", "lr: 1\nepochs: 2\n"),
        ("config.yaml", "server: {port: 80}\nlogging: info\n"),
        ("docker-compose.yml", "lr: 1\nepochs: 2\n"),
        ("params.yaml", "- just\n- a list\n"),
    ],
)
def test_other_configs_are_nobodys(tmp_path: Path, name: str, text: str) -> None:
    """A config that names no settings of a training is left alone."""
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name, name) is None


def test_plain_containers_of_python_are_read_as_what_they_hold(tmp_path: Path) -> None:
    """So do rl-baselines3-zoo, detectron2 and Lightning write them; no other object is read."""
    apply = "!!python/object/apply:collections.OrderedDict"
    for text, config in (
        (f"{apply}\n- - [lr, 0.1]\n  - [seed, 3]\n", {"lr": 0.1, "seed": 3}),
        ("lr: 0.1\nseed: !!python/tuple [1, 2]\n", {"lr": 0.1, "seed": "[1, 2]"}),
        ("!!python/object:argparse.Namespace {lr: 0.1, seed: 3}\n", {"lr": 0.1, "seed": 3}),
    ):
        (tmp_path / "config.yml").write_text(text)
        reading = read(tmp_path / "config.yml", "config.yml")
        assert reading and reading.config == config
    for text in (f"{apply} []\n", f"{apply} [3]\n", f"{apply} [[[a]]]\n", f"{apply} {{a: 1}}\n"):
        (tmp_path / "config.yml").write_text(text)
        reading = read(tmp_path / "config.yml", "config.yml")
        assert reading and (reading.problem or "").startswith("not plain YAML"), text


def test_hostile_yaml_is_refused(tmp_path: Path) -> None:
    """Alias bombs, Python tags, oversize and deep nesting are unreadable, and nothing is run."""
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
    )
    target = tmp_path / "ran"
    tag = f"lr: !!python/object/apply:os.system ['touch {target}']\nepochs: 1\n"
    for text in (bomb, tag, "a: 1\n" * 300_000, "a: " + "[" * 3000, "a: [\n"):
        (tmp_path / "config.yaml").write_text(text)
        reading = read(tmp_path / "config.yaml", "config.yaml")
        assert reading and reading.role == "unreadable" and reading.problem
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("best_stage1_auc_0.5788.pt", [("best_stage1_auc", 0.5788, None, 4)]),
        ("epoch=1-step=4-val_auc=0.56.ckpt", [("val_auc", 0.56, 1, 2)]),
        ("epoch=12-val_loss=0.1234-v1.ckpt", [("val_loss", 0.1234, 12, 4)]),
        ("epoch=1-val/loss=0.50.ckpt", [("val_loss", 0.5, 1, 2)]),
        ("model_acc91.2.pt", [("model_acc", 91.2, None, 1)]),
        ("lr0.001_auc0.71.pth.tar", [("auc", 0.71, None, 2)]),
        ("auc0.5929 (copy).pth", [("auc", 0.5929, None, 4)]),
        ("map50_0.61.pt", [("map50", 0.61, None, 2)]),
        ("m_auc_9.1e-1.pt", [("auc", 0.91, None, 2)]),
    ],
)
def test_a_metric_in_a_name_is_read(
    name: str, expected: list[tuple[str, float, int | None, int]]
) -> None:
    """A number that follows a metric's name is its value, with the decimals as written."""
    found = read_name(name).measurements
    assert [(m.name, m.value, m.epoch, m.digits) for m in found] == expected
    assert all((m.kind, m.where) == ("own", "file name") for m in found)


@pytest.mark.parametrize(
    "name",
    [
        "resnet50-0676ba61.pth",
        "pat_conv_l_best_0e5.pth",
        "lr_1e-4.pt",
        "PAT-L_29k_weights.h5",
        "model_v1.2.pth",
        "dropout0.1.pt",
        "target_auc_0.62.pt",
        "loss_weight_0.5.pt",
        "scale_0.5.pt",
        "accuracy_12.pt",
        "auc.pt",
        "",
    ],
)
def test_other_numbers_in_names_are_no_metrics(name: str) -> None:
    """Hashes, learning rates, sizes, versions, targets and counts are not results."""
    assert read_name(name).measurements == ()


def test_a_decimal_comma_in_a_name_is_no_number() -> None:
    """`0,95` is reported, and never compared."""
    (found,) = read_name("model_auc_0,95.pt").measurements
    assert math.isnan(found.value) and found.where == "file name (0,95)"


def test_dates_in_names_are_read_nearest_first() -> None:
    """The file's own date comes before that of its folder; impossible dates are passed over."""
    notes = read_name("run_2025-07-24/x_20250725_104438.pt").notes
    assert [(n.value, n.where) for n in notes] == [
        ("2025-07-25T10:44:38", "file name"),
        ("2025-07-24", "folder name"),
    ]
    assert read_name("model_20251399_12345678.pt").notes == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-25 10:44:38,042", "2025-07-25T10:44:38.042000"),
        ("2025-07-25T10:44:38.5Z", "2025-07-25T10:44:38.500000"),
        ("2025/07/25 10:44", "2025-07-25T10:44:00"),
        ("20250725_104438", "2025-07-25T10:44:38"),
        ("2025_7_5_10_4_8", "2025-07-05T10:04:08"),
        ("Fri Jul 25 10:44:38 2025", "2025-07-25T10:44:38"),
        ("Fri Jul  4 10:44:38 UTC 2025", "2025-07-04T10:44:38"),
        ("07/25/2025 10:44:38", "2025-07-25T10:44:38"),
        (1753440278, "2025-07-25T10:44:38"),
        ("2025-02-30", None),
        ("10080", None),
        (12.5, None),
    ],
)
def test_dates_are_read_in_many_forms(text: object, expected: str | None) -> None:
    """What is written as a date is one; what is impossible is none."""
    assert dates.of_value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5929", (0.5929, 4)),
        ("9.1e-1", (0.91, 2)),
        ("91.2%", (0.912, 3)),
        ("1e-4", (0.0001, 4)),
        ("12", (12.0, 0)),
        ("-inf", (-math.inf, None)),
        ("1.2.3", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_numbers_keep_their_decimals(text: str, expected: tuple[float, int | None] | None) -> None:
    """The value and the decimals as written are both known."""
    assert numbers.parse(text) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_results_are_found_in_every_encoding_of_json(tmp_path: Path, encoding: str) -> None:
    """A look at the first bytes, which passes numbers and texts over, does not miss them."""
    (tmp_path / "run.json").write_text(' \n{"epoch": 3, "val_auc": 0.9}', encoding=encoding)
    assert said(read(tmp_path / "run.json", "run.json"))


@pytest.mark.parametrize("name", ["run.json", "run.csv", "run.txt", "run.log"])
@pytest.mark.parametrize("text", ["0.25,0.5,0.75\n" * 3, "-1e5", "", "\n\n"])
def test_numbers_alone_tell_nothing(tmp_path: Path, name: str, text: str) -> None:
    """Most tables and texts of a project are data."""
    assert given_text(tmp_path, text, name) is None


def test_names_tell_which_files_may_be_read() -> None:
    """In whatever case, with one suffix, two or none; nothing else is opened."""
    known = ["a/x.PT", "m.pth.tar", "x.csv", "metrics", "a.b/last_checkpoint"]
    known += ["Events.Out.TFEvents.17.host.v2", "m.pkl.gz"]
    assert [*may_be_read([*known, "x.png", "a.pt/x.npy", "x.py"])] == known


def test_text_with_tabs_that_is_no_table_is_looked_at_once(tmp_path: Path) -> None:
    """A row of cells which is no header of a table does not take for ever."""
    assert given_text(tmp_path, "text" + "\tcell of letters" * 30, "notes.txt") is None


KERAS = """\
epoch,accuracy,loss,val_accuracy,val_loss
0,0.5,0.7,0.55,0.69
1,0.8,0.4,NA,0.5
"""


@pytest.mark.parametrize("comma", [",", " ", "  "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_log_of_commas_is_a_table(tmp_path: Path, end: str, comma: str) -> None:
    """Keras' CSVLogger is often told to write `training.log`; people print columns with spaces."""
    text = KERAS.replace("\n", end).replace(",", comma)
    (tmp_path / "training.log").write_bytes(text.encode())
    reading = read(tmp_path / "training.log", "training.log")
    assert reading and (reading.role, reading.format) == ("results", "results table")
    assert ("line 2, val_accuracy", 0.55, "epoch", 0) in said(reading)
    assert ("line 3, val_loss", 0.5, "epoch", 1) in said(reading)


@pytest.mark.parametrize(
    "text",
    [
        "epoch,accuracy,loss\nstarted at noon, loss 0.5, accuracy 0.7\n",
        "epoch,accuracy,loss\n",
        "epoch,accuracy,loss\n0,0.5\n",
        "height,width,age\n1,2,3\n",
    ],
)
def test_a_log_with_commas_that_is_no_table_is_read_as_a_log(tmp_path: Path, text: str) -> None:
    """Names without numbers below them, or of no metric, tell nothing as a table."""
    reading = given_text(tmp_path, text, "training.log")
    assert reading is None or reading.format != "results table"


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.text(max_size=80))
def test_every_name_is_survived(name: str) -> None:
    """No name raises, or tells something else the next time."""
    assert read_name(name) == read_name(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["history", "best_auc", "epoch", "metrics", "config", "model", "time", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@FUZZ
@given(JSON)
def test_every_json_is_survived(tmp_path: Path, value: object) -> None:
    """Any structure is a result, a config, or nobody's, whatever the types of its values."""
    for name in ("results.json", "config.json", "x.json"):
        reading = given_json(tmp_path, value, name)
        assert reading is None or reading.problem is None
