
import torch
from sacred import Experiment
from sacred.observers import FileStorageObserver

ex = Experiment("tiny_linear", save_git_info=False)
ex.observers.append(FileStorageObserver("sacred_runs"))
ex.add_config(lr=0.1, epochs=4, model={"name": "tiny_linear", "hidden": 2}, seed=7)

@ex.automain
def train(_run, epochs):
    best = 0.0
    for epoch, auc in enumerate((0.5125, 0.6432, 0.5811, 0.6107)):
        print(f"Epoch {epoch}: val_auc={auc:.4f}")
        _run.log_scalar("val.auc", auc, epoch)
        if auc > best:
            best = auc
            torch.save({"w": torch.full((2, 2), float(epoch))}, "best.pt")
    _run.add_artifact("best.pt")
    return best
