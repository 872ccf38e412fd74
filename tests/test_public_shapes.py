"""Shapes of public repositories: what programs load stays, what is alike is told apart."""

import io
import json
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conventions_text import CONVENTIONS
from engine.plans.cleanup_plan import Options, cleanup
from engine.plans.plan import Plan
from engine.project import open_project
from engine.recognition.findings import look
from mess import NOW
from torch_writer import Tensor

Write = Callable[..., None]
BARE = {"layer.weight": Tensor((2, 2), seed=1)}
EPOCHS = "".join(f"Epoch {n}: val_auc: 0.{n}5\n" for n in range(1, 6))


def planned(root: Path, *, tracked: bool = False) -> Plan:
    """Return what a clean-up would do; `tracked` commits everything to git first."""
    if tracked:
        subprocess.run(["git", "init", "-q", root], check=True)
        subprocess.run(["git", "-C", root, "add", "-f", "."], check=True)
    conventions = root / "training/conventions.toml"
    conventions.parent.mkdir(exist_ok=True)
    conventions.write_text(CONVENTIONS.replace("in_use_minutes = 10", "in_use_minutes = 0"))
    project = open_project(root, conventions, {})
    return cleanup(project, look(project), Options(NOW))


def touched(plan: Plan) -> set[str]:
    """Return the files that would not stay as they are."""
    return {str(action.src) for action in plan.actions if action.src and action.verb != "skip"}


def said(plan: Plan, fact: str = "role") -> dict[str, object]:
    """Return what the plan says of each checkpoint."""
    return {str(c["path"]): c[fact] for c in plan.checkpoints}


def test_a_link_that_will_lead_nowhere_is_named(write: Write, tmp_path: Path) -> None:
    """ESPnet's `valid.acc.best.pth` leads to an epoch; in a run's own folder it goes along."""
    write("exp/asr/net_epoch_3.pth", BARE)
    write("exp/asr/net_epoch_4.pth", {"layer.weight": Tensor((2, 2), seed=9)})
    (tmp_path / "exp/asr/valid.best.pth").symlink_to("net_epoch_3.pth")
    (tmp_path / "exp/asr/elsewhere.pth").symlink_to("/dev/null")
    (tmp_path / "latest.pth").symlink_to(tmp_path / "exp/asr/net_epoch_4.pth")
    notes = [note for note in planned(tmp_path).notes if "links to" in note]
    assert [note.partition(", ")[0] for note in notes] == [
        "latest.pth: links to exp/asr/net_epoch_4.pth",
        "exp/asr/valid.best.pth: links to exp/asr/net_epoch_3.pth",
    ]
    assert all(".tar.gz" in note for note in notes)


def test_checkpoints_among_data_are_named_as_not_looked_for(write: Write, tmp_path: Path) -> None:
    """Some programs write their runs to a folder that is called so."""
    write("data/exp/exp_s0/model.pt", BARE)
    write("data/exp/exp_s1/model.pt", BARE)
    write("data/exp/exp_s2/model.th", BARE)
    assert planned(tmp_path).notes == (
        "data/exp/exp_s0/model.pt and 2 more: left alone, as data sets; checkpoints there are not "
        "looked for",
        "no checkpoints, logs or results of a training lie out of place",
    )


# --- what stays ----------------------------------------------------------------------------------


def test_a_text_that_is_called_like_weights_is_none(write: Write, tmp_path: Path) -> None:
    """Words of Portuguese end in `.pt`, and a list of folders for Python in `.pth`."""
    write("share/nonbreaking_prefix.pt", "# abreviações\nSr\nSra\nDr\n")
    write("tools/paths.pth", "/opt/one\n/opt/two\n/opt/three\n")
    plan = planned(tmp_path, tracked=True)
    assert (touched(plan), plan.checkpoints) == (set(), ())


def test_tables_of_a_model_that_stays_stay_with_it(write: Write, tmp_path: Path) -> None:
    """CatBoost writes `catboost_info/`; other checkpoints lie above it."""
    write("output/net_best.pth", {"w": Tensor((2, 2), seed=1)})
    booster = {"learner": {"attributes": {"best_score": "0.7"}}, "version": [3, 2, 0]}
    write("output/cat/model.json", json.dumps(booster))
    write("output/cat/info/test_error.tsv", "iter\tAUC\n0\t0.6\n1\t0.7\n")
    assert touched(planned(tmp_path, tracked=True)) == {"output/net_best.pth"}


def test_a_log_beneath_a_model_that_stays_stays_with_it(write: Write, tmp_path: Path) -> None:
    """It is of no run that moves; one elsewhere is of nobody knows what."""
    booster = {"learner": {"attributes": {"best_score": "0.7"}}, "version": [3, 2, 0]}
    write("output/cat_20260401_101525/model.json", json.dumps(booster))
    for folder in ("output/cat_20260401_101525/logs", "logs"):
        write(f"{folder}/boosting.log", "Epoch 1: val_auc=0.6\nEpoch 2: val_auc=0.7\n")
    assert touched(planned(tmp_path, tracked=True)) == {"logs/boosting.log"}


def test_what_tells_of_a_model_that_stays_stays_with_it(write: Write, tmp_path: Path) -> None:
    """A log elsewhere that is called like it, and tables beside it, whoever else lies there."""
    write("app.py", "from flask import Flask\nnet = load('saved/wide_net.pth')\n")
    write("saved/wide_net.pth", BARE)
    write("saved/yolov8n.pt", {"layer.weight": Tensor((2, 2), seed=2)})
    write("saved/training_log_deep.csv", "epoch,val_auc\n1,0.5\n2,0.7\n")
    write("out/wide_net_training.log", EPOCHS + "Epoch 6: val_auc: 0.5\n")  # best, or last?
    assert touched(planned(tmp_path, tracked=True)) == {"saved/yolov8n.pt"}


def test_a_tracked_model_that_a_program_names_stays(write: Write, tmp_path: Path) -> None:
    """Nothing tells how good it is, so an archive would only break the program."""
    write("app.py", "model = load('weights/net.pth')\n")
    write("weights/net.pth", BARE)
    write("weights/optimizer.pth", {"state": {}, "param_groups": [{"lr": 0.1}]})
    plan = planned(tmp_path, tracked=True)
    assert touched(plan) == set()
    assert said(plan) == {"weights/net.pth": "ignored", "weights/optimizer.pth": "ignored"}
    assert "app.py names net.pth" in str(said(plan, "problem")["weights/net.pth"])


