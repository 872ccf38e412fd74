"""Make the samples of Keras, of what is not neural and of stores, with the frameworks themselves.

    python3.12 -m venv /tmp/classic
    /tmp/classic/bin/pip install keras==3.15.1 jax==0.12.0.1 h5py==3.16.0 \
        scikit-learn==1.9.1 xgboost-cpu==3.4.1 lightgbm==4.7.0 \
        catboost==1.2.10 onnx==1.23.2 mlflow-skinny==3.17.2
    /tmp/classic/bin/python scripts/make_samples_classic.py tests/samples \
        keras sklearn xgboost lightgbm catboost onnx mlflow
    python3.11 -m venv /tmp/arrays
    /tmp/arrays/bin/pip install tensorflow-cpu==2.21.0 tensorboard==2.21.0 flax==0.12.8 \
        orbax-checkpoint==0.12.8 paddlepaddle==3.3.1
    for one in tensorflow keras_log flax paddle; do  # they do not live in one process
        KERAS_BACKEND=tensorflow /tmp/arrays/bin/python scripts/make_samples_classic.py \
            tests/samples $one
    done

The numbers of the histories are made up, so that what is best is known; everything else is as the
framework writes it, but for paths and names. Nothing is downloaded. Each DEST/<framework> is
replaced, but for its expected.json.
"""

import argparse
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np

RUN = "cdedcd35518c44dd87403a38ef9ed1e3"  # MLflow makes one up
AUCS = (0.5125, 0.6432, 0.5811, 0.6107)
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(80, 3)), RANDOM.integers(0, 2, 80)


def keras(folder: Path) -> None:
    """A training with CSVLogger and numbered checkpoints; legacy HDF5; weights only; data."""
    import h5py
    import keras
    from keras.callbacks import CSVLogger, ModelCheckpoint

    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="tiny_mlp")
    home = folder / "runs/tiny_mlp"
    home.mkdir(parents=True)
    callbacks: list[Any] = [
        CSVLogger(str(home / "training.csv")),
        ModelCheckpoint(str(home / "cp-{epoch:02d}.keras"), monitor="val_auc", mode="max"),
        ModelCheckpoint(
            str(home / "best.keras"), monitor="val_auc", mode="max", save_best_only=True
        ),
    ]
    for callback in callbacks:
        callback.set_model(net)
        callback.on_train_begin()
    for epoch, auc in enumerate(AUCS):
        net.set_weights([np.full((3, 1), epoch), np.zeros(1)])
        for callback in callbacks if epoch < 2 else (callbacks[0], callbacks[-1]):
            callback.on_epoch_end(
                epoch, {"loss": 0.9 - epoch / 10, "val_auc": auc, "val_loss": 1 - auc}
            )
    callbacks[0].on_train_end()
    legacy = folder / "legacy"
    legacy.mkdir()
    net.save(legacy / "cnn-03-val_accuracy_0.8125.h5")
    net.save_weights(legacy / "cnn_last.weights.h5")
    with h5py.File(folder / "legacy/features.h5", "w") as file:
        file["features"] = X


def sklearn(folder: Path) -> None:
    """Pickles and joblib files of estimators, of what prepares data, and of data."""
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    forest = _forest()
    joblib.dump(forest, folder / "forest.joblib")
    (folder / "packed").mkdir()
    joblib.dump(forest, folder / "packed/forest_auc_0.7312.joblib", compress=3)
    joblib.dump(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), folder / "pipeline.pkl"
    )
    joblib.dump(StandardScaler().fit(X), folder / "scaler.joblib")
    joblib.dump(X, folder / "features.joblib")
    (folder / "rows.pkl").write_bytes(pickle.dumps({"rows": [1, 2, 3], "auc": 0.5}))
    bundle = {"model": LogisticRegression(), "val_auc": 0.6875, "created_at": "2025-07-21"}
    (folder / "bundle.pkl").write_bytes(pickle.dumps(bundle))
    metrics = {
        "model": "RandomForestClassifier",
        "val_auc": 0.7012,
        "timestamp": "2025-07-20T10:44:38",
    }
    (folder / "forest_metrics.json").write_text(json.dumps(metrics))


