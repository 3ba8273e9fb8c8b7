from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.config.load import RECIPES, build, find_recipe, load_recipe, recipe_names
from gesso.config.schema import DataSettings, OptimSettings, Recipe
from gesso.core.errors import ConfigError, UnknownNameError

SMALL = """
objective: language
model: {shape: {language: {hidden_size: 32}}}
data: {count: 4}
run: {out: here, steps: 3}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_says_how_to_run_it(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.about
    assert find_recipe(name).read_text(encoding="utf-8").splitlines()[0] == f"# gesso train {name}"


def test_recipes_have_folders_of_their_own_to_write_to() -> None:
    folders = [load_recipe(name).run.out for name in recipe_names()]
    assert len(set(folders)) == len(folders) > 0


def test_names_are_paths_below_the_recipes_folder() -> None:
    assert "mini/lm" in recipe_names()
    assert find_recipe("mini/lm") == RECIPES / "mini" / "lm.yaml"


def test_an_unknown_recipe_lists_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown recipe 'mini/ml'; did you mean .*mini/lm"):
        load_recipe("mini/ml")
    with pytest.raises(UnknownNameError, match="no-such-file"):
        load_recipe("no-such-file.yaml")


def test_unnamed_settings_take_their_defaults(small: str) -> None:
    recipe = load_recipe(small)
    assert recipe.optim == OptimSettings()
    assert recipe.data == DataSettings(count=4)
    assert recipe.run.steps == 3


def test_overrides_win_over_the_file_and_later_ones_over_earlier(small: str) -> None:
    changed = load_recipe(small, ["run.steps=7", "optim.lr=0.5", "run.steps=8", "tune.language=0"])
    recipe = load_recipe(small)
    assert changed == replace(
        recipe,
        run=replace(recipe.run, steps=8),
        optim=replace(recipe.optim, lr=0.5),
        tune={"language": 0.0},
    )


def test_overrides_reach_into_the_shape(small: str) -> None:
    recipe = load_recipe(small, ["model.shape.language.hidden_size=64", "model.shape.vision={patch_size: 8}"])
    assert recipe.model.shape == {"language": {"hidden_size": 64}, "vision": {"patch_size": 8}}


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("2.5e-4", 2.5e-4), ("1", 1.0), ("'0.5'", 0.5)])
def test_numbers_are_read_as_people_write_them(small: str, text: str, value: float) -> None:
    rate = load_recipe(small, [f"optim.lr={text}"]).optim.lr
    assert rate == value
    assert isinstance(rate, float)


def test_an_optional_choice_is_checked_like_any_other(small: str) -> None:
    assert load_recipe(small, ["model.aspect=pad"]).model.aspect == "pad"
    assert load_recipe(small, ["model.aspect=pad", "model.aspect="]).model.aspect is None
    with pytest.raises(ConfigError, match=r"model\.aspect is 'wide'; allowed: square, pad"):
        load_recipe(small, ["model.aspect=wide"])


def test_an_empty_override_takes_an_optional_setting_away(small: str) -> None:
    assert load_recipe(small, ["model.tokenizer=folder"]).model.tokenizer == "folder"
    assert load_recipe(small, ["model.tokenizer=folder", "model.tokenizer="]).model.tokenizer is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.rate=1", r"unknown setting optim.rate; (did you mean|known: lr)"),
        ("optim.weight_decai=1", "unknown setting optim.weight_decai; did you mean weight_decay?"),
        ("opti.lr=1", "unknown setting opti; did you mean optim?"),
        ("run.steps=many", "run.steps is 'many'; it must be int"),
        ("run.steps=2.5", "run.steps is 2.5; it must be int"),
        ("run.steps=true", "run.steps is True; it must be int"),
        ("run.checkpointing=1", "run.checkpointing is 1; it must be bool"),
        ("optim.lr=fast", "optim.lr is 'fast'; it must be a number"),
        ("optim.lr=true", "optim.lr is True; it must be float"),
        ("optim.lr=[1]", r"optim.lr is \[1\]; it must be float"),
        ("optim.lr=0", "optim.lr is 0.0"),
        ("optim.lr=.nan", "optim.lr is nan"),
        ("run.out=3", "run.out is 3; it must be str"),
        ("run.out=", "run.out is None; it must be str"),
        ("run.precision=fp16", "run.precision is 'fp16'; allowed: bf16, fp32"),
        ("objective=[]", r"objective is \[\]; allowed: .*contrastive, language"),
        ("tune=0.1", "tune is 0.1; it must be a mapping"),
        ("tune.vision=slow", "tune.vision is 'slow'; it must be a number"),
        ("model.shape.language=3", "model.shape.language is 3; it must be a mapping"),
        ("run=3", "run is 3; it must be a group of settings"),
        ("run.steps", "override 'run.steps'; write key=value"),
        ("=3", "override '=3'; write key=value"),
        ("run.steps.more=3", "steps is a value, not a group of settings"),
        ("about={", "'{' is no valid YAML"),
        ("run={out: here}", "setting run.steps is missing"),
    ],
)
def test_what_does_not_fit_is_refused(small: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(small, [override])


@pytest.mark.parametrize(
    "override",
    [
        "about=2020-13-45",
        "about=0b_",
        "about=!!int ''",
        "about=!!bool x",
        "about=!!timestamp x",
        "optim.lr=" + "9" * 400,
    ],
)
def test_values_that_yaml_or_float_choke_on_are_refused(small: str, override: str) -> None:
    with pytest.raises(ConfigError):
        load_recipe(small, [override])


keys = st.lists(
    st.sampled_from(
        ["run", "steps", "optim", "lr", "model", "shape", "tune", "data", "chinese", "", "x", "out"]
    ),
    max_size=3,
).map(".".join)
values = st.one_of(
    st.text(alphabet="ab:{}[],-&*!#|>'\"% \n\t.", max_size=8),
    st.sampled_from(["1", "-1", "1e-3", ".inf", ".nan", "null", "true", "[1, 2]", "{a: 1}", "{lr: {}}"]),
)


@given(st.lists(st.tuples(keys, values), min_size=1, max_size=3), st.text(max_size=8))
def test_any_overrides_give_a_recipe_or_a_config_error(
    small: str, pairs: list[tuple[str, str]], junk: str
) -> None:
    with suppress(ConfigError):
        assert isinstance(load_recipe(small, [*(f"{key}={value}" for key, value in pairs), junk]), Recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is no valid YAML"), ("[1, 2]", "holds list; a recipe is a mapping"), ("", "holds NoneType")],
)
def test_files_that_are_no_recipe_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(path))


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x80", b"\x80\x02}q", b"about: \xe4"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "weights.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load_recipe(str(path))


class Named:
    """Knows best how it is written."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def from_dict(cls, data: object) -> "Named":
        if not isinstance(data, dict):
            raise ConfigError("not by me")
        return cls(str(data["name"]))


