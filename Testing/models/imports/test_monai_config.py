"""References, macros, switches and expressions of a bundle's configuration come to what MONAI makes of them."""

import json
import zipfile

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.monai_config import Component, components, read_config
from MedDLLogic.models.imports.tables import read_table
from MedDLLogic.models.imports.tree import open_tree

VALUES = {
    "sizes": [96, 96, 32],
    "half": "$[s for s in @sizes]",
    "deep": {"a": {"b": [1, {"c": "@sizes::2"}]}, "up": "@::a::b::0", "above": "@::::sizes"},
    "old": "@deep#a#b#1#c",
    "sum": "$@sizes::0 + @deep::a::b::0 * 2",
    "macro": "%deep::a",
    "text": "user@host",
    "choice": "$@old if @sizes::0 > 90 else 0",
}


def tree(folder, config, name="inference.json", **more):
    (folder / "configs").mkdir()
    (folder / "configs" / name).write_text(config if isinstance(config, str) else json.dumps(config))
    for other, text in more.items():
        (folder / "configs" / f"{other}.json").write_text(text)
    return open_tree(folder)


@pytest.fixture
def config(tmp_path):
    return lambda values, **more: read_config(tree(tmp_path, values, **more), "configs/inference.json")


def refusal(config, values, place="a", **more):
    with pytest.raises(MedDLError) as caught:
        config(values, **more).value(place)
    return caught.value


@pytest.mark.parametrize("place", ["sizes", "deep", "old", "sum", "macro", "text", "choice", "deep::a::b", "sizes::1"])
def test_a_value_is_the_one_that_monai_finds(config, place):
    from monai.bundle import ConfigParser

    assert config(VALUES).value(place) == ConfigParser(json.loads(json.dumps(VALUES))).get_parsed_content(place)


def test_what_nobody_asks_for_is_never_looked_at(config):
    assert config({"a": 1, "imports": ["$__import__('os').system('false')"]}).value("a") == 1


def test_a_component_is_a_name_with_arguments(config):
    found = config({"n": 2, "net": {"_target_": "monai.networks.nets.UNet", "strides": ["@n", "$@n * 2"]}}).value("net")
    assert (found.target, found.arguments()) == ("UNet", {"strides": [2, 4]})


def test_a_component_that_is_switched_off_leaves_its_list(config):
    items = [{"_target_": "A", "_disabled_": "$1 > 0"}, {"_target_": "B", "_desc_": "kept", "_requires_": "$x()"}]
    assert [item.target for item in config({"a": items}).value("a")] == ["B"]


def test_a_compose_in_a_compose_is_one_list(config):
    inner = {"_target_": "Compose", "transforms": [{"_target_": "B"}]}
    found = config({"a": {"_target_": "Compose", "transforms": [{"_target_": "A"}, inner]}}).value("a")
    assert [component.target for component in components(found, "a")] == ["A", "B"]
    assert isinstance(found, Component)


def test_a_macro_takes_from_another_file_of_the_bundle(config):
    assert config({"a": "%configs/other.json::x"}, other='{"x": [1, 2]}').value("a") == [1, 2]


@pytest.mark.parametrize("path", ["/etc/secret.json", "../other.json", "configs/absent.json"])
def test_a_macro_cannot_reach_out_of_the_bundle(config, path):
    assert refusal(config, {"a": f"%{path}::x"}).code == "E408"


@pytest.mark.parametrize(
    "target",
    [
        "builtins.eval", "os.system", "subprocess.Popen", "logging.config.fileConfig", "scripts.networks.Net",
        "$eval", "@net", 7, "a b", "",
    ],
)  # fmt: skip
def test_a_target_outside_monai_is_refused_by_name(config, target):
    refused = refusal(config, {"a": {"_target_": target, "x": "$exit()"}})
    assert refused.code == "E405" and str(target) in refused.why


@pytest.mark.parametrize("mode", ["callable", "debug"])
def test_callables_and_debuggers_are_refused(config, mode):
    assert refusal(config, {"a": {"_target_": "UNet", "_mode_": mode}}).code == "E405"


@pytest.mark.parametrize(
    "values",
    [
        {"a": "@a"},
        {"a": "@b", "b": "$@a + 1"},
        {"a": ["@b"], "b": {"c": "@a"}},
        {"a": "@missing"},
        {"a": "%b", "b": "%a"},
    ],
)
def test_circles_and_loose_ends_are_refused(config, values):
    assert refusal(config, values).code == "E401"


def test_references_cannot_multiply_without_end(config):
    levels = {f"l{n}": [f"@l{n + 1}"] * 10 for n in range(12)} | {"l12": 1}
    assert refusal(config, {"a": "@l0"} | levels).code == "E408"


def test_macros_cannot_multiply_without_end(config):
    assert refusal(config, {"x": [0] * 1000, "a": ["%x"] * 1000}).code == "E408"


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', "[1]", "{", '{"a": ' + "[" * 100_000])
def test_json_that_is_not_sound_is_refused(tmp_path, text):
    with pytest.raises(MedDLError) as caught:
        read_config(tree(tmp_path, text), "configs/inference.json")
    assert caught.value.code in ("E401", "E408")


def test_nesting_has_an_end(tmp_path):
    with pytest.raises(MedDLError, match="too deeply"):
        read_config(tree(tmp_path, '{"a": ' + "[" * 80 + "]" * 80 + "}"), "configs/inference.json")


def test_a_configuration_in_an_archive_is_read_there(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("b/configs/inference.json", '{"a": "$1 + 1"}')
    assert read_config(open_tree(tmp_path / "b.zip"), "b/configs/inference.json").value("a") == 2


# -- YAML ------------------------------------------------------------------------------------------


def table(folder, text, **how):
    pytest.importorskip("yaml")
    return read_table(tree(folder, text, "inference.yaml"), "configs/inference.yaml", **how)


def test_yaml_gives_what_its_own_safe_loader_gives(tmp_path):
    text = "a: 1\nb: [1.5, yes, null, 'x']\nc:\n- _target_: UNet\n  n: 0x1F\nd: 2022-01-31\n"
    import yaml

    assert table(tmp_path, text) == yaml.safe_load(text) | {"d": "2022-01-31"}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['false']", "a: !!python/name:builtins.eval", "!!python/object:x.Y {}",
        "? !!python/object/apply:os.system ['false']\n: 1", "a: !!binary aGk=", "a: !own 1", "a: !!set {b}",
    ],
)  # fmt: skip
def test_yaml_that_names_types_is_refused(tmp_path, text):
    with pytest.raises(MedDLError) as caught:
        table(tmp_path, text)
    assert caught.value.code in ("E405", "E401")


@pytest.mark.parametrize("most", [0, 1000])
def test_yaml_aliases_are_refused_or_counted(tmp_path, most):
    levels = "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(20))
    with pytest.raises(MedDLError) as caught:
        table(tmp_path, f"a0: &a0 [x, x]\n{levels}", most_aliases=most)
    assert caught.value.code == "E408"


@pytest.mark.parametrize("text", ["a: [" * 3000, "a: 1\na: 2", "a: &x [*x]", "a: {", "- 1", "a: \x00"])
def test_yaml_that_is_not_sound_is_refused(tmp_path, text):
    with pytest.raises(MedDLError) as caught:
        table(tmp_path, text, most_aliases=5)
    assert caught.value.code in ("E401", "E408")
