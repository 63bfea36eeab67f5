import json
from dataclasses import fields
from pathlib import Path

import pytest

from petra.data import feeder_from_json, feeder_to_json, load_feeder_day, load_grid
from petra.errors import InputError


def problems_of(values: object) -> list[str]:
    """Return why a file with these values is refused, without its name."""
    with pytest.raises(InputError) as error:
        feeder_from_json(json.dumps(values), "site.json")
    assert all(problem.startswith("site.json: ") for problem in error.value.problems)
    return [problem.removeprefix("site.json: ") for problem in error.value.problems]


def test_wrong_fields_are_reported_together_with_their_components() -> None:
    """An unknown field, a missing one and a text for a number are three problems of one file."""
    values = json.loads(feeder_to_json(load_feeder_day()[1]))
    values["colour"] = "red"
    values["nodes"][0]["rated_volts"] = "400 V"
    del values["transformer"]["clock"]
    places = {problem.rpartition(": ")[0] for problem in problems_of(values)}
    assert places == {"colour", "node mv5: rated_volts", "transformer: clock"}


def test_missing_limit_does_not_hide_what_else_is_wrong() -> None:
    """A rating that is missing, a ring and a unit that is off by 1000 are reported at once."""
    values = json.loads(feeder_to_json(load_grid("rural1")))
    first, second = values["branches"][:2]
    del first["rating_ampere"]
    second["rating_ampere"] = 0.27
    values["branches"].append(values["branches"][2] | {"branch": "line-99"})
    assert [problem.split("; ")[0] for problem in problems_of(values)] == [
        f"branch {first['branch']}: rating_ampere: Field required",
        f"SimBench 1-LV-rural1--2-sw: branch {second['branch']}: rating_ampere is 0.27, expected 5 .. 5000 A",
        "SimBench 1-LV-rural1--2-sw: branch line-99 closes a ring",
    ]


def test_missing_end_of_the_band_is_one_problem() -> None:
    """What is not there is not compared with anything either."""
    values = json.loads(feeder_to_json(load_grid("rural1")))
    del values["voltage_min"]
    assert problems_of(values) == ["voltage_min: Field required"]


def test_text_without_a_single_component_is_refused() -> None:
    """Whatever the JSON holds, each missing part is named and nothing else happens."""
    assert {problem.partition(":")[0] for problem in problems_of({})} > {"nodes", "branches", "transformer"}
    assert problems_of({"nodes": [3], "branches": [{}]})
    assert problems_of([1])


def test_text_that_is_no_json_is_refused() -> None:
    """Even then the file is named."""
    with pytest.raises(InputError, match=r"^site\.json: "):
        feeder_from_json("{", "site.json")


def test_feeder_is_read_back_equal() -> None:
    """Writing and reading loses nothing."""
    feeder = load_feeder_day()[1]
    assert feeder_from_json(feeder_to_json(feeder), "copy") == feeder


def test_example_of_the_documentation_is_a_feeder() -> None:
    """docs/reference/feeder-format.md shows a whole file, and names every field there is."""
    page = Path(__file__).parents[3].joinpath("docs", "reference", "feeder-format.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]
    feeder = feeder_from_json(example, "example")
    pieces = (feeder, feeder.nodes[0], feeder.branches[0], feeder.transformer)
    known = {field.name for piece in pieces for field in fields(piece)}
    assert not {field for field in known if f'"{field}"' not in example}