@dataclass(frozen=True)
class Inner:
    count: int = 1


@dataclass(frozen=True)
class Outer:
    pair: tuple[int, float] = (1, 1.0)
    many: tuple[tuple[str, int], ...] = ()
    inner: Inner | None = None
    named: Named | None = None


def test_lists_become_tuples_of_the_types_they_are_to_have() -> None:
    made = build(Outer, {"pair": [2, 3], "many": [["a", 1], ("b", 2)]}, where="")
    assert made == Outer(pair=(2, 3.0), many=(("a", 1), ("b", 2)))
    assert isinstance(made.pair[1], float)
    assert build(Outer, {"many": []}, where="").many == ()


def test_finished_values_stay_and_classes_read_their_own() -> None:
    inner, named = Inner(3), Named("x")
    made = build(Outer, {"inner": inner, "named": named}, where="")
    assert made.inner is inner
    assert made.named is named
    read = build(Outer, {"inner": {"count": 4}, "named": {"name": "y"}}, where="").named
    assert read is not None
    assert read.name == "y"
    with pytest.raises(ConfigError, match="not by me"):
        build(Outer, {"named": 3}, where="")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"pair": 3}, r"x\.pair is 3; it must be a list"),
        ({"pair": [1]}, r"x\.pair is \[1\]; it must have 2 entries"),
        ({"pair": [1, "b"]}, r"x\.pair\[1\] is 'b'; it must be a number"),
        ({"many": [["a", 1], ["b"]]}, r"x\.many\[1\] is \['b'\]; it must have 2 entries"),
        ({"inner": []}, r"x\.inner is \[\]; it must be a group of settings"),
        ({"pair": "z" * 9999}, r"x\.pair is 'z+\.\.\.z+'; it must be a list"),
        ({"pa\x1bir": 1}, r"unknown setting x\.'pa\\x1bir'; known: pair"),
        ({"p" * 9999: 1}, r"unknown setting x\.'p+\.\.\.p+'; known: pair, many"),
    ],
)
def test_what_does_not_fit_a_tuple_or_a_class_is_refused_in_few_words(data: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        build(Outer, data, where="x")
    assert len(str(refused.value)) < 200


def test_a_missing_required_setting_is_named_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"setting here\.steps is missing"):
        build(type(load_recipe("mini/lm").run), {"out": "x"}, where="here")