def test_what_git_tracks_in_a_package_stays(write: Write, tmp_path: Path) -> None:
    """A vendored package loads its weights by a name that it puts together."""
    write("lpips/__init__.py", "path = 'weights/v%s/%s.pth' % ('0.1', 'vgg')\n")
    write("lpips/weights/v0.1/vgg.pth", BARE)
    assert said(planned(tmp_path)) == {"lpips/weights/v0.1/vgg.pth": "candidate"}
    plan = planned(tmp_path, tracked=True)
    assert touched(plan) == set()
    assert "part of the package lpips" in str(said(plan, "problem"))
    write("lpips/weights/v0.1/vgg.json", json.dumps({"val_auc": 0.9}))
    assert said(planned(tmp_path, tracked=True)) == {"lpips/weights/v0.1/vgg.pth": "production"}


@pytest.mark.parametrize("tracked", [True, False])
def test_a_model_that_is_served_stays_without_git(
    tracked: bool, write: Write, tmp_path: Path
) -> None:
    """Be it in no repository, or ignored there; a training script alone does not keep one."""
    write("web/app.py", "from flask import Flask\nnet = load('weights/net.pth')\n")
    write("train.py", "import torch\nsave('weights/other/net2.pth')\n")
    write(".gitignore", "*.pth\n")
    if tracked:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
        subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    write("weights/net.pth", BARE)
    write("weights/other/net2.pth", {"layer.weight": Tensor((2, 2), seed=7)})
    assert said(planned(tmp_path)) == {
        "weights/net.pth": "ignored",
        "weights/other/net2.pth": "candidate",
    }


def test_the_state_in_a_folder_that_is_one_checkpoint_goes_with_it(
    write: Write, tmp_path: Path
) -> None:
    """Git tracks both; no note says that the optimizer of a packed model stays."""
    for step in ("50", "100"):
        folder = f"output/checkpoint-{step}"
        write(f"{folder}/adapter_config.json", '{"peft_type": "LORA"}')
        write(f"{folder}/adapter_model.bin", {"a": Tensor((2, 2), seed=int(step))})
        write(f"{folder}/optimizer.pt", {"state": {}, "param_groups": [{"lr": float(step)}]})
    write("other/optimizer.pt", {"state": {}, "param_groups": [{"lr": 0.1}]})
    plan = planned(tmp_path, tracked=True)
    stays = [note for note in plan.notes if "stay" in note]
    assert stays == [
        "other/optimizer.pt: stays: git tracks it, and no model is beside it",
    ]
    assert "output/checkpoint-50/optimizer.pt" in touched(plan)


