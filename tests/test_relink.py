"""References to what recipes moved are brought up to date: all of them, and nothing else."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import torch_writer
from engine.changes.apply import apply
from engine.changes.rewriting import edited
from engine.plans.plan import Action, Plan
from engine.project import open_project
from engine.relinking import relink_notebook, relink_python, relink_text
from engine.relinking.moves import Moves, Reference
from engine.relinking.relink_text import Finder
from engine.relinking.written import WRITTEN
from projects import Tree, changed, just, just_json, recipe, recipe_json, tree
from template_fixture import commit_all, git, make_files
from trained_project import new_project

MOVES = Moves(
    "/home/me/proj",
    {
        "models/best.pth": "model_weights/production/net_v0.9.pth",
        "models/a b (copy).pth": "model_weights/production/net_v0.9.pth",
        "models/epoch=1-loss=0.5.ckpt": "model_weights/production/net_v0.8.ckpt",
        "runs/hf/checkpoint-10": "model_weights/pretrained/checkpoint-10",
        "best.pt": "model_weights/production/net_v0.7.pt",
        "docs/x.pt": "model_weights/production/x.pt",
    },
    {"models/old.pth": "in training/experiments/archived/old.tar.gz"},
)
NEW = "model_weights/production/net_v0.9.pth"
FINDER = Finder(MOVES)


def after(text: str, find: object = None, folder: str = "") -> tuple[str, list[str]]:
    """Return a text with its references rewritten, and why others were not."""
    data = text.encode()
    found: list[Reference] = (find or relink_text.find)(data, folder, FINDER)  # type: ignore[operator]
    edits = [(r.start, r.end, r.new) for r in found if r.new is not None]
    return edited(data, edits).decode(), [r.why for r in found if r.new is None]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cp models/best.pth x", f"cp {NEW} x"),
        ("ckpt: models/best.pth  # é", f"ckpt: {NEW}  # é"),
        ('{"ckpt": "./models/best.pth"}', f'{{"ckpt": "./{NEW}"}}'),
        ("--ckpt=models/best.pth.", f"--ckpt={NEW}."),
        ("-v models/best.pth:/app/m.pth", f"-v {NEW}:/app/m.pth"),
        ("COPY models/best.pth /app/", f"COPY {NEW} /app/"),
        ("'models/a b (copy).pth'", f"'{NEW}'"),
        ("x='models/epoch=1-loss=0.5.ckpt'", "x='model_weights/production/net_v0.8.ckpt'"),
        ("/home/me/proj/models/best.pth", f"/home/me/proj/{NEW}"),
        ("load runs/hf/checkpoint-10/", "load model_weights/pretrained/checkpoint-10/"),
        ("python eval.py best.pt", "python eval.py model_weights/production/net_v0.7.pt"),
        ("a\r\nmodels/best.pth\r\n", f"a\r\n{NEW}\r\n"),
    ],
)
def test_a_whole_path_is_rewritten_in_its_own_form(old: str, new: str) -> None:
    """Shell, YAML, JSON, Docker: with "./", absolute, in quotes, at the end of a sentence."""
    assert after(old) == (new, [])


@pytest.mark.parametrize(
    "text",
    [
        "models/best.pth.bak",
        "models/best.pthx",
        "old_models/best.pth",
        "/app/models/best.pth",
        "https://host/models/best.pth",
        "x/best.pt",
        "best.pt2",
        "my-best.pt",
        "models/best.pth/inner",
        "runs/hf/checkpoint-100",
        "other/models/best.pth",
        "~/models/best.pth",
    ],
)
def test_a_part_of_another_path_is_left_alone(text: str) -> None:
    """Only whole paths match: no longer names, no other folders, no URLs."""
    assert after(text) == (text, [])


@pytest.mark.parametrize("before", ["$ROOT/", "${ROOT}/", "$(pwd)/", "${R}/sub/"])
def test_a_path_behind_a_variable_is_reported(before: str) -> None:
    """What a variable holds is not guessed."""
    text, reported = after(f"cp {before}models/best.pth x")
    assert text == f"cp {before}models/best.pth x"
    assert reported == ["a variable stands before it"]


def test_what_is_packed_is_reported_with_its_archive() -> None:
    """A path into an archive would help no program."""
    assert after("x: models/old.pth") == (
        "x: models/old.pth",
        ["in training/experiments/archived/old.tar.gz"],
    )


def test_a_line_that_nobody_wrote_by_hand_is_in_doubt() -> None:
    """Of a line of 10,000 characters only what is near a path is read, and so the path is left."""
    near = '{"load": "models/best.pth", "x": "' + "x" * 5_000 + '"}'
    far = '{"load": "models/best.pth", "x": "' + "x" * 10_000 + '"}'
    assert after(near) == (near.replace("models/best.pth", NEW), [])
    assert after(far) == (far, [WRITTEN])


def test_many_references_on_one_line_are_found_in_time() -> None:
    """In a list that some program wrote, all on one line."""
    places = {f"runs/{n:04}/checkpoints/best.pth": f"models/{n}.pth" for n in range(600)}
    began = time.monotonic()
    finder = Finder(Moves("/home/me/proj", places, {}))
    found = relink_text.find(json.dumps([*places]).encode(), "", finder, ".json")
    assert time.monotonic() - began < 8
    assert len(found) == 600


def test_a_relative_path_stays_relative_to_its_file() -> None:
    """A link in a document, and a path with "..", lead to the new place from where they are."""
    assert after("[w](../models/best.pth)", folder="docs")[0] == f"[w](../{NEW})"
    assert after("[w](x.pt) x.pt", folder="docs")[0] == "[w](../model_weights/production/x.pt) x.pt"
    assert after("cd ../models/best.pth", folder="scripts")[0] == f"cd ../{NEW}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("p = 'models/best.pth'", f"p = '{NEW}'"),
        ('"""Loads models/best.pth."""', f'"""Loads {NEW}."""'),
        ("x = 1  # models/best.pth", f"x = 1  # {NEW}"),
        (
            "p = Path('models') / 'best.pth'",
            NEW_PATH := ('p = Path("model_weights/production") / "net_v0.9.pth"'),
        ),
        ("p = Path('models', 'best.pth')", f'p = Path("{NEW}")'),
        ("p = Path('models').joinpath('best.pth')", f'p = Path("{NEW}")'),
        ("p = Path('.') / 'models' / 'best.pth'", NEW_PATH),
        (
            "é = os.path.join('models', 'best.pth')",
            'é = os.path.join("model_weights/production", "net_v0.9.pth")',
        ),
    ],
)
def test_python_is_parsed(old: str, new: str) -> None:
    """Strings, comments and documentation, and paths that are joined from literal parts."""
    assert after(old, relink_python.find) == (new, [])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("p = ROOT / 'models' / 'best.pth'", "a variable is a part of it"),
        ("p = ROOT / 'models/best.pth'", "a variable is a part of it"),
        ("p = os.path.join(root, 'models', 'best.pth')", "a variable is a part of it"),
        ("p = f'{root}/models/best.pth'", "a variable stands before it"),
        ("p = f'models/{name}.pth'", "a variable is a part of it"),
        ("import torch\ntorch.save(m, 'models/best.pth')", WRITTEN),
        ("p = Path('models') / 'old.pth'", "in training/experiments/archived/old.tar.gz"),
    ],
)
def test_python_with_variables_or_writing_is_reported(code: str, why: str) -> None:
    """Nothing is guessed, and no program is made to write over the production model."""
    assert after(code, relink_python.find) == (code, [why])


P = "models/best.pth"
WRITING = [
    f"open('{P}', 'wb').write(b'')",
    f"open('{P}', mode='w')",
    f"open('{P}', 'ab')",
    f"open('{P}', 'x')",
    f"open('{P}', 'r+')",
    f"open('{P}', mode)",
    f"open(Path('{P}'), 'w')",
    "open(os.path.join('models', 'best.pth'), 'w')",
    f"with gzip.open('{P}', 'wt') as f: pass",
    f"tarfile.open('{P}', 'w:gz')",
    f"h5py.File('{P}', 'w')",
    *(
        f"Path('{P}').{call}"
        for call in (
            *("write_bytes(b'')", "write_text('')", "unlink()", "touch()", "rename('x')"),
            *("replace('x')", "open('w')", "open(mode='a')", "parent.mkdir()"),
            *("resolve().write_text('')", "removedirs()"),
        )
    ),
    "(Path('models') / 'best.pth').write_bytes(b'')",
    "Path('models').joinpath('best.pth').unlink()",
    *(f"os.{name}('{P}')" for name in ("remove", "unlink")),
    *(f"os.{name}('x', '{P}')" for name in ("rename", "replace")),
    *(f"shutil.{name}('x', '{P}')" for name in ("move", "copy", "copyfile", "copy2", "copytree")),
    f"shutil.copy('x', dst='{P}')",
    f"shutil.move('{P}', 'x')",
    f"shutil.rmtree('{P}')",
    f"joblib.dump(m, '{P}')",
    f"pickle.dump(m, open('{P}', 'wb'))",
    f"np.save('{P}', a)",
    f"np.savez('{P}', a=a)",
    f"model.save('{P}')",
    f"model.save_weights('{P}')",
    f"model.save_pretrained('{P}')",
    f"torch.save(m, f='{P}')",
    f"save_file(m, '{P}')",
    *(f"df.{name}('{P}')" for name in ("to_csv", "to_json", "to_parquet")),
    f"def main(save_path='{P}'): pass",
    f"def main(*, output: str = '{P}'): pass",
    f"def main(p='{P}'): torch.save(m, p)",
    *(f"a.add_argument('--{name}', default='{P}')" for name in ("output", "out", "save", "dest")),
    f"a.add_argument('--w', default='{P}')\nargs = a.parse_args()\ntorch.save(m, args.w)",
    f"OUT = Path('{P}')\ntorch.save(m, OUT)",
    f"p = '{P}'\ntorch.save(m, p)",
    f"p = '{P}'\nq = Path(p)\nq.unlink()",
    "p = Path('models') / 'best.pth'\nwith p.open('wb') as f: pass",
    f"class A:\n  w = '{P}'\n  def f(self): os.remove(self.w)",
    f"C = {{'w': '{P}'}}\ntorch.save(m, C['w'])",
    f"C = {{'save_path': '{P}'}}",
    f"for p in ['{P}', 'b']: os.remove(p)",
    f"def f(): return '{P}'\nopen(f(), 'w')",
    f"def f(p): os.remove(p)\nf('{P}')",
    f"train(output='{P}')",
    f"subprocess.run(['rm', '-f', '{P}'])",
    f"subprocess.run(['cp', 'x', '{P}'])",
    f"os.system('rm {P}')",
    f"os.system('x > {P}')",
    f"logging.FileHandler('{P}')",
    f"w = os.environ.get('OUT', '{P}')",
]


@pytest.mark.parametrize("code", WRITING)
def test_what_a_program_writes_to_is_left_and_listed(code: str) -> None:
    """Opened for writing, deleted, moved, saved, by whatever name: the old path stays."""
    text, reported = after(code, relink_python.find)
    assert text == code
    assert set(reported) == {WRITTEN}


@pytest.mark.parametrize(
    "code",
    [
        "torch.load('{}')",
        "open('{}')",
        "open('{}', 'rb')",
        "open('{}', mode='r')",
        'Path("{}").open("rb")',
        "shutil.copy('{}', 'x')",
        "m = load_model('{}')\nm.save('x')",
        "with open('{}', 'rb') as f:\n  m = pickle.load(f)\nwith open('x', 'wb') as f: f.write(m)",
        "def f():\n  p = '{}'\n  return torch.load(p)\ndef g(p): torch.save(m, p)",
        "def main(ckpt='{}'): return torch.load(ckpt)",
        "a.add_argument('--ckpt', default='{}')",
        "CKPT = '{}'\nif os.path.exists(CKPT): m = torch.load(CKPT)",
        "subprocess.run(['cp', '{}', 'x'])",
        "C = {{'w': '{}'}}\njson.dump(C, f)\ntorch.save(C, 'x')",
        "m = AutoModel.from_pretrained('{}')\nm.save_pretrained('x')",
    ],
)
def test_what_a_program_reads_is_rewritten(code: str) -> None:
    """The same names and calls where nothing is written."""
    assert after(code.format(P), relink_python.find) == (code.format(NEW), [])


@pytest.mark.parametrize(
    "code",
    [
        "cp x {}",
        "cp -f x {} && echo done",
        "x > {}",
        "x >{}",
        "x >> {}",
        "x 2>&1 | tee {}",
        "x | tee -a {}",
        "rm {}",
        "rm -f a {} b",
        "mv x {}",
        "mv {} x",
        "\tgit rm {}",
        "python train.py --output {}",
        "python train.py --out-dir={}",
        "python train.py -o {}",
        "python train.py \\\n  --save_path \\\n  {}",
        "python export.py {}",
        "OUT={}",
        "W={}\nrm $W",
        'W="{}"\npython x > "${{W}}"',
        "save_path: {}",
        "output: {{a: {}}}",
        'out_dir = "{}"',
        '{{"dest": "{}"}}',
        '{{"output": {{"a": 1, "path": "{}"}}}}',
        "rm('{}')",
    ],
)
def test_what_commands_and_keys_write_to_is_left_and_listed(code: str) -> None:
    """In shells, in configs and in documents: copied to, redirected to, removed, saved."""
    assert after(code.format(P)) == (code.format(P), [WRITTEN])


@pytest.mark.parametrize(
    ("code", "suffix"),
    [
        ("output:\n  model:\n    path: {}\n", ".yaml"),
        ("save:\n- a\n- {}\n", ".yml"),
        ("[output]\npath = '{}'\n", ".toml"),
        ('{{\n  "output": {{\n    "path": "{}"\n  }}\n}}', ".json"),
    ],
)
def test_a_key_further_out_says_so_too(code: str, suffix: str) -> None:
    """A path below `output` is an output; one beside it is none."""
    text = code.format(P)
    (one,) = relink_text.find(text.encode(), "", FINDER, suffix)
    assert (one.new, one.why) == (None, WRITTEN)
    beside = f"output:\n  a: b\nmodel:\n  path: {P}\n"
    assert relink_text.find(beside.encode(), "", FINDER, ".yaml")[0].new == NEW


@pytest.mark.parametrize(
    ("code", "new"),
    [
        ("Path('{}').exists()", 'Path("{}").exists()'),
        ("Path('{}').read_bytes()", 'Path("{}").read_bytes()'),
        ("Path('{}').stat().st_size", 'Path("{}").stat().st_size'),
        ("Path('models').joinpath('best.pth').stat()", 'Path("{}").stat()'),
        ("(Path('models') / 'a').parent.joinpath('b')", None),
        ("(Path('models') / '.').joinpath('best.pth').stat()", 'Path("{}").stat()'),
        ("pathlib.Path('models', 'best.pth').stat()", 'pathlib.Path("{}").stat()'),
        ("Path(os.path.join('models', 'best.pth')).stat()", 'Path("{}").stat()'),
        ("torch.load(Path('{}').resolve())", 'torch.load(Path("{}").resolve())'),
        ("Path(find('{}')).stat()", "Path(find('{}')).stat()"),
    ],
)
def test_a_rewritten_path_can_be_asked_as_before(code: str, new: str | None) -> None:
    """What follows a path still belongs to all of it."""
    old = code.format(P)
    assert after(old, relink_python.find) == (new.format(NEW) if new else old, [])


@pytest.mark.parametrize(
    "code",
    [
        "f\"{Path('models/best.pth').name}\"",
        "f\"{Path('models') / 'best.pth'}\"",
        "f'models/best.pth {x}'",
        "f'{d[\"models/best.pth\"]}'",
        'f"""\n{x}\n{Path("models") / "best.pth"}"""',
    ],
)
def test_an_f_string_is_left_and_listed(code: str) -> None:
    """Quotes do not nest in it before Python 3.12."""
    text, reported = after(code, relink_python.find)
    assert text == code
    assert [why.partition(";")[0] for why in reported] == ["stands in an f-string"]


@pytest.mark.parametrize(
    "code",
    [
        "x = models / best",
        "p = out / 'best.pt'",
        "d = {'models': 1}",
        "a = models/best.pth",
        "b = 4 / 2",
    ],
)
def test_python_that_names_nothing_is_left_alone(code: str) -> None:
    """Divisions, keys, and names of files in some other folder are no references."""
    assert after(code, relink_python.find) == (code, [])


def test_python_in_odd_encodings_is_not_damaged() -> None:
    """A byte order mark shifts nothing; what is not UTF-8 is not rewritten."""
    data = b"\xef\xbb\xbfp = Path('models') / 'best.pth'  # models/best.pth\n"
    found = relink_python.find(data, "", FINDER)
    edits = [(r.start, r.end, r.new) for r in found if r.new is not None]
    new = f"\ufeff{NEW_PATH}  # {NEW}\n"
    assert edited(data, edits).decode() == new
    with pytest.raises(ValueError, match="iso-8859-1"):
        relink_python.find(b"# coding: latin-1\np = 'models/best.pth'\n", "", FINDER)


def test_a_new_name_that_needs_quotes_is_reported() -> None:
    """A program is not broken by a space or a quote that came with the new name."""
    moves = Moves("/home/me/proj", {"a.pth": "w/it's a.pth"}, {})
    (found,) = Finder(moves).find(b"cp a.pth x", "")
    assert found.new is None
    assert found.why == "is at w/it's a.pth, which may need quotes there"


def test_a_notebook_changes_in_its_sources_alone() -> None:
    """Cells are rewritten line by line; outputs, metadata and the format of the file stay."""
    lines = ["%cd ..\n", "p = Path('models') / 'best.pth'\n", "# é models/best.pth"]
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": ["models/best.pth"], "source": lines},
        {"cell_type": "markdown", "metadata": {"a": [1, {}]}, "source": "see `models/best.pth`"},
        {"cell_type": "code", "outputs": [], "source": ["!cp $A/models/best.pth .\n"]},
    ]
    text = json.dumps({"cells": cells, "nbformat": 4}, indent=1, ensure_ascii=False) + "\n"
    new, reported = after(text, relink_notebook.find)
    changed_cells = json.loads(new)["cells"]
    assert changed_cells[0]["source"] == [
        "%cd ..\n",
        'p = Path("model_weights/production") / "net_v0.9.pth"\n',
        f"# é {NEW}",
    ]
    assert changed_cells[1]["source"] == f"see `{NEW}`"
    assert changed_cells[0]["outputs"] == ["models/best.pth"]
    assert reported == ["a variable stands before it"]
    same = [a == b for a, b in zip(text.splitlines(), new.splitlines(), strict=True)]
    assert same.count(False) == 3


# The recipe

SOURCES = {
    "train.py": "import torch\nW = torch.load('models/best.pth')\nO = ROOT / 'models/best.pth'\n",
    "run.sh": "#!/bin/sh\npython train.py --w models/best.pth\n",
    "Makefile": "w:\n\tcp models/best.pth x\n",
    "conf/a.toml": "w = 'models/best.pth'\n",
    "notes.md": "[w](models/best.pth), models/old.log\n",
    "mlruns/1/meta.yaml": "artifact_uri: file:///x/models/best.pth\n",
    ".github/workflows/a.yml": "run: test -f models/best.pth\n",
    "data/list.json": '["models/best.pth"]\n',
    ".gitignore": "*.pth\n*.log\nignored/\n",
    "ignored/a.sh": "cp models/best.pth x\n",
}
MOVED = {
    "models/best.pth": "model_weights/production/net_v0.9000.pth",
    "models/old.log": "training/logs/old.log",
}


def cleaned(folder: Path) -> Path:
    """Return a project in which a run has moved a checkpoint and a log."""
    root = new_project(folder)
    make_files(root, SOURCES | {"models/old.log": "x\n"})
    (root / "run.sh").chmod(0o755)
    model = {"config": {"init": "models/best.pth"}, "w": torch_writer.Tensor((2, 2))}
    torch_writer.save(root / "models/best.pth", model)
    commit_all(root)
    project = open_project(root, root / "training/conventions.toml", {})
    actions = []
    for src, dst in MOVED.items():
        status = (root / src).stat()
        actions.append(Action("move", src, dst, status.st_size, "so", mtime_ns=status.st_mtime_ns))
    apply(project, Plan("cleanup", "2025-07-25", tuple(actions)), datetime.now(UTC))
    return root


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cleaned(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def project(seed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seed, tmp_path / "project"))


def states(project: Path) -> Tree:
    return tree(project, without=(".git", "training/.history"))


def test_the_recipe_shows_a_diff_and_changes_nothing(project: Path) -> None:
    """Without --apply: each line that would change, and each that a person has to see to."""
    before = tree(project, without=())
    shown = just(project, "relink").stdout
    assert "-W = torch.load('models/best.pth')" in shown
    assert "+W = torch.load('model_weights/production/net_v0.9000.pth')" in shown
    assert "not rewritten: train.py:3: */models/best.pth: a variable is a part of it" in shown
    assert (
        "mlruns/1/meta.yaml: artifact_uri names models/best.pth; it is the tracker's, and stays"
        in shown
    )
    assert shown.rstrip().endswith("Next: just relink --apply")
    assert not changed(before, tree(project, without=()))


def test_the_diff_is_coloured_on_a_terminal(project: Path) -> None:
    """Removed lines are red and added ones green, unless colour is not wanted."""
    shown = recipe(project, "relink", FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b[32m+W = torch" in shown
    assert "\x1b[31m-W = torch" in shown


def test_it_rewrites_and_takes_back_byte_for_byte(project: Path) -> None:
    """--apply changes exactly what the diff said, modes kept; undo gives back bytes and times."""
    before = states(project)
    just(project, "relink", "--apply")
    after_it = states(project)
    files = {"train.py", "run.sh", "Makefile", "conf/a.toml", "notes.md", ".github/workflows/a.yml"}
    assert {p for p in changed(before, after_it) if (project / p).is_file()} == files
    assert (project / "run.sh").stat().st_mode & 0o777 == 0o755
    new = MOVED["models/best.pth"]
    assert (project / "Makefile").read_text() == f"w:\n\tcp {new} x\n"
    assert (project / "notes.md").read_text() == f"[w]({new}), training/logs/old.log\n"
    assert just_json(project, "relink")["actions"] == []
    just(project, "purge", "--apply")  # of which a rewritten source is none
    just(project, "undo")
    assert not changed(before, states(project))


def test_a_text_that_git_has_given_back_comes_back_as_it_was(project: Path) -> None:
    """A checkout before undo is no change that someone made: nothing is set aside or remarked."""
    before, text = states(project), (project / "notes.md").read_bytes()
    recipe(project, "relink", "--apply")
    (project / "notes.md").write_bytes(text)
    assert recipe(project, "undo").stderr == ""
    assert not changed(before, states(project))


def test_a_file_with_changes_is_refused_by_name(project: Path) -> None:
    """What git could not give back is not touched, and nothing else is either."""
    with (project / "run.sh").open("a") as file:
        file.write("# mine\n")
    before = tree(project, without=())
    refused = recipe(project, "relink", "--apply", status=2)
    assert refused.stderr.startswith("run.sh: has changes that are not committed")
    assert refused.stderr.count("\n") == 1
    assert "run.sh: has changes" in recipe(project, "relink").stdout
    assert not changed(before, tree(project, without=()))
    git(project, "commit", "-aqm", "mine")
    recipe(project, "relink", "--apply")
    assert "# mine" in (project / "run.sh").read_text()


def test_an_interrupted_rewriting_is_resumed(project: Path) -> None:
    """With one file rewritten and one in quarantine alone, resume ends like an apply at once."""
    twin = Path(shutil.copytree(project, project.parent / "twin"))
    recipe(twin, "relink", "--apply")
    recipe(project, "relink", "--apply")
    (run,) = (project / "training/.history").glob("*_relink")
    lines = (run / "journal.jsonl").read_bytes().splitlines(keepends=True)
    creates = [n for n, line in enumerate(lines) if b'"create"' in line and b'"intent"' in line]
    path = json.loads(lines[creates[-1]])["id"]
    (run / "journal.jsonl").write_bytes(b"".join(lines[: creates[-1]]))
    (project / path).unlink()
    recipe(project, "resume")
    ours, theirs = states(project), states(twin)
    assert {p: e[:2] for p, e in ours.items()} == {p: e[:2] for p, e in theirs.items()}


def test_settings_inside_a_model_are_reported(project: Path) -> None:
    """A path that a checkpoint holds cannot be rewritten; who wrote it can save it again."""
    notes = recipe_json(project, "relink")["notes"]
    assert any("net_v0.9000.pth: says" in note and "inside" in note for note in notes), notes


def test_stores_of_trackers_are_reported_by_file_and_key(project: Path) -> None:
    """MLflow's files and database, and W&B's: each value that names what moved; nothing changes."""
    stores = {
        "mlruns/0/abc/params/init": "models/best.pth",
        "mlruns/0/abc/tags/note": f"is {project}/models/best.pth.",
        "mlruns/0/abc/params/other": "models/best.pth.bak",
        "wandb/run-1/files/config.yaml": "ckpt:\n  value: models/best.pth\n",
        "wandb/run-1/files/wandb-metadata.json": '{"args": [\n"--w",\n"models/best.pth"]}',
    }
    make_files(project, stores)
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        database.execute("CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT)")
        database.execute("INSERT INTO params VALUES ('init', 'models/best.pth', 'abc')")
        database.commit()
    before = tree(project, without=())
    notes = recipe_json(project, "relink")["notes"]
    told = {note.partition("; it is")[0] for note in notes if "tracker's" in note}
    assert told == {
        "mlflow.db: params.value in row 1 names models/best.pth",
        "mlruns/0/abc/params/init: init names models/best.pth",
        "mlruns/0/abc/tags/note: note names models/best.pth",
        "mlruns/1/meta.yaml: artifact_uri names models/best.pth",
        "wandb/run-1/files/config.yaml: value names models/best.pth",
        "wandb/run-1/files/wandb-metadata.json: wandb-metadata.json names models/best.pth",
    }
    assert not changed(before, tree(project, without=()))


def test_a_database_that_is_none_is_no_error(project: Path) -> None:
    """What only bears the name of MLflow's is passed over."""
    (project / "mlflow.db").write_bytes(b"SQLite format 3\0 and no more")
    assert "mlflow.db" not in recipe(project, "relink").stdout


