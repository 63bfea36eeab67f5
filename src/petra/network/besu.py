"""The files of a production network: Hyperledger Besu with QBFT. Nothing is started.

Decides: genesis, a folder for each validator with its key, and a compose file that shows how the pieces fit.
It does not know where the validators will run: each folder goes to its own machine in the end.
Invariant: free transactions (no base fee, minimum price 0), every validator allowed for by the genesis has its key in
exactly one folder, mode 0600, and the directory appears whole or not at all.
"""

import json
import shutil
import time
from pathlib import Path

from petra.errors import InputError
from petra.network.create import PERIOD_SECONDS_MAX, VALIDATORS_MAX, require_free
from petra.network.genesis import fresh_chain_id, qbft_genesis
from petra.network.secret_files import new_secret, node_id_of, write_secret
from petra.wire.secp256k1 import SecretKey

VALIDATORS_MIN = 4  # with fewer, none may fail
# The trial's own subnet; node N has the address 172.30.77.(10 + N).
_SUBNET = "172.30.77"
_LINK_PORT, _RPC_PORT = 30_303, 8545

_CONFIGURATION = """\
# Read by Besu (--config-file). The same on every validator.
data-path="/data"
genesis-file="/config/genesis.json"
static-nodes-file="/config/static-nodes.json"
node-private-key-file="/data/key"
sync-mode="FULL"
discovery-enabled=false
p2p-port=30303

# Pseudonyms own no coin: everything is free, for everybody who reaches the RPC.
min-gas-price=0

# Only the node's owner talks to it. In the trial the port is published at 127.0.0.1 alone.
rpc-http-enabled=true
rpc-http-host="0.0.0.0"
rpc-http-port=8545
rpc-http-api=["ETH","NET","WEB3","QBFT"]
host-allowlist=["localhost","127.0.0.1"]
"""

_COMPOSE_SERVICE = """\
  validator-{number}:
    image: hyperledger/besu@${{BESU_DIGEST:?put the digest of a Besu image that you have checked into .env}}
    user: "${{BESU_USER:-1000:1000}}" # must own validator-{number}/data
    command: ["--config-file=/config/config.toml"]
    restart: unless-stopped
    ports: ["127.0.0.1:{rpc_port}:8545"]
    networks: {{validators: {{ipv4_address: {host}}}}}
    volumes:
      - ./validator-{number}/data:/data
      - ./genesis.json:/config/genesis.json:ro
      - ./config.toml:/config/config.toml:ro
      - ./static-nodes.json:/config/static-nodes.json:ro
"""

_COMPOSE = """\
# All validators on one machine, for a trial: a real network has each on a machine of another member.
services:
{services}networks:
  validators:
    ipam: {{config: [{{subnet: {subnet}.0/24}}]}}
"""

_ENVIRONMENT = """\
# The digest, not a tag: a tag may mean another program tomorrow. It is the text after @ that
#   docker buildx imagetools inspect hyperledger/besu:VERSION
# shows as "Digest"; compare it with the project's release notes.
BESU_DIGEST=
# Who owns the data folders: `id -u`:`id -g`.
BESU_USER=1000:1000
"""


def write_besu(directory: Path, *, validators: int, period_seconds: int) -> int:
    """Write the files of a QBFT network into a missing or empty directory; return its chain id.

    Raises:
        InputError: a figure is out of bounds, or the directory is in use or cannot be written.
    """
    directory = directory.resolve()
    problems = []
    if not VALIDATORS_MIN <= validators <= VALIDATORS_MAX:
        problems.append(
            f"--validators {validators}: must be {VALIDATORS_MIN} .. {VALIDATORS_MAX}; with fewer, none may fail"
        )
    if not 1 <= period_seconds <= PERIOD_SECONDS_MAX:
        problems.append(f"--period {period_seconds}: must be 1 .. {PERIOD_SECONDS_MAX} seconds")
    if problems:
        raise InputError(problems)
    require_free(directory)
    chain_id = fresh_chain_id()
    secrets = [new_secret() for _ in range(validators)]
    genesis = qbft_genesis(
        chain_id=chain_id,
        period_seconds=period_seconds,
        timestamp=int(time.time()),
        signers=[SecretKey(secret).address for secret in secrets],
    )
    partial = directory.with_name(directory.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        _write_shared(partial, genesis, secrets)
        for number, secret in enumerate(secrets, start=1):
            data = partial / f"validator-{number}" / "data"
            data.mkdir(parents=True, mode=0o700)
            write_secret(data / "key", "0x" + secret.hex())
        partial.replace(directory)
    except OSError as error:
        raise InputError(f"{directory}: no network can be written here: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return chain_id


def _write_shared(directory: Path, genesis: dict[str, object], secrets: list[bytes]) -> None:
    hosts = [f"{_SUBNET}.{10 + number}" for number in range(1, len(secrets) + 1)]
    enodes = [f"enode://{node_id_of(secret)}@{host}:{_LINK_PORT}" for secret, host in zip(secrets, hosts, strict=True)]
    services = "".join(
        _COMPOSE_SERVICE.format(number=number, host=host, rpc_port=_RPC_PORT + number - 1)
        for number, host in enumerate(hosts, start=1)
    )
    texts = {
        "genesis.json": json.dumps(genesis, indent=2) + "\n",
        "static-nodes.json": json.dumps(enodes, indent=2) + "\n",
        "config.toml": _CONFIGURATION,
        "compose.yaml": _COMPOSE.format(services=services, subnet=_SUBNET),
        ".env": _ENVIRONMENT,
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
