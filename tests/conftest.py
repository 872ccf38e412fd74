"""A fresh project for every test that asks for one; modules with another in mind have their own."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engine  # noqa: F401 - before a recipe turns to the cache of whoever runs this
from projects import just, legacy_project, twin
from template_fixture import copy_of_template, generate
from torch_writer import save

# Each project of a test is gone before its bytecode, in the developer's cache, is of use again.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# So it is shared instead, by content, until the run ends; the workers of xdist inherit all of it.
if "SHARED_BYTECODE" not in os.environ:
    os.environ["SHARED_BYTECODE"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["SHARED_BYTECODE"], ignore_errors=True)
    startup = str(Path(__file__).with_name("startup"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (startup, os.environ.get("PYTHONPATH")))
    )

NOBODY = 65534  # the user who owns nothing


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = copy_of_template(tmp_path_factory.mktemp("template"))
    folder = tmp_path_factory.mktemp("generated") / "project"
    return generate(template, folder, project_name="p", model_types=["resnet50"])


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A project whose folder has a space in its name."""
    return Path(shutil.copytree(generated, tmp_path / "my project"))


@pytest.fixture(scope="session")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the seed with the template copied into it; to be copied, not changed."""
    return legacy_project(tmp_path_factory.mktemp("legacy"))


@pytest.fixture(scope="session")
def cleaned(legacy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a clean-up."""
    project = twin(legacy, tmp_path_factory.mktemp("cleaned"))
    just(project, "cleanup", "--apply")
    return project


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Write a file into the project: a text, bytes, or what torch would save."""

    def write(path: str, content: object) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content)
        elif isinstance(content, bytes):
            target.write_bytes(content)
        else:
            save(target, content)

    return write


@pytest.fixture
def unprivileged() -> Iterator[Callable[[], None]]:
    """Makes the test run as a user who, unlike root, may not read everything.

    Nothing may be left to be imported by then: that user may not read Python's own folder either.
    """
    if os.name == "nt":
        pytest.skip("Windows takes no permission to read away by a mode")
    user = os.geteuid()
    yield lambda: os.seteuid(user or NOBODY)
    os.seteuid(user)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are the one's alone who runs it."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home)
