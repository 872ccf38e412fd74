"""Carry out the `restore` actions of a plan: members of a verified archive become files again."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine import archive, disk
from engine.apply_paths import manifest_of
from engine.archive import Damaged, Member
from engine.journal import Journal, Record
from engine.plan import Action
from engine.steps import Steps