def test_the_plan_says_in_a_line_for_each_reason_what_stays(write: Write, tmp_path: Path) -> None:
    """However many there are, or that nothing was found at all."""
    write("readme.md", "nothing here")
    nothing = "no checkpoints, logs or results of a training lie out of place"
    assert planned(tmp_path).notes == (nothing,)
    write("demo.py", "load('weights/b.pth')\n")
    for seed, name in enumerate("abc"):
        write(f"weights/{name}.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    for number in (1, 2):
        write(f"state/optimizer_{number}.pth", {"state": {}, "param_groups": [{"lr": number}]})
    assert set(planned(tmp_path, tracked=True).notes) == {
        "state/optimizer_1.pth and 1 more: stay: git tracks them, and no model is beside them",
        "weights/b.pth and 2 more: stay: demo.py names b.pth, and nothing tells how good they are",
    }


def test_a_part_of_a_name_names_no_model(write: Write, tmp_path: Path) -> None:
    """`my_net.pth` and `net.pth.tar` are other files, and one that git ignores is not shipped."""
    write("train.py", "save('my_net.pth'); save('net.pth.tar')\n")
    write("weights/net.pth", BARE)
    assert said(planned(tmp_path, tracked=True)) == {"weights/net.pth": "candidate"}


def test_a_named_model_of_a_training_that_tells_is_dealt_with(write: Write, tmp_path: Path) -> None:
    """With a metric known, the best goes to production and references are rewritten."""
    write("train.py", "save('weights/net_best.pth')\n")
    write("weights/net_best.pth", BARE | {"val_auc": 0.9})
    write("weights/net_last.pth", {"layer.weight": Tensor((2, 2), seed=2)})
    plan = planned(tmp_path, tracked=True)
    assert said(plan) == {
        "weights/net_best.pth": "production",
        "weights/net_last.pth": "candidate",
    }


def test_a_named_model_that_nothing_tells_of_stays_beside_one_that_is_told(
    write: Write, tmp_path: Path
) -> None:
    """Of another training; the last of the same one goes with its best."""
    write("app.py", "load('weights/faces.pth'); load('weights/net_last.pth')\n")
    write("weights/net_best.pth", BARE | {"val_auc": 0.9})
    for seed, name in enumerate(("net_last", "faces"), start=2):
        write(f"weights/{name}.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    assert said(planned(tmp_path, tracked=True)) == {
        "weights/net_best.pth": "production",
        "weights/net_last.pth": "candidate",
        "weights/faces.pth": "ignored",
    }
    write("weights/adam_optimizer.pth", {"state": {}, "param_groups": [{"lr": 0.1}]})
    assert "weights/adam_optimizer.pth" in touched(planned(tmp_path, tracked=True))


def test_a_tracked_mlflow_model_is_not_split(write: Write, tmp_path: Path) -> None:
    """Its pickle stays with the program, and so does what describes it."""
    for name, content in MLFLOW.items():
        write(f"served/model/{name}", content)
    write("old_store/0/0123/meta.yaml", "run_id: 0123\n")
    for name in ("artifacts/best.pth", "metrics/auc", "params/lr", "tags/x"):
        write(f"old_store/0/0123/{name}", BARE if name.endswith(".pth") else "1 0.5 1\n")
    assert touched(planned(tmp_path, tracked=True)) == set()


class LinearModel:
    """What an estimator's pickle names."""


MLFLOW: dict[str, object] = {
    "MLmodel": "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n",
    "conda.yaml": "name: mlflow-env\n",
    "model.pkl": pickle.dumps(LinearModel()),
}


def test_weights_in_a_data_folder_of_a_model_move_with_it(write: Write, tmp_path: Path) -> None:
    """MLflow keeps the weights of torch in `data/`, which elsewhere means a data set."""
    write("runs/net/model/MLmodel", "flavors:\n  pytorch:\n    model_data: data\n")
    write("runs/net/model/data/model.pth", BARE)
    write("runs/net/model/data/pickle_module_info.txt", "mlflow.pytorch.pickle_module")
    assert len(touched(planned(tmp_path))) == 3


# --- what came from elsewhere --------------------------------------------------------------------


def test_weights_that_a_config_starts_from_are_no_result(write: Write, tmp_path: Path) -> None:
    """The table beside them is of the model that was trained, wherever that is by now."""
    write("args.yaml", "task: segment\nmode: train\nmodel: C://me//base_seg.pt\nepochs: 10\n")
    write("results.csv", "epoch,metrics/mAP50(B)\n1,0.3\n2,0.9\n")
    write("base_seg.pt", BARE)
    plan = planned(tmp_path)
    assert (said(plan), said(plan, "value")) == (
        {"base_seg.pt": "pretrained"},
        {"base_seg.pt": None},
    )


def test_a_training_that_goes_on_from_another_is_one_of_ours(write: Write, tmp_path: Path) -> None:
    """`best.pt` is what every training writes, and a log tells who wrote `stage1.pt`."""
    for name in ("train", "train2"):
        write(f"runs/{name}/weights/best.pt", BARE | {"name": name, "val_auc": 0.5})
        write(f"runs/{name}/args.yaml", "model: runs/train/weights/best.pt\nepochs: 3\nlr0: 0.1\n")
    write("stage2/config.yaml", "pretrained: stage1.pt\nlr: 0.1\nepochs: 3\n")
    write("out/stage1.pt", {"layer.weight": Tensor((2, 2), seed=5)})
    write("out/train.log", EPOCHS + "Saved model to out/stage1.pt (val_auc: 0.55)\n")
    assert "pretrained" not in said(planned(tmp_path)).values()


@pytest.mark.parametrize(
    "name", ["yolov8n.pt", "yolo11n-seg.pt", "yolov5su.pt", "yolov8x-worldv2.pt"]
)
def test_ultralytics_own_names_are_those_of_published_weights(
    name: str, write: Write, tmp_path: Path
) -> None:
    """Their metrics are of another data set; `yolov8n_helmets.pt` is someone's own."""
    write(f"weights/{name}", BARE | {"val_auc": 0.99})
    write("weights/yolov8n_helmets.pt", BARE | {"val_auc": 0.6})
    assert said(planned(tmp_path)) == {
        f"weights/{name}": "pretrained",
        "weights/yolov8n_helmets.pt": "production",
    }


# --- what is a model, and what is not ------------------------------------------------------------


def test_a_batch_of_signals_is_data(write: Write, tmp_path: Path) -> None:
    """Tensors called like inputs, outputs and times are no weights."""
    names = ("u0_batch", "u1_batch", "y_batch", "time")
    write("batch_data.pth", {name: Tensor((8, 4), seed=1) for name in names})
    assert planned(tmp_path).checkpoints == ()


def test_training_state_that_git_tracks_stays_without_a_model(write: Write, tmp_path: Path) -> None:
    """An adapter's folder from which the weights were left out is not taken apart."""
    write("outputs/optimizer.bin", {"state": {}, "param_groups": [{"lr": 0.1}]})
    write("outputs/adapter_config.json", json.dumps({"peft_type": "LORA", "r": 8}))
    assert touched(planned(tmp_path, tracked=True)) == set()


def zipped(members: dict[str, bytes | str]) -> bytes:
    """Return a zip of the members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def agent(step: int, policy: str = "sac", began: int = 1_766_735_388_588_006_000) -> bytes:
    """Return what Stable-Baselines3 saves."""
    data = {
        "policy_class": {"__module__": f"stable_baselines3.{policy}.policies"},
        "num_timesteps": step,
        "start_time": began,
        "gamma": 0.99,
    }
    return zipped({"data": json.dumps(data), "policy.pth": b"", "pytorch_variables.pth": b""})


def array(shape: str, *values: float) -> bytes:
    """Return what numpy saves."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header))
    return start + header.encode() + struct.pack(f"<{len(values)}d", *values)


EVALUATIONS = zipped(
    {
        "timesteps.npy": array("(3,)", 1000, 2000, 3000),
        "results.npy": array("(3, 2)", -9, -7, 20, 24, 4, 6),
    }
)


def test_an_agent_has_the_reward_of_the_evaluation_at_its_step(
    write: Write, tmp_path: Path
) -> None:
    """The mean of that evaluation's episodes, and the training's date and kind from inside."""
    write("logs/best_model.zip", agent(2000))
    write("logs/rl_model_3000_steps.zip", agent(3000))
    write("logs/evaluations.npz", EVALUATIONS)
    write("logs/vec_normalize.zip", zipped({"readme.txt": "of something else"}))
    plan = planned(tmp_path)
    assert said(plan, "value") == {"logs/best_model.zip": 22, "logs/rl_model_3000_steps.zip": 5}
    assert said(plan)["logs/best_model.zip"] == "production"
    assert set(said(plan, "metric").values()) == {"reward"}
    assert said(plan, "model_type")["logs/best_model.zip"] == "sac"
    assert str(said(plan, "date")["logs/best_model.zip"]).startswith("2025-12-26")


@pytest.mark.parametrize("place", ["logs", "logs/results", "logs/best_model"])
def test_evaluations_lie_where_the_callback_was_told(
    place: str, write: Write, tmp_path: Path
) -> None:
    """Beside the folder of the best agent, in it, or in `results/`."""
    write("logs/best_model/best_model.zip", agent(2000))
    write(f"{place}/evaluations.npz", EVALUATIONS)
    assert said(planned(tmp_path), "value") == {"logs/best_model/best_model.zip": 22}


def test_evaluations_are_of_all_agents_of_their_training(write: Write, tmp_path: Path) -> None:
    """The best is of the step at which they were highest, and others began with it.

    A last one of another step is not of the last of them.
    """
    write("walk/models/best_walker/best_model.zip", agent(2000))
    write("walk/models/walker_1000_steps.zip", agent(1000))
    write("walk/walker_final.zip", agent(3000))
    write("walk/walker_last.zip", agent(3500))
    write("walk/models/other_1000_steps.zip", agent(1000, began=1_766_000_000_000_000_000))
    write("walk/logs/evaluations.npz", EVALUATIONS)
    assert said(planned(tmp_path), "value") == {
        "walk/models/best_walker/best_model.zip": 22,
        "walk/models/walker_1000_steps.zip": -8,
        "walk/walker_final.zip": 5,
        "walk/walker_last.zip": None,
        "walk/models/other_1000_steps.zip": None,
    }
    write("walk/models/best_walker/best_model.zip", agent(1000))
    assert set(said(planned(tmp_path), "value").values()) == {None}


ZOO = """\
!!python/object/apply:collections.OrderedDict
- - - algo
    - sac
  - - env
    - {}
  - - n_timesteps
    - -1
  - - seed
    - 3
"""


def test_a_run_of_the_zoo_is_one_and_its_environment_tells_tasks_apart(
    write: Write, tmp_path: Path
) -> None:
    """rl-baselines3-zoo calls the last agent, and the folder of its arguments, as the run's."""
    for number, env in enumerate(("Ant-v4", "Hopper-v4")):
        folder = f"logs/sac/{env}_1"
        write(f"{folder}/{env}.zip", agent(3000 + number))
        write(f"{folder}/best_model.zip", agent(2000, policy=f"sac{number}"))
        write(f"{folder}/evaluations.npz", EVALUATIONS)
        write(f"{folder}/{env}/args.yml", ZOO.format(env))
        write(f"{folder}/{env}/config.yml", ZOO.format(env).replace("algo", "batch_size"))
    plan = planned(tmp_path)
    assert said(plan) == {
        "logs/sac/Ant-v4_1/Ant-v4.zip": "candidate",
        "logs/sac/Ant-v4_1/best_model.zip": "production",
        "logs/sac/Hopper-v4_1/Hopper-v4.zip": "candidate",
        "logs/sac/Hopper-v4_1/best_model.zip": "production",
    }
    packed = {action.src: action.dst for action in plan.actions if action.verb == "pack"}
    assert packed["logs/sac/Ant-v4_1/Ant-v4/args.yml"] == packed["logs/sac/Ant-v4_1/Ant-v4.zip"]
    assert not [note for note in plan.notes if "YAML" in note]


def test_an_agent_is_named_without_its_suffix(write: Write, tmp_path: Path) -> None:
    """`SAC.load("agents/walker")` loads `walker.zip`."""
    write("play.py", "model = SAC.load('agents/walker')\n")
    write("agents/walker.zip", agent(1000))
    assert said(planned(tmp_path, tracked=True)) == {"agents/walker.zip": "ignored"}


@pytest.mark.parametrize(
    "content",
    [b"PK\3\4", zipped({}), zipped({"timesteps.npy": b"x", "results.npy": b"\x93NUMPY"})],
    ids=["truncated", "empty", "no array"],
)
def test_a_zip_that_is_no_agent_is_none_of_ours(
    content: bytes, write: Write, tmp_path: Path
) -> None:
    """Whatever is in it, it stays where it is and nobody is told of it."""
    write("logs/best_model.zip", content)
    write("logs/evaluations.npz", content)
    plan = planned(tmp_path)
    nothing = "no checkpoints, logs or results of a training lie out of place"
    assert (touched(plan), plan.checkpoints, plan.notes) == (set(), (), (nothing,))


def test_a_counter_of_versions_is_no_model_type(write: Write, tmp_path: Path) -> None:
    """Lightning's `last-v1.ckpt` lies beside another training's; `net_v2` is a name."""
    write("checkpoints/last-v1.ckpt", BARE)
    write("checkpoints/net_v2.ckpt", {"layer.weight": Tensor((2, 2), seed=3)})
    assert said(planned(tmp_path), "model_type") == {
        "checkpoints/last-v1.ckpt": None,
        "checkpoints/net_v2.ckpt": "net_v2",
    }


# --- whose is it ---------------------------------------------------------------------------------


def test_a_table_elsewhere_calls_models_by_their_plain_names(write: Write, tmp_path: Path) -> None:
    """A row of `Adam_Deep` is of `Adam_Deep_model.h5`; `best_model` is called nothing."""
    write("scores/optimization.csv", "Model,accuracy\nAdam_Deep,0.7\nSGD_Flat,0.6\n")
    for seed, name in enumerate(("Adam_Deep_model", "SGD_Flat_model", "best_model")):
        write(f"saved/{name}.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    assert said(planned(tmp_path), "value") == {
        "saved/Adam_Deep_model.pth": 0.7,
        "saved/SGD_Flat_model.pth": 0.6,
        "saved/best_model.pth": None,
    }


def test_a_log_beside_the_folder_of_checkpoints_is_theirs(write: Write, tmp_path: Path) -> None:
    """`logs/` and `checkpoints/` in one folder, and checkpoints without a name of their own."""
    write("exp/checkpoints/best_model.pth", BARE)
    write("exp/logs/train.log", EPOCHS)
    assert said(planned(tmp_path), "value") == {"exp/checkpoints/best_model.pth": 0.55}


@pytest.mark.parametrize("name", ["loss_history.json", "losses.json", "accuracy_log.json"])
def test_a_record_that_is_called_after_a_metric_is_of_what_lies_beside_it(
    name: str, write: Write, tmp_path: Path
) -> None:
    """The metric is no name of a model."""
    write("checkpoints/best_model.pth", BARE)
    write(f"checkpoints/{name}", json.dumps({"train_loss": [0.5, 0.3], "val_loss": [0.6, 0.4]}))
    assert said(planned(tmp_path), "value") == {"checkpoints/best_model.pth": 0.4}


def test_a_quantised_export_is_of_the_training_beside_it(write: Write, tmp_path: Path) -> None:
    """It is no training of its own, so the table there is that of the best; its value is not."""
    write("models/best.pth", BARE)
    write("models/model_int8.tflite", b"\x1c\0\0\0TFL3" + bytes(40))
    write("models/training_log.csv", "epoch,val_auc\n0,0.5\n1,0.7\n2,0.6\n")
    values = said(planned(tmp_path), "value")
    assert values == {"models/best.pth": 0.7, "models/model_int8.tflite": None}


def test_a_model_of_paddlex_is_one_with_what_builds_it(write: Write, tmp_path: Path) -> None:
    """Without `model.yml` its weights are of no use; weights alone are those of other tools."""
    files = {"model.pdparams", "model.pdopt", "model.yml"}
    for seed, folder in enumerate(("best_model", "epoch_20")):
        write(f"output/{folder}/model.pdparams", pickle.dumps({"w": [seed]}, protocol=2))
        write(f"output/{folder}/model.pdopt", pickle.dumps({"m": [seed]}, protocol=2))
        write(f"output/{folder}/model.yml", "Model: PPYOLOTiny\ncompleted_epochs: 20\n")
    plan = planned(tmp_path)
    assert said(plan).keys() == {"output/best_model", "output/epoch_20"} | {
        f"output/{folder}/model.pdopt" for folder in ("best_model", "epoch_20")
    }
    assert {f"output/best_model/{name}" for name in files} <= touched(plan)


def test_a_log_beside_two_folders_of_checkpoints_is_nobodys(write: Write, tmp_path: Path) -> None:
    """Nothing tells which of two trainings wrote it."""
    for seed, name in enumerate(("checkpoints", "weights")):
        write(f"exp/{name}/best_model.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    write("exp/logs/train.log", EPOCHS)
    assert set(said(planned(tmp_path), "value").values()) == {None}


def test_a_table_above_the_weights_is_theirs(write: Write, tmp_path: Path) -> None:
    """Ultralytics' `results.csv`. A figure that git tracks, and no checkpoint, keeps the folder."""
    write(".gitignore", "*.pt\n")
    write("runs/detect/train/weights/best.pt", BARE)
    write("runs/detect/train/results.csv", "epoch,metrics/mAP50(B)\n1,0.3\n2,0.6\n")
    write("runs/detect/train/confusion_matrix.png", b"\x89PNG")
    write("results.csv", "epoch,val_auc\n1,0.9\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    plan = planned(tmp_path)
    assert said(plan, "value") == {"runs/detect/train/weights/best.pt": 0.6}
    assert touched(plan) == {"runs/detect/train/weights/best.pt"}


def test_a_folder_is_a_runs_own_whether_git_tracks_it_or_not(write: Write, tmp_path: Path) -> None:
    """What is known of it is the same after `git add`; then what nobody reads stays there."""
    for number in (0, 1):
        folder = f"exps/ppo/ppo_s{number}"
        write(f"{folder}/model.pt", {"layer.weight": Tensor((2, 2), seed=number)})
        write(f"{folder}/progress.csv", f"epoch,val_auc\n1,0.5\n2,0.{6 + number}\n")
        write(f"{folder}/plot.png", b"\x89PNG")
        write(f"{folder}/notes.xyz", "written by the training")
    before = planned(tmp_path)
    after = planned(tmp_path, tracked=True)
    assert said(before, "value") == {f"exps/ppo/ppo_s{n}/model.pt": 0.6 + n / 10 for n in (0, 1)}
    for fact in ("value", "model_type", "role"):
        assert said(after, fact) == said(before, fact)
    unread = {path for path in touched(before) if path.endswith((".png", ".xyz"))}
    assert len(unread) == 4
    assert touched(after) == touched(before) - unread
    assert {a.dst for a in after.actions} == {a.dst for a in before.actions}


def test_the_parts_of_one_model_are_one_run(write: Write, tmp_path: Path) -> None:
    """A generator and its discriminator go to one archive, and neither is the other's copy."""
    for seed, part in enumerate(("generator", "discriminator")):
        write(f"out/{part}_10.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    plan = planned(tmp_path)
    assert set(said(plan).values()) == {"candidate"}
    assert len({action.dst for action in plan.actions if action.verb == "pack"}) == 1


@pytest.mark.parametrize("folder", ["pretrained", "pre_trained/cora"])
def test_a_folder_tells_of_weights_from_elsewhere(
    folder: str, write: Write, tmp_path: Path
) -> None:
    """However it is spelled."""
    write(f"{folder}/net_best.pth", BARE | {"val_auc": 0.9})
    assert said(planned(tmp_path)) == {f"{folder}/net_best.pth": "pretrained"}


@pytest.mark.parametrize("column", ["metrics/mAP50-95(B)", "metrics/mAP_0.5:0.95"])
def test_ultralytics_best_is_the_row_that_its_fitness_was_highest_in(
    column: str, write: Write, tmp_path: Path
) -> None:
    """The mAP over thresholds decides, whatever the other is in that epoch."""
    head = f"epoch, metrics/mAP50(B), {column}\n"
    write("runs/train/exp/weights/best.pt", BARE)
    write("runs/train/exp/results.csv", head + "1, 0.7, 0.3\n2, 0.6, 0.4\n3, 0.5, 0.2\n")
    plan = planned(tmp_path)
    assert said(plan, "value") == {"runs/train/exp/weights/best.pt": 0.4}
    assert said(plan, "metric") == {"runs/train/exp/weights/best.pt": "map50_95"}


def test_boosters_of_different_tasks_do_not_compete(write: Write, tmp_path: Path) -> None:
    """Their objectives tell what they predict: there is a winner for each."""
    for name, objective, value in (
        ("churn", "binary:logistic", 0.9),
        ("fraud", "binary:hinge", 0.8),
        ("kind", "multi:softprob", 0.7),
    ):
        learner = {"attributes": {}, "objective": {"name": objective}}
        write(f"out/{name}_auc{value}.json", json.dumps({"learner": learner}))
    assert said(planned(tmp_path)) == {
        "out/churn_auc0.9.json": "production",
        "out/fraud_auc0.8.json": "candidate",
        "out/kind_auc0.7.json": "production",
    }


def test_events_without_a_run_are_named_after_their_folder(write: Write, tmp_path: Path) -> None:
    """The name of the file is that of a host and a moment."""
    event = next((Path(__file__).parent / "samples").rglob("events.out.*")).read_bytes()
    write("out/net_best.pth", BARE | {"val_auc": 0.9})
    for moment in (1, 2):
        write(f"out/LOG/baseline/events.out.tfevents.177800{moment}.box.1.0", event)
    archives = {a.dst for a in planned(tmp_path).actions if a.src and "tfevents" in a.src}
    assert len(archives) == 1
    assert "baseline" in str(archives)
    assert "box" not in str(archives)


@pytest.mark.parametrize(
    "best, last", [("best.pth.tar", "last.pth.tar"), ("best.pth", "final.pth")]
)
def test_results_of_the_best_are_not_those_of_the_last(
    best: str, last: str, write: Write, tmp_path: Path
) -> None:
    """The name of a file of results says of which checkpoint they are."""
    for seed, name in enumerate((best, last)):
        write(f"experiments/base/{name}", {"layer.weight": Tensor((2, 2), seed=seed)})
    write("experiments/base/metrics_val_best_weights.json", json.dumps({"accuracy": 0.9}))
    write("experiments/base/metrics_val_last_weights.json", json.dumps({"accuracy": 0.8}))
    plan = planned(tmp_path)
    assert said(plan, "value") == {f"experiments/base/{best}": 0.9, f"experiments/base/{last}": 0.8}
    assert said(plan)[f"experiments/base/{best}"] == "production"


def test_tensors_in_a_pickle_are_data(write: Write, tmp_path: Path) -> None:
    """Be it one that torch wrote long ago, or one of a benchmark's instances; weights are none."""
    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, [0.1, 0.2], []):
        pickle.dump(value, stream, protocol=2)
    write("matrix/28.pt", stream.getvalue())
    rebuild = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n."
    write("saved/instances.pkl", rebuild)
    write("saved/net.pkl", rebuild.replace(b"c", b"X\x06\0\0\0weight0c", 1))
    assert said(planned(tmp_path)).keys() == {"saved/net.pkl"}


def test_folders_of_the_best_and_the_last_have_each_their_results(
    write: Write, tmp_path: Path
) -> None:
    """As a well-known template of TensorFlow has them, beside the sources of the model."""
    for folder, epochs in (("best", (9,)), ("last", (9, 10))):
        for epoch in epochs:
            prefix = f"experiments/base/{folder}_weights/after-epoch-{epoch}"
            write(f"{prefix}.index", f"{folder}{epoch}")
            write(f"{prefix}.data-00000-of-00001", f"{folder}{epoch} data")
        write(
            f"experiments/base/metrics_eval_{folder}_weights.json",
            json.dumps({"accuracy": 0.9 if folder == "best" else 0.8, "loss": 0.5}),
        )
    write("experiments/base/model_fn.py", "def model_fn(): ...\n")
    plan = planned(tmp_path, tracked=True)
    assert said(plan, "value") == {
        "experiments/base/best_weights/after-epoch-9": 0.9,
        "experiments/base/last_weights/after-epoch-9": None,
        "experiments/base/last_weights/after-epoch-10": None,
    }
    write("experiments/base/train.log", "Epoch 9: val_accuracy: 0.3\nEpoch 10: val_accuracy: 0.1\n")
    values = said(planned(tmp_path, tracked=True), "value")
    assert values["experiments/base/last_weights/after-epoch-10"] == 0.1
    assert said(plan)["experiments/base/best_weights/after-epoch-9"] == "production"
    assert "experiments/base/model_fn.py" not in touched(plan)


def test_a_file_that_is_only_called_events_is_nobodys(write: Write, tmp_path: Path) -> None:
    """Such as what git-lfs leaves in its place: there is nothing to say of it."""
    write("logs/events.out.tfevents.1532691358.box", "version https://git-lfs.github.com/spec/v1\n")
    write("logs/net_best.pth", BARE | {"val_auc": 0.9})
    plan = planned(tmp_path)
    assert not [note for note in plan.notes if "events" in note]


@pytest.mark.parametrize("save", ["tf1_save", "simple_save"])
def test_what_spinning_up_saves_is_of_the_run_above(
    save: str, write: Write, tmp_path: Path
) -> None:
    """A folder for TensorFlow's graph is called after the library and not the agent."""
    for name in ("saved_model.pb", "variables/variables.index"):
        write(f"experiments/ppo/ppo_s0/{save}/{name}", b"\x08\x01\x12\x00")
    write("experiments/ppo/ppo_s0/progress.txt", "Epoch\tAverageEpRet\n0\t1.0\n")
    plan = planned(tmp_path)
    assert said(plan, "model_type") == {f"experiments/ppo/ppo_s0/{save}": "ppo"}
    assert "experiments/ppo/ppo_s0/progress.txt" in touched(plan)


def test_what_spinning_up_saves_is_of_the_last_epoch(write: Write, tmp_path: Path) -> None:
    """It writes over the file as it goes on, however good the agent was before."""
    rows = (
        "Epoch\tAverageEpRet\tStdEpRet\tTime",
        "0\t1.0\t0.5\t3",
        "1\t9.0\t0.5\t6",
        "2\t4\t0.5\t9",
    )
    write("experiments/ppo/ppo_s0/progress.txt", "\n".join(rows) + "\n")
    write("experiments/ppo/ppo_s0/pyt_save/model.pt", BARE)
    assert [*said(planned(tmp_path), "value").values()] == [4.0]


def test_a_run_of_espnet_is_one_and_its_log_is_read(write: Write, tmp_path: Path) -> None:
    """Figures behind [train] are of training; an average of the best is no run of its own."""
    for name in (
        "1epoch",
        "2epoch",
        "3epoch",
        "checkpoint",
        "valid.acc.best",
        "valid.acc.ave_2best",
    ):
        write(
            f"exp/asr_train/{name}.pth",
            {"layer.weight": Tensor((2, 2), seed=len(name) + ord(name[0]))},
        )
    write("exp/asr_train/config.yaml", "optim: adam\nmax_epoch: 3\nseed: 0\n")
    line = (
        "[host] 2025-07-2{0} 10:00:00,1 (trainer:338) INFO: {0}epoch results: [train] acc=0.99, "
        "loss=9.5, optim0_lr0=1.0e-03, time=1 minute, total_count=10, [valid] cer_ctc=0.2, "
        "acc=0.{1}, loss=15.1, total_count=10, [att_plot] time=10 seconds\n"
    )
    log = "".join(line.format(epoch, acc) for epoch, acc in ((1, 70), (2, 85), (3, 84)))
    write("exp/asr_train/train.log", log)
    plan = planned(tmp_path)
    assert said(plan, "value") == {
        "exp/asr_train/1epoch.pth": 0.7,
        "exp/asr_train/2epoch.pth": 0.85,
        "exp/asr_train/3epoch.pth": 0.84,
        "exp/asr_train/checkpoint.pth": None,
        "exp/asr_train/valid.acc.ave_2best.pth": None,
        "exp/asr_train/valid.acc.best.pth": 0.85,
    }
    assert {*said(plan, "model_type").values()} == {"asr_train"}


@pytest.mark.parametrize("settings", ["args", "cfg"])
def test_a_checkpoint_of_fairseq_tells_its_own_value(
    settings: str, write: Write, tmp_path: Path
) -> None:
    """It is called `val_loss` whatever it is of; the settings tell."""
    chosen = {"best_checkpoint_metric": "bleu", "maximize_best_checkpoint_metric": True}
    held = {"args": chosen, "cfg": None} if settings == "args" else {"cfg": {"checkpoint": chosen}}
    for seed, (name, bleu) in enumerate((("1", 20.5), ("_best", 31.5), ("_last", 30.25))):
        state = {"val_loss": bleu, "best": 31.5, "train_iterator": {"epoch": 4}}
        weights = {"layer.weight": Tensor((2, 2), seed=seed)}
        write(f"checkpoints/checkpoint{name}.pt", {**held, "model": weights, "extra_state": state})
    plan = planned(tmp_path)
    assert [*said(plan, "value").values()] == [20.5, 31.5, 30.25]
    assert {*said(plan, "metric").values()} == {"bleu"}
    assert said(plan)["checkpoints/checkpoint_best.pt"] == "production"


def test_the_results_of_yolov7_have_no_header(write: Write, tmp_path: Path) -> None:
    """The columns stand in its source; the best is that of the highest mAP50-95."""
    row = "   {}/2  6.7G  0.1  0.05  0.03  0.2  20  640  0.5  0.4  {}  {}  0.04  0.03  0.02\n"
    rows = ((0, 0.5, 0.3), (1, 0.65, 0.45), (2, 0.66, 0.44))
    write("runs/train/exp/results.txt", "".join(row.format(*cells) for cells in rows) + "    3/2")
    write("runs/train/exp/weights/best.pt", BARE)
    write("runs/train/exp/weights/last.pt", {"layer.weight": Tensor((2, 2), seed=2)})
    plan = planned(tmp_path)
    assert [*said(plan, "value").values()] == [0.45, 0.44]
    assert {*said(plan, "metric").values()} == {"map50_95"}


def test_a_line_of_stylegan_tells_of_the_snapshot_that_it_names(
    write: Write, tmp_path: Path
) -> None:
    """A pickle of it holds tensors, whose maker is no class of a model."""
    fids = (300.5, 20.1, 25.3)
    for number in range(3):
        tensor = pickle.dumps({"fc.weight": number}, 2).replace(b"\x80\x02", b"", 1)[:-1]
        made = b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"\x85R."
        write(f"training-runs/00000/network-snapshot-00{number}.pkl", b"\x80\x02" + made)
    lines = (
        {
            "results": {"fid50k_full": fid},
            "metric": "fid50k_full",
            "total_time": 99.5,
            "snapshot_pkl": f"network-snapshot-00{number}.pkl",
            "timestamp": 1.7e9,
        }
        for number, fid in enumerate(fids)
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write("training-runs/00000/metric-fid50k_full.jsonl", text)
    plan = planned(tmp_path)
    assert tuple(said(plan, "value").values()) == fids
    assert said(plan)["training-runs/00000/network-snapshot-001.pkl"] == "production"
    assert {*said(plan, "model_type").values()} == {None}


def test_models_of_cleanrl_are_known_by_their_suffix(write: Write, tmp_path: Path) -> None:
    """Those of torch, and of JAX, which are MessagePack."""
    write("net.pt", BARE)
    write("runs/CartPole-v1__dqn__1/dqn.cleanrl_model", (tmp_path / "net.pt").read_bytes())
    packed = b"\x92\x82\xa4seed\x01\x93\x91\x02\xa7float32\xc4\x08" + b"\0" * 8
    write("runs/CartPole-v1__dqn_jax__1/dqn_jax.cleanrl_model", packed)
    (tmp_path / "net.pt").unlink()
    assert {*said(planned(tmp_path)).values()} == {"candidate"}


def test_a_model_in_production_is_of_the_fold_in_its_metadata(write: Write, tmp_path: Path) -> None:
    """So it competes with the same fold, where the conventions tell folds apart."""
    write("model_weights/production/net_v0.8200.pth", BARE)
    about = {"metric": "auc", "direction": "max", "value": 0.82, "facts": {"fold": "2"}}
    write("model_weights/production/net_v0.8200.json", json.dumps(about))
    planned(tmp_path)
    (model,) = look(open_project(tmp_path, tmp_path / "training/conventions.toml", {})).production
    assert model.facts == {"fold": "2"}


def test_epochs_and_what_it_started_from_are_one_run_in_the_plan(
    write: Write, tmp_path: Path
) -> None:
    """DETR's `checkpoint0001.pth` with the log beside it, and YOLOv7's `init.pt`."""
    for seed, name in enumerate(("checkpoint0001", "checkpoint0002", "checkpoint0003", "init")):
        write(f"exp/base/{name}.pth", {"layer.weight": Tensor((2, 2), seed=seed)})
    write("exp/base/train.log", EPOCHS)
    plan = planned(tmp_path)
    values = [0.15, 0.25, 0.35, None]
    assert [*said(plan, "value").values()] == values
    assert {*said(plan, "model_type").values()} == {"base"}
    assert len({action.dst for action in plan.actions if action.verb == "pack"}) == 1


def test_a_trial_of_keras_tuner_tells_of_the_weights_beside_it(
    write: Write, tmp_path: Path
) -> None:
    """The score is of the best epoch, the mean over its executions, as are the other metrics."""
    for trial, scores in (("0", [0.6, 0.7]), ("1", [0.8, 0.9])):
        seen = {
            "val_loss": {"direction": "min", "observations": [{"value": [0.5, 0.3], "step": 4}]},
            "val_accuracy": {"direction": "max", "observations": [{"value": scores, "step": 4}]},
        }
        told = {
            "trial_id": trial,
            "hyperparameters": {"space": [], "values": {"units": 32}},
            "metrics": {"metrics": seen},
            "score": sum(scores) / 2,
            "best_step": 4,
            "status": "COMPLETED",
        }
        write(f"search/wine/trial_{trial}/trial.json", json.dumps(told))
        superblock = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08" + bytes(100)
        write(f"search/wine/trial_{trial}/checkpoint.weights.h5", superblock + trial.encode())
    plan = planned(tmp_path)
    assert [round(float(str(v)), 4) for v in said(plan, "value").values()] == [0.65, 0.85]
    assert {*said(plan, "metric").values()} == {"accuracy"}
    assert [*said(plan).values()] == ["candidate", "production"]
    assert "search/wine/trial_1/trial.json" in touched(plan)


def test_what_names_the_newest_checkpoint_of_tensorflow_goes_with_it(
    write: Write, tmp_path: Path
) -> None:
    """It is of the checkpoints beside it, and not of those in a folder that is called like it."""
    for prefix in ("checkpoint/net-1000", "checkpoint/net-2000", "copy/checkpoint-2/net-2000"):
        write(f"{prefix}.index", prefix)
        write(f"{prefix}.data-00000-of-00001", f"{prefix} data")
    write("checkpoint/checkpoint", 'model_checkpoint_path: "net-2000"\n')
    dst = {action.src: action.dst for action in planned(tmp_path).actions}
    assert dst["checkpoint/checkpoint"] == dst["checkpoint/net-2000.index"]
    assert dst["checkpoint/checkpoint"] != dst["copy/checkpoint-2/net-2000.index"]


def test_runs_are_told_apart_by_a_log_for_each(write: Write, tmp_path: Path) -> None:
    """The first number counts trainings here; of what was saved last is the figure."""
    rows = "{n}\ttrain loss=0.8\tvalid loss=0.{n}\tvalid acc=0.{acc}\t> saved as best model!\n"
    for name, accuracy in (("4-gabor", 71), ("5-gabor-128", 83)):
        log = "".join(rows.format(n=n, acc=accuracy - 2 + n) for n in (1, 2))
        write(f"results/{name}-log.txt", f"#### TRAIN {name}\n{log}")
        write(f"results/{name}-model.pth", {"layer.weight": Tensor((2, 2), seed=accuracy)})
    plan = planned(tmp_path)
    assert [*said(plan, "value").values()] == [0.71, 0.83]
    assert [*said(plan).values()] == ["candidate", "production"]


def test_epochs_with_a_log_for_each_are_one_run(write: Write, tmp_path: Path) -> None:
    """Where the names say that the number counts epochs."""
    for n in (1, 2, 3):
        write(f"out/net_epoch_{n}.pth", {"layer.weight": Tensor((2, 2), seed=n)})
        write(f"out/net_epoch_{n}.log", f"Epoch {n}: val_auc: 0.{n}5\n")
    dst = {action.src: action.dst for action in planned(tmp_path).actions}
    assert dst["out/net_epoch_1.pth"] == dst["out/net_epoch_2.pth"]


def test_a_run_of_sacred_without_a_model_stays_whole(write: Write, tmp_path: Path) -> None:
    """Its output is shown with what lies beside it, and is no scattered log."""
    about = {"experiment": {"name": "net"}, "heartbeat": None, "start_time": "2024-03-02T10:00:00"}
    write("runs/1/run.json", json.dumps(about))
    write("runs/1/config.json", json.dumps({"lr": 0.1}))
    write("runs/1/cout.txt", EPOCHS)
    write("elsewhere/train.log", EPOCHS)
    assert touched(planned(tmp_path)) == {"elsewhere/train.log"}


@pytest.mark.parametrize(("last", "kept"), [(0.7, {}), (0.8, {"nlp/model-last": "duplicate"})])
def test_a_pipeline_of_spacy_has_the_score_in_its_own_folder(
    last: float, kept: dict[str, str], write: Write, tmp_path: Path
) -> None:
    """That of the one is none of the other; equal ones are a copy."""
    for name, score in (("best", 0.8), ("last", last)):
        write(f"nlp/model-{name}/config.cfg", "[nlp]\nlang = en\n")
        write(f"nlp/model-{name}/meta.json", json.dumps({"performance": {"ents_f": score}}))
        write(f"nlp/model-{name}/ner/model", f"weights {score}")
    plan = planned(tmp_path)
    assert said(plan, "value") == {"nlp/model-best": 0.8, "nlp/model-last": last}
    assert said(plan) == {"nlp/model-best": "production", "nlp/model-last": "candidate"} | kept
    told = {c["path"]: {e["path"] for e in c["evidence"]} for c in plan.checkpoints}
    assert "nlp/model-best/meta.json" not in told["nlp/model-last"]


def test_a_log_is_of_the_folder_beside_that_is_called_like_it(write: Write, tmp_path: Path) -> None:
    """That a name ends in "final" may tell one training from the one before it."""
    log = "Epoch {n}:\n  Val AUC: 0.{n}{last}\n  NEW BEST!\n"
    for name, last in (("", 1), ("_final", 4)):
        write(f"checkpoints{name}/best_model.pt", {"layer.weight": Tensor((2, 2), seed=last)})
        text = "".join(log.format(n=n, last=last) for n in (5, 6))
        write(f"logs/train{name}_log.txt", f"Using device: cuda\n{text}")
    write("checkpoints/final_results.json", json.dumps({"mrr": 0.4, "total": 12}))
    plan = planned(tmp_path)
    dst = {action.src: action.dst for action in plan.actions}
    assert dst["checkpoints/final_results.json"] == dst["checkpoints/best_model.pt"]
    assert said(plan, "value") == {
        "checkpoints/best_model.pt": 0.61,
        "checkpoints_final/best_model.pt": 0.64,
    }
    assert said(plan)["checkpoints_final/best_model.pt"] == "production"


def test_a_model_of_simpletransformers_tells_its_evaluation(write: Write, tmp_path: Path) -> None:
    """The results are written with the model, whether its training can go on or not."""
    for name, mcc in (("best_model", 0.91), ("checkpoint-80-epoch-2", 0.84)):
        write(f"outputs/{name}/config.json", json.dumps({"model_type": "roberta"}))
        write(f"outputs/{name}/pytorch_model.bin", BARE | {"step": mcc})
        write(f"outputs/{name}/optimizer.pt", {"state": mcc})
        write(f"outputs/{name}/eval_results.txt", f"eval_loss = 0.4\nmcc = {mcc}\ntp = 12\n")
    write("outputs/notes_results.txt", "auc = 0.3\nThe loss was 0.1 = good\n")
    write("outputs/plain_results.txt", "x = 3\ny = 4\n")
    plan = planned(tmp_path)
    told = {c["path"]: c["value"] for c in plan.checkpoints if c["role"] != "training_state"}
    assert told == {"outputs/best_model": 0.91, "outputs/checkpoint-80-epoch-2": 0.84}
    assert not {"outputs/notes_results.txt", "outputs/plain_results.txt"} & touched(plan)


def test_arrays_in_a_pickle_are_a_model_where_name_and_folder_say_so(
    write: Write, tmp_path: Path
) -> None:
    """Of a network that is written with numpy alone; elsewhere they are someone's data."""
    arrays = b"\x80\x03}q\0X\x01\0\0\0Wq\1cnumpy.core.multiarray\n_reconstruct\nq\2K\0s."
    for path in ("checkpoints/agent_model.pkl", "checkpoints/inputs.pkl", "saved/best_model.pkl"):
        write(path, arrays)
    assert said(planned(tmp_path)) == {"checkpoints/agent_model.pkl": "candidate"}


def test_what_chainer_writes_is_known_by_the_arrays_in_it(write: Write, tmp_path: Path) -> None:
    """Its snapshots have no suffix, and neither has the report, whose rows are of their epochs."""
    row = '{{"epoch": {}, "iteration": {}, "main/loss": 0.1, "validation/main/loss": {}}}'
    rows = (row.format(n, 100 * n, loss) for n, loss in ((1, 0.9), (2, 0.4), (3, 0.5)))
    write("result/log", f"[\n    {', '.join(rows)}\n]")
    for epoch in (1, 2, 3):
        arrays(f"result/model_snapshot_epoch_{epoch}", tmp_path, "conv1/W", "conv1/b")
        arrays(f"result/optimizer_snapshot_epoch_{epoch}", tmp_path, "t", "conv1/W/m")
    arrays("result/snapshot_iter_300", tmp_path, "updater/model:main/conv1/W", "updater/iteration")
    arrays("data/points.npz", tmp_path, "x", "y")
    plan = planned(tmp_path)
    models = {"result/snapshot_iter_300": 0.5}
    models |= {f"result/model_snapshot_epoch_{n}": v for n, v in ((1, 0.9), (2, 0.4), (3, 0.5))}
    values = said(plan, "value")
    assert {path: values[path] for path in models} == models
    states = {path for path, role in said(plan).items() if role == "training_state"}
    assert states == {f"result/optimizer_snapshot_epoch_{n}" for n in (1, 2, 3)}
    assert "data/points.npz" not in touched(plan)


def test_a_network_of_numpy_has_weights_and_a_bias_for_each_layer(
    write: Write, tmp_path: Path
) -> None:
    """Its log is called like it; a single pair, and arrays of anything else, are no model."""
    arrays("models/policy_ep1.npz", tmp_path, "W1", "b1", "W_out", "b_out", "log_std")
    arrays("models/policy_ep2.npz", tmp_path, "weight_0", "bias_0", "weight_1", "bias_1")
    for number, names in enumerate((("W1", "W2"), ("w", "b"), ("W1", "b1"), ("w1", "b2"))):
        arrays(f"models/features_{number}.npz", tmp_path, *names)
    write("models/policy.log", EPOCHS)
    expected = {"models/policy_ep1.npz": 0.15, "models/policy_ep2.npz": 0.25}
    assert said(planned(tmp_path), "value") == expected


def arrays(path: str, root: Path, *names: str) -> None:
    """Write a zip of arrays as `numpy.savez` does; the numbers in them do not matter."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / path, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", f"\x93NUMPY {path} {name}")