def xgboost(folder: Path) -> None:
    """Boosters that stopped early, as JSON and UBJSON; one that did not."""
    import xgboost as xgb

    train, val = xgb.DMatrix(X[:60], Y[:60]), xgb.DMatrix(X[60:], Y[60:])
    history: dict[str, Any] = {}
    booster = xgb.train(
        {"objective": "binary:logistic", "eval_metric": "auc", "max_depth": 2},
        train,
        8,
        [(val, "val")],
        early_stopping_rounds=4,
        evals_result=history,
        verbose_eval=False,
    )
    for name in ("stopped/booster.json", "stopped/booster.ubj"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        booster.save_model(folder / name)
    (folder / "stopped/evals_result.json").write_text(json.dumps(history))
    (folder / "plain").mkdir()
    booster.set_attr(best_score=None, best_iteration=None)
    booster.save_model(folder / "plain/churn_auc0.8125.json")


def lightgbm(folder: Path) -> None:
    """The text of a booster; its metric stands in its name only."""
    import lightgbm as lgb

    options = {"objective": "binary", "metric": "auc", "verbose": -1, "num_leaves": 3, "seed": 0}
    booster = lgb.train({**options, "min_data_in_leaf": 5}, lgb.Dataset(X, Y), 2)
    booster.save_model(folder / "lgbm_val_auc=0.7125.txt")


def catboost(folder: Path) -> None:
    """A model as .cbm and .json, with what the training leaves in catboost_info."""
    from catboost import CatBoostClassifier

    (folder / "run").mkdir()
    model = CatBoostClassifier(
        iterations=3,
        depth=2,
        eval_metric="AUC",
        random_seed=0,
        verbose=False,
        train_dir=str(folder / "run/catboost_info"),
    )
    model.fit(X[:60], Y[:60], eval_set=(X[60:], Y[60:]))
    model.save_model(folder / "run/model.cbm")
    model.save_model(folder / "run/model.json", format="json")


def onnx(folder: Path) -> None:
    """A model with metadata."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", ends[:1], ends[1:])
    model = helper.make_model(graph, producer_name="pytorch")
    helper.set_model_props(
        model, {"val_auc": "0.6432", "model_type": "tiny_relu", "date": "2025-07-21"}
    )
    onnx.save(model, folder / "net.onnx")


def mlflow(folder: Path) -> None:
    """A run in a file store; its artifacts stay there, what Lightning saves lies beside it."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    os.chdir(folder)
    client = mlflow.MlflowClient("file:./mlruns")
    experiment = client.create_experiment("depression")
    start = 1753094678000
    run = client.create_run(experiment, run_name="forest", start_time=start).info.run_id
    for step, auc in enumerate(AUCS):
        client.log_metric(run, "val_auc", auc, step=step, timestamp=start + 1000 * step)
    client.log_param(run, "lr", 0.1)
    client.log_text(run, json.dumps({"train": True}), "model/notes.json")
    fitted = Path("model.pkl")
    fitted.write_bytes(pickle.dumps({"model": _forest(), "seed": 0}))
    client.log_artifact(run, str(fitted), "model")
    client.set_terminated(run, "FINISHED", start + 9000)
    home = Path("mlruns", experiment)
    home.rename("mlruns/100")
    Path("mlruns/100", run).rename(f"mlruns/100/{RUN}")
    fitted.unlink()
    os.chdir("/")


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(2, max_depth=2, random_state=0).fit(X, Y)


def tensorflow(folder: Path) -> None:
    """Checkpoints that a CheckpointManager keeps, a SavedModel, and summaries of both parts."""
    import tensorflow as tf

    os.chdir(folder)
    net = tf.Module(name="unet")
    net.w = tf.Variable([[0.0, 0.0]])
    net.call = tf.function(lambda x: x @ tf.transpose(net.w), [tf.TensorSpec((None, 2))])
    state = tf.train.Checkpoint(model=net, epoch=tf.Variable(0))
    manager = tf.train.CheckpointManager(state, "unet/tf_ckpts", 3, checkpoint_name="ckpt")
    parts = {name: tf.summary.create_file_writer(f"unet/logs/{name}") for name in ("train", "val")}
    for epoch, auc in enumerate(AUCS, start=1):
        net.w.assign_add([[1.0, auc]])
        state.epoch.assign(epoch)
        for name, writer in parts.items():
            with writer.as_default(step=epoch):
                tf.summary.scalar("epoch_auc", auc if name == "val" else 0.99)
        manager.save()
        if auc == max(AUCS):
            state.write("unet/best/cp-0002-val_auc_0.6432.ckpt")
            tf.saved_model.save(net, "export/unet_auc_0.6432")
    for writer in parts.values():
        writer.close()


def keras_log(folder: Path) -> None:
    """What Keras prints while it trains for real, in a file; its own history goes to the terminal.

    It needs a backend that trains: run it with KERAS_BACKEND=tensorflow.
    """
    import contextlib

    import keras

    keras.utils.set_random_seed(1)
    (folder / "tiny_net").mkdir()
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    auc = keras.metrics.AUC(name="auc")
    net.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["accuracy", auc])
    name = str(folder / "tiny_net/weights.{epoch:02d}-{val_loss:.2f}.weights.h5")
    save = keras.callbacks.ModelCheckpoint(name, save_weights_only=True, verbose=1)
    wanted = (X[:, 0] + RANDOM.normal(size=80) > 0).astype(int)
    with (folder / "tiny_net/train.log").open("w") as log, contextlib.redirect_stdout(log):
        print("2025-07-21 10:44:38 training tiny_net")
        held_out = (X[60:], wanted[60:])
        done = net.fit(X[:60], wanted[:60], 20, 4, callbacks=[save], validation_data=held_out)
    print(done.history)