def test_a_symlinked_source_is_left_alone(project: Path) -> None:
    """Neither the link nor, through it, a file elsewhere is rewritten."""
    outside = make_files(project.parent / "elsewhere", {"run.sh": "cp models/best.pth x\n"})
    (project / "linked.sh").symlink_to(outside / "run.sh")
    git(project, "add", "linked.sh")
    git(project, "commit", "-qm", "a link")
    recipe(project, "relink", "--apply")
    assert (project / "linked.sh").is_symlink()
    assert (outside / "run.sh").read_text() == "cp models/best.pth x\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", "COPY {} /app/m.pth\nENV W={}\n"),
        ("docker/train.dockerfile", "RUN test -f {}\n"),
        ("Makefile", "w: {}\n\tcp $< x\n"),
        ("rules.mk", "W := {}\n"),
        ("justfile", "w:\n    cp {} x\n"),
        ("job.sbatch", "#!/bin/bash\n#SBATCH -J a\npython e.py --w={}\n"),
        ("run.bash", 'W={} ; cp "{}" x\n'),
        ("conf/c.yaml", "model:\n  init: {}\n  all: [{}, b]\n"),
        ("conf/c.yml", "init: '{}'\n"),
        ("conf/c.toml", 'w = "{}"\n'),
        ("conf/c.json", '{{"w": "{}", "l": ["{}"]}}'),
        ("conf/c.ini", "[a]\nw = {}\n"),
        ("docker-compose.yml", "volumes:\n  - ./{}:/m.pth:ro\n"),
        ("README.md", "`{}` and [w]({})\n"),
        ("doc/a.rst", "See ``{}``.\n"),
        ("eval.py", "A = '{}'\n"),
        ("a.ipynb", '{{"cells": [{{"cell_type": "code", "source": ["A = \'{}\'"]}}]}}'),
    ],
)
def test_each_kind_of_file_is_rewritten(project: Path, name: str, text: str) -> None:
    """Docker, make, just, Slurm, shell, YAML, TOML, JSON, INI, Markdown, Python, Jupyter."""
    make_files(project, {name: text.format("models/best.pth", "models/best.pth")})
    commit_all(project)
    actions = recipe_json(project, "relink", "--apply")["actions"]
    assert name in {action["src"] for action in actions}
    new = MOVED["models/best.pth"]
    assert (project / name).read_text() == text.format(new, new)


