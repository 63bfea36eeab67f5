import json
from dataclasses import fields
from pathlib import Path

import pytest

from petra.data import feeder_from_json, feeder_to_json, load_feeder_day
from petra.errors import InputError


def test_wrong_fields_are_reported_together_with_their_places() -> None:
    """An unknown field, a missing one and a text for a number are three problems of one file."""
    values = json.loads(feeder_to_json(load_feeder_day()[1]))
    values["colour"] = "red"
    values["nodes"][0]["rated_volts"] = "400 V"
    del values["transformer"]["clock"]
    with pytest.raises(InputError) as error:
        feeder_from_json(json.dumps(values), "site.json")
    places = {problem.split(": ")[1] for problem in error.value.problems}
    assert places == {"colour", "nodes.0.rated_volts", "transformer.clock"}


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