def flax(folder: Path) -> None:
    """Steps of an Orbax CheckpointManager with their metrics, and bytes of MessagePack."""
    import orbax.checkpoint as ocp
    from flax import serialization
    from jax import numpy as jnp

    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda m: m["val_auc"])
    with ocp.CheckpointManager((folder / "tiny_mlp/ckpts").resolve(), options=options) as manager:
        for step, auc in enumerate(AUCS):
            tree = {"params": {"w": jnp.full((2, 2), step)}}
            manager.save(step, args=ocp.args.StandardSave(tree), metrics={"val_auc": auc})
    (folder / "mlp_best.msgpack").write_bytes(serialization.to_bytes(tree))


def paddle(folder: Path) -> None:
    """Weights and optimizer of three epochs, as PaddleClas calls them, with its lines of log."""
    import paddle as pd

    home = folder / "output/ResNet_tiny"
    home.mkdir(parents=True)
    net = pd.nn.Linear(2, 1)
    steps = pd.optimizer.Momentum(0.1, parameters=net.parameters())
    lines = []
    for epoch, auc in enumerate(AUCS[:3], start=1):
        net.weight.set_value(pd.full([2, 1], float(epoch)))
        names = [f"epoch_{epoch}", "latest", *(["best_model"] if auc == max(AUCS) else [])]
        for name in names:
            pd.save(net.state_dict(), str(home / f"{name}.pdparams"))
            pd.save(steps.state_dict(), str(home / f"{name}.pdopt"))
        lines.append(
            f"[2025/07/2{epoch} 10:44:38] ppcls INFO: [Eval][Epoch {epoch}][Avg]CELoss: "
            f"{1 - auc:.5f}, loss: {1 - auc:.5f}, top1: {auc:.5f}, top5: 1.00000"
        )
    (home / "train.log").write_text("\n".join(lines) + "\n")


SAMPLES: tuple[Callable[[Path], None], ...] = (
    keras,
    sklearn,
    xgboost,
    lightgbm,
    catboost,
    onnx,
    mlflow,
    tensorflow,
    keras_log,
    flax,
    paddle,
)


def anonymous(content: bytes, place: str) -> bytes:
    """Return the content without our paths and without CatBoost's committers, as long as it was."""
    content = content.replace(place.encode(), b"/".ljust(len(place), b"x"))
    return re.sub(rb"(?<=Author: )[^<>]*<[^<>]*>", lambda found: b"x" * len(found[0]), content)


def main() -> None:
    """Make all samples; each DEST/<framework> is replaced, but for its expected.json."""
    parser = argparse.ArgumentParser(description="Make the classic samples.")
    parser.add_argument("dest", type=Path)
    parser.add_argument("only", nargs="*", help="names of frameworks; all without")
    arguments = parser.parse_args()
    arguments.dest = arguments.dest.resolve()
    for make in SAMPLES:
        if arguments.only and make.__name__ not in arguments.only:
            continue
        folder = arguments.dest / make.__name__
        kept = folder / "expected.json"
        expected = kept.read_bytes() if kept.exists() else None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        for file in (path for path in folder.rglob("*") if path.is_file()):
            file.write_bytes(anonymous(file.read_bytes(), str(folder.parent)))
        if expected:
            kept.write_bytes(expected)


if __name__ == "__main__":
    main()
