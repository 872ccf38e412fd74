"""A fresh project for every test that asks for one; modules with another in mind have their own."""

import shutil
from pathlib import Path

import pytest

from template_fixture import copy_of_template, generate


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = copy_of_template(tmp_path_factory.mktemp("template"))
    folder = tmp_path_factory.mktemp("generated") / "project"
    return generate(template, folder, project_name="p", model_types=["resnet50"])


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A project whose folder has a space in its name."""
    return Path(shutil.copytree(generated, tmp_path / "my project"))