def test_a_name_of_another_file_is_followed(project: Path) -> None:
    """A config's path that a program writes to is left, whether in a module or in YAML."""
    sources = {
        "settings.py": "KEPT = 'models/best.pth'\nREAD = 'models/best.pth'\n",
        "keep.py": "import torch\nfrom settings import KEPT, READ\n"
        "torch.save(torch.load(READ), KEPT)\ntorch.save(1, config['model']['final'])\n",
        "conf/a.yaml": "model:\n  final: models/best.pth\n  init: models/best.pth\n",
        "a.ipynb": json.dumps(
            {
                "cells": [
                    {"cell_type": "code", "source": ["A = 'models/best.pth'\n"]},
                    {"cell_type": "code", "source": ["B = 'models/best.pth'\n"]},
                    {"cell_type": "code", "source": ["torch.save(torch.load(B), A)\n"]},
                    {"cell_type": "code", "source": ["!rm models/best.pth\n"]},
                ]
            }
        ),
    }
    make_files(project, sources)
    commit_all(project)
    notes = recipe_json(project, "relink", "--apply")["notes"]
    new = MOVED["models/best.pth"]
    for path in sources:
        written = [note for note in notes if note.startswith(path) and note.endswith(WRITTEN)]
        assert len(written) == (path != "keep.py"), notes
    assert (project / "settings.py").read_text() == f"KEPT = 'models/best.pth'\nREAD = '{new}'\n"
    yaml = f"model:\n  final: models/best.pth\n  init: {new}\n"
    assert (project / "conf/a.yaml").read_text() == yaml
    cells = json.loads((project / "a.ipynb").read_bytes())["cells"]
    assert [new in cell["source"][0] for cell in cells] == [False, True, False, False]


