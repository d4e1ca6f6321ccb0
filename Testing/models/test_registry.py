"""Cards are found by name or path; a card of the user's own never takes the place of a shipped one."""

import json
import shutil

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.registry import find_card, list_cards, read_card, with_used_cards
from MedDLLogic.resources import resource_path
from MedDLLogic.storage import models_folder

from ..small_models import card_json, input_json, save_card, segment_json


def chain(name, used):
    stage = {"kind": "card", "name": "inner", "card": used, "inputs": {"t1": {"role": "t1"}}}
    return card_json(name, inputs=[input_json("t1")], stages=[stage], segments=[segment_json("brain")])


def test_shipped_cards_are_listed_and_found_by_name(own_home):
    assert {"brain-t1", "tissue-t1", "brain-tissue-t1"} <= {found.card.name for found in list_cards()}
    assert find_card("brain-t1").is_shipped


def test_a_card_in_the_users_folder_is_found_by_name(unet_card):
    models_folder().mkdir(parents=True)
    shutil.copy(unet_card, models_folder())
    assert not find_card("two-channels").is_shipped


def test_a_card_that_shadows_a_shipped_one_is_refused(own_home):
    models_folder().mkdir(parents=True)
    shutil.copy(resource_path("Models", "brain-t1.json"), models_folder())
    with pytest.raises(MedDLError, match=r"E401"):
        list_cards()
    assert find_card("brain-t1").is_shipped


def test_an_unknown_name_says_where_to_look(own_home):
    with pytest.raises(MedDLError, match=r"E403.*models list"):
        find_card("no-such-model")


def test_a_chain_names_every_card_it_needs(own_home):
    names = [found.card.name for found in with_used_cards(find_card("brain-tissue-t1"))]
    assert names == ["brain-tissue-t1", "brain-t1", "tissue-t1"]


def test_cards_that_run_each_other_in_a_circle_are_refused(own_home, tmp_path):
    save_card(tmp_path, chain("one", "two"))
    save_card(tmp_path, chain("two", "one"))
    with pytest.raises(MedDLError, match="circle"):
        list(with_used_cards(read_card(tmp_path / "one.json")))


def test_the_hash_of_a_card_does_not_depend_on_how_its_json_is_laid_out(unet_card):
    before = read_card(unet_card).sha256
    unet_card.write_text(json.dumps(json.loads(unet_card.read_text()), indent=4, sort_keys=True))
    assert read_card(unet_card).sha256 == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', "[" * 100_000])
def test_a_card_file_that_is_none_is_refused(own_home, tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(MedDLError, match=r"E401"):
        find_card(str(path))


def test_the_hash_of_a_chain_changes_with_a_card_that_it_runs(own_home, tmp_path, unet_card):
    inner = json.loads(unet_card.read_text())
    use = {role: {"role": role} for role in ("first", "second")}
    stage = {"kind": "card", "name": "inner", "card": inner["name"], "inputs": use}
    inputs = [input_json(role) for role in use]
    outer = save_card(tmp_path, card_json("outer", inputs=inputs, stages=[stage], segments=inner["segments"]))
    before = read_card(outer).sha256
    unet_card.write_text(json.dumps(inner | {"version": "2.0"}))
    assert read_card(outer).sha256 != before


def test_a_card_of_the_users_own_that_is_not_valid_is_named(own_home):
    models_folder().mkdir(parents=True)
    (models_folder() / "mine.json").write_text("{}")
    with pytest.raises(MedDLError, match=r"E401.*mine"):
        list_cards()


def test_a_used_card_is_named_like_its_file(own_home, tmp_path):
    save_card(tmp_path, chain("one", "two"))
    save_card(tmp_path, chain("three", "brain-t1")).rename(tmp_path / "two.json")
    with pytest.raises(MedDLError, match=r"E401.*named"):
        list(with_used_cards(read_card(tmp_path / "one.json")))


def test_a_used_card_is_never_a_path(own_home, tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(chain("one", "../two")))
    with pytest.raises(MedDLError, match=r"E401"):
        read_card(path)


def test_cards_that_run_others_many_times_over_are_each_read_once(own_home, tmp_path):
    for number in range(12):
        card = chain(f"card-{number}", f"card-{number + 1}" if number < 11 else "brain-t1")
        card["stages"] = [card["stages"][0] | {"name": f"stage-{n}"} for n in range(9)]
        save_card(tmp_path, card)
    assert len(list(with_used_cards(read_card(tmp_path / "card-0.json")))) == 13


def test_a_broken_card_of_the_users_costs_no_other_model(unet_card):
    models_folder().mkdir(parents=True)
    shutil.copy(unet_card, models_folder())
    (models_folder() / "a-broken-one.json").write_text("{")
    broken = []
    assert {"brain-t1", "two-channels"} <= {found.card.name for found in list_cards(broken.append)}
    assert [error.code for error in broken] == ["E401"]
    assert find_card("two-channels") and find_card("brain-t1")
    with pytest.raises(MedDLError, match=r"E401"):
        find_card("a-broken-one")
