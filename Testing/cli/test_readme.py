"""What README.md says is so: its examples are read by the code they are for, what it names is there."""

import re
from pathlib import Path
from typing import get_args

import pytest

from MedDLLogic.cli import run
from MedDLLogic.job import Job
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.networks import architectures
from MedDLLogic.recipe import Recipe, Step
from MedDLLogic.records import parse_json
from MedDLLogic.resources import resource_path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


CARD, JOB = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_card_is_a_card():
    card = parse_json(ModelCard, CARD, code="E401")
    assert card.network_stages[0].network.architecture in architectures()


def test_the_example_job_is_a_job():
    assert parse_json(Job, JOB, code="E102").card is not None


def test_the_example_recipe_is_a_recipe():
    block = re.search(r"\$ cat recipe.json\n(.*?)\$ meddl", TEXT, re.DOTALL).group(1)
    assert parse_json(Recipe, block).steps


def test_the_steps_listed_are_the_steps_there_are():
    listed = re.search(r"Steps: (.*?)\. Parameters", TEXT, re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", listed)) == {step.kind for step in get_args(Step)}


def test_every_shipped_model_stands_in_the_table():
    assert all(f"| `{path.stem}` |" in TEXT for path in resource_path("Models").glob("*.json"))


def test_every_link_and_picture_leads_somewhere():
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", TEXT) if not target.startswith("http")]
    assert targets and all((ROOT / target).exists() for target in targets)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^(?:\$ )?meddl (models \w+|\w+)", TEXT, re.MULTILINE))))
def test_every_command_it_shows_is_there(command, capsys):
    assert run([*command.split(), "--help"]) == 0
