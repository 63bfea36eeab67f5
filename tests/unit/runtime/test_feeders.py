"""The feeder of a DSO: checked when it is made, fixed once the diary has begun, asked before an invitation."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from petra.data import feeder_from_json, feeder_to_json, load_grid
from petra.data.feeder_files import read_feeder
from petra.errors import InputError
from petra.grid import Feeder
from petra.roles.dso.state import Member
from petra.roles.effects import MemberTerms
from petra.runtime.building import differences
from petra.runtime.config import DsoConfig
from petra.runtime.creation import NewDso, create_dso
from petra.runtime.dso_tables import DsoTables
from petra.runtime.feeders import FEEDER_FILE, born_book, feeder_book, room_problem
from petra.runtime.states import dso_state
from petra.scenario import load_scenario
from petra.store.database import Database
from petra.store.diary import Diary, DiaryEntry
from tests.unit.grid.made_up import FEEDER
from tests.unit.runtime.conftest import DEPLOYMENT, DSO, PASSWORD

RURAL = load_grid("rural1")
NODES = [node.node for node in RURAL.nodes if node.connected]


def made(directory: Path, new: NewDso, feeder: Feeder = RURAL, unenrolled: tuple[int, int] = (1_000, 0)) -> DsoConfig:
    """Make a DSO with a feeder."""
    return create_dso(directory, replace(new, feeder=feeder, unenrolled=unenrolled), PASSWORD)


def terms(name: str, node: str | None, firm_watts: int = 1_000) -> MemberTerms:
    """Return what a home would agree to."""
    return MemberTerms(
        name=name,
        node=node,
        firm_import_watts=firm_watts,
        firm_export_watts=0,
        production_capacity_watts=0,
        consumption_capacity_watts=43_000,
        opening_balance=0,
        credit_limit=0,
    )


def test_feeder_without_a_word_about_the_others_is_refused(tmp_path: Path, new_dso: NewDso) -> None:
    """Who is connected without being a member must be counted; nothing is left behind."""
    with pytest.raises(InputError, match="--unenrolled-import-watts"):
        create_dso(tmp_path / "dso", replace(new_dso, feeder=RURAL), PASSWORD)
    assert not (tmp_path / "dso").exists()


def test_feeder_that_the_others_could_overload_is_refused(tmp_path: Path, new_dso: NewDso) -> None:
    """43 kW at each of 13 nodes cannot be promised on 160 kVA: told with what could, and nothing is left behind."""
    with pytest.raises(InputError, match="of each envelope would be safe"):
        made(tmp_path / "dso", new_dso, unenrolled=(43_000, 0))
    assert not (tmp_path / "dso").exists()


def test_scenario_whose_rule_needs_a_feeder_says_so(tmp_path: Path, new_dso: NewDso) -> None:
    """The rule of rural-stress without a feeder would promise nothing."""
    with pytest.raises(InputError, match="name one by --feeder"):
        create_dso(tmp_path / "dso", replace(new_dso, scenario=load_scenario("rural-stress")), PASSWORD)


def test_feeder_is_copied_and_stands_in_the_file(tmp_path: Path, new_dso: NewDso) -> None:
    """What lies in the directory is the same feeder, and the book counts strangers at each connected node."""
    config = DsoConfig.load(made(tmp_path / "dso", new_dso).directory)
    assert (config.grid.rule, config.grid.feeder) == ("feeder", FEEDER_FILE)
    assert feeder_from_json((tmp_path / "dso" / FEEDER_FILE).read_text(), "") == RURAL
    book = feeder_book(config)
    assert book is not None
    assert [book.ledger.loads(0)[node].import_watts for node in NODES] == [1_000] * len(NODES)


def test_feeder_may_change_until_the_diary_begins(tmp_path: Path, new_dso: NewDso) -> None:
    """Afterwards another file, or none, is refused with what to put back; the first one is taken again."""
    config = made(tmp_path / "dso", new_dso)
    path = config.path(FEEDER_FILE)
    first, other = path.read_text(), feeder_to_json(replace(RURAL, source_voltage_deviation=0.001))
    database = Database.open(config.database)
    try:
        for text in (other, first):
            path.write_text(text)
            assert born_book(config, database) is not None
        with database.transaction() as connection:
            Diary(database).append(connection, [DiaryEntry(number=1, at=1, kind="x", payload="{}", drawn=())])
        path.write_text(other)
        with pytest.raises(InputError, match="is not the feeder with which the diary began; put the file back"):
            born_book(config, database)
        path.unlink()
        with pytest.raises(InputError, match="put the feeder file back"):
            born_book(config, database)
        path.write_text(first)
        assert born_book(config, database) is not None
    finally:
        database.close()


def test_home_without_room_or_place_is_told_before_it_is_invited(tmp_path: Path, new_dso: NewDso) -> None:
    """Members and open invitations count; what would be too much is named with its options."""
    config = made(tmp_path / "dso", new_dso, feeder=replace(FEEDER, name="made up"), unenrolled=(0, 0))

    def asked(*there: MemberTerms, of: MemberTerms) -> str | None:
        book = feeder_book(config)
        assert book is not None
        return room_problem(book, there, of)

    for node in (None, "nowhere", "mv"):
        told = asked(of=terms("new", node))
        assert told is not None and "none of the feeder's: b, c, d, e" in told
    large = terms("large", "c", 200_000)
    assert asked(of=large) is None
    told = asked(large, terms("lost", None), of=terms("new", "c", 100_000))
    assert told is not None and "--firm-import-watts 100000" in told and "at c" in told
    assert asked(large, of=terms("new", "e", 100_000)) is None


def test_files_of_other_programs_need_their_band(tmp_path: Path) -> None:
    """power-grid-model's files state none, PETra's state everything; what is no file is told with the shipped names."""
    foreign = tmp_path / "grid.json"
    foreign.write_text(json.dumps({"type": "input", "data": {}}))
    with pytest.raises(InputError, match="--voltage-min and --voltage-max"):
        read_feeder(str(foreign))
    with pytest.raises(InputError, match="0 sources in use"):
        read_feeder(str(foreign), voltage_min=0.9, voltage_max=1.1)
    foreign.write_text('{"data": ' + "[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_feeder(str(foreign))
    foreign.write_text(json.dumps({"_object": {}}))
    with pytest.raises(InputError, match="ext_grid has 0 rows"):
        read_feeder(str(foreign))
    with pytest.raises(InputError, match="leave out --voltage-min"):
        read_feeder("rural1", voltage_min=0.9)
    with pytest.raises(InputError, match="no grid of that name"):
        read_feeder("rural9")
    foreign.write_text("[")
    with pytest.raises(InputError, match="JSON"):
        read_feeder(str(foreign))
    foreign.write_text(feeder_to_json(FEEDER))
    assert read_feeder(str(foreign)) == FEEDER
    assert read_feeder("rural1") == RURAL


def test_start_tells_a_book_that_holds_other_grants_than_the_dso(tmp_path: Path, new_dso: NewDso) -> None:
    """The rebuilt book is compared with the rebuilt grants; a watt of difference keeps the service from starting."""
    config = made(tmp_path / "dso", new_dso)
    database = Database.open(config.database)
    try:
        state = dso_state(config, DEPLOYMENT, database)
        tables = DsoTables(database, state)
        assert differences(state, tables) == []
        member = Member(
            **asdict(terms("home 1", NODES[0])), address=DSO, meter=DSO, curve_key=b"", meter_curve_key=b""
        )
        state.members[DSO] = member
        state.change(DSO, 5).production += 1
        assert "the feeder's book holds other grants than the DSO's books" in differences(state, tables)
    finally:
        database.close()