def test_a_program_that_saves_does_not_overwrite_the_production_model(project: Path) -> None:
    """After relinking it runs as before, and the model in production stays byte for byte."""
    saving = "with open('models/best.pth', 'wb') as f:\n    f.write(b'new')\n"
    make_files(project, {"save.py": saving})
    commit_all(project)
    recipe(project, "relink", "--apply")
    model = project / MOVED["models/best.pth"]
    before = model.read_bytes()
    (project / "models").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "save.py"], cwd=project, check=True)
    assert model.read_bytes() == before
    assert (project / "models/best.pth").read_bytes() == b"new"


def test_a_file_that_could_not_be_parsed_afterwards_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What would be no Python any more is not offered; the user is told."""
    monkeypatch.setattr(relink_python, "_quoted", lambda text: f"'{text}")
    code = "p = Path('models') / 'best.pth'\nq = 'models/best.pth'\n"
    text, reported = after(code, relink_python.find)
    assert text == code
    assert set(reported) == {relink_python.UNREADABLE}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("odd.ipynb", '{"cells": ["models/best.pth"]}'),
        ("list.ipynb", '["models/best.pth"]'),
        ("deep.py", f"x = {'-' * 100_000}1  # models/best.pth\n"),
    ],
)
def test_what_cannot_be_parsed_is_listed_and_stops_nothing(
    project: Path, name: str, text: str
) -> None:
    """One hostile file among the sources: it is named, and all others are rewritten."""
    make_files(project, {name: text})
    shown = recipe(project, "relink").stdout
    assert f"not rewritten: {name}: cannot be parsed" in shown
    assert "+++ b/run.sh" in shown


def test_a_project_without_runs_has_nothing_to_rewrite(tmp_path: Path) -> None:
    """Nothing was moved, so nothing is read and nothing said."""
    assert recipe(new_project(tmp_path), "relink").stdout == "Nothing to rewrite.\n"
    assert os.environ.get("TRAINING_DIR") is None
