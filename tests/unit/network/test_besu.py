"""The files of a production network."""

import json
import tomllib
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.network.besu import write_besu
from petra.network.genesis import qbft_extra_data
from petra.network.secret_files import KeyFile, node_id_of


def test_fewer_than_four_validators_are_refused(tmp_path: Path) -> None:
    """With three none may fail; all slips are told at once."""
    with pytest.raises(InputError) as caught:
        write_besu(tmp_path / "besu", validators=3, period_seconds=0)
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "besu").exists()


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    """Keys that validators have are never replaced."""
    write_besu(tmp_path / "besu", validators=4, period_seconds=2)
    before = (tmp_path / "besu" / "genesis.json").read_bytes()
    with pytest.raises(InputError, match="in use already"):
        write_besu(tmp_path / "besu", validators=4, period_seconds=2)
    assert (tmp_path / "besu" / "genesis.json").read_bytes() == before


def test_each_validator_of_the_genesis_has_its_key_in_one_folder(tmp_path: Path) -> None:
    """The keys are secret, the genesis names exactly their addresses, and the nodes know one another by them."""
    directory = tmp_path / "besu"
    chain_id = write_besu(directory, validators=5, period_seconds=2)
    files = sorted(directory.glob("validator-*/data/key"))
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in files} == {0o700}
    genesis = json.loads((directory / "genesis.json").read_text(encoding="utf-8"))
    assert genesis["config"]["chainId"] == chain_id
    assert genesis["extraData"] == "0x" + qbft_extra_data([KeyFile(path).address for path in files]).hex()
    links = json.loads((directory / "static-nodes.json").read_text(encoding="utf-8"))
    node_ids = [node_id_of(bytes.fromhex(path.read_text(encoding="utf-8")[2:])) for path in files]
    assert [link.partition("@")[0] for link in links] == [f"enode://{node_id}" for node_id in node_ids]


def test_everything_is_free_and_nothing_is_open(tmp_path: Path) -> None:
    """Price 0 for all; what administers a node is not served."""
    write_besu(tmp_path / "besu", validators=4, period_seconds=2)
    settings = tomllib.loads((tmp_path / "besu" / "config.toml").read_text(encoding="utf-8"))
    assert settings["min-gas-price"] == 0
    assert settings["discovery-enabled"] is False
    assert settings["rpc-http-api"] == ["ETH", "NET", "WEB3", "QBFT"]


def test_the_trial_starts_only_an_image_that_was_named_by_digest(tmp_path: Path) -> None:
    """Each service takes its image by the digest of .env, which is empty until somebody has checked one."""
    write_besu(tmp_path / "besu", validators=4, period_seconds=2)
    compose = (tmp_path / "besu" / "compose.yaml").read_text(encoding="utf-8")
    assert compose.count("image: hyperledger/besu@${BESU_DIGEST:?") == 4
    assert compose.count('ports: ["127.0.0.1:') == 4
    assert "\nBESU_DIGEST=\n" in (tmp_path / "besu" / ".env").read_text(encoding="utf-8")
