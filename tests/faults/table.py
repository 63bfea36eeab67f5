"""The planted faults of the wire and of the node's answers: what is done, where, and how it must end.

`docs/explanation/client-under-faults.md` shows this table; `python -m tests.faults.table` writes it there.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.faults import proxy
from tests.faults.proxy import Fault

_DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT, RECORD = _DOCS / "explanation" / "client-under-faults.md", _DOCS / "records" / "client-kills.json"

UNNOTICED = "done, void, done; the caller notices nothing"
LATER = "the call fails by name; later calls end in done, void, done"
UNREAL = "0x" + "ab" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One row.

    Attributes:
        what: in words. times: how many exchanges are met.
        errors: the names of the errors that the caller may see; if there are any, at least one must be seen.
    """

    where: str
    name: str
    what: str
    fault: Fault
    times: int = 1
    errors: tuple[str, ...] = ()
    patience_seconds: float = 1
    timeout_seconds: float = 5

    @property
    def id(self) -> str:
        """The test's name."""
        return f"{self.where.removeprefix('eth_')}-{self.name}"

    @property
    def ends(self) -> str:
        """How it ends, in words."""
        return f"{', '.join(self.errors)}: {LATER}" if self.errors else UNNOTICED


SEND, RECEIPT, BLOCK = "eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_getBlockByNumber"
LOGS, CODE, CHAIN = "eth_getLogs", "eth_getCode", "eth_chainId"

# Each of these meets each kind of request once: all requests may be made twice, so the caller notices nothing.
_PASSING: tuple[tuple[str, str, Fault], ...] = (
    ("dropped", "the request is lost", proxy.drop),
    ("answer-lost", "the node carries it out and the answer is lost", proxy.lose_answer),
    ("duplicated", "the request arrives twice", proxy.duplicate),
    ("garbage", "the answer is noise", proxy.garbage),
    ("truncated", "the answer ends in its middle", proxy.truncate),
    ("http-429", "HTTP 429", proxy.status(429)),
    ("http-503", "HTTP 503", proxy.status(503)),
    ("http-500-done", "HTTP 500 after the node carried it out", proxy.status(500, done=True)),
    ("other-ids", "the answer is one to other requests", proxy.wrong_ids),
    ("one-missing", "an answer of the batch is missing", proxy.forget_one),
)
# These meet requests until patience is over.
_LASTING: tuple[tuple[str, str, Fault], ...] = (
    ("cut-off", "no request arrives for longer than patience lasts", proxy.drop),
    ("answers-cut-off", "no answer arrives for longer than patience lasts", proxy.lose_answer),
    ("overloaded", "HTTP 503 for longer than patience lasts", proxy.status(503)),
)
_UNAVAILABLE = ("NodeUnavailable",)


def _node_faults() -> tuple[Planted, ...]:
    null = proxy.change(lambda request, result: None)

    def elsewhere(request: dict[str, object], result: object) -> object:
        return result | {"blockHash": UNREAL} if isinstance(result, dict) and "blockHash" in result else result

    def node(where: str, name: str, what: str, fault: Fault, *errors: str, times: int = 1) -> Planted:
        return Planted(where=where, name=name, what=what, fault=fault, errors=errors, times=times)

    return (
        node(SEND, "delayed", "the request is held back", proxy.delay(0.3)),
        node(SEND, "late", "the request arrives after the second attempt's", proxy.deliver_late(0.15)),
        node(SEND, "reset-in-the-middle", "half of the batch is carried out", proxy.reset_in_the_middle),
        node(SEND, "reversed", "the answers come in the opposite order", proxy.reverse),
        node(SEND, "one-error", "one error object for the whole batch", proxy.one_error_for_all),
        node(SEND, "asked-to-wait", "HTTP 429 with Retry-After: 1", proxy.status(429, retry_after="1"), *_UNAVAILABLE),
        node(SEND, "unauthorised", "HTTP 401", proxy.status(401), "ChainError"),
        node(SEND, "swallowed", "the node answers with the hash and forgets", proxy.swallow),
        node(SEND, "pool-full", "'txpool is full'", proxy.fail("txpool is full"), "ChainError"),
        node(SEND, "already-known", "taken, but answered 'already known'", proxy.fail("already known", done=True)),
        node(SEND, "nonce-too-low", "taken, but answered 'nonce too low'", proxy.fail("nonce too low", done=True)),
        node(SEND, "internal-error", "taken, but answered 'internal error'", proxy.fail("internal error", done=True)),
        node(RECEIPT, "reversed", "the answers come in the opposite order", proxy.reverse),
        node(RECEIPT, "forgotten", "the node says that there is none", null, times=2),
        node(RECEIPT, "of-another-block", "the receipt names a block off the chain", proxy.change(elsewhere), times=2),
        node(RECEIPT, "failing", "'transaction indexing is in progress'", proxy.fail("indexing"), "ChainError"),
        node(RECEIPT, "of-the-wrong-type", "the result is a number", proxy.change(lambda *_: 7), "ChainError"),
        node(BLOCK, "missing", "the node has no newest block", null, "ChainError"),
        node(BLOCK, "of-the-wrong-type", "the result is text", proxy.change(lambda *_: "0x"), "ChainError"),
        node(BLOCK, "asked-to-wait", "HTTP 429 with Retry-After: 0", proxy.status(429, retry_after="0")),
        node(LOGS, "too-many", "'query returned more than 10000 results'", proxy.fail("more than 10000"), "ChainError"),
        node(LOGS, "reversed", "the answers come in the opposite order", proxy.reverse),
        node(LOGS, "of-another-block", "the logs name a block off the chain",
             proxy.change(lambda _, logs: [log | {"blockHash": UNREAL} for log in logs] if isinstance(logs, list)
                          else logs), "ChainError"),
        node(CODE, "missing", "no contract stands there", proxy.change(lambda *_: "0x"), "WrongChain"),
        node(CODE, "failing", "'missing trie node'", proxy.fail("missing trie node"), "ChainError"),
        node(CHAIN, "another", "the node serves another chain", proxy.change(lambda request, result: (
            "0x7" if request["method"] == CHAIN else result)), "WrongChain"),
        Planted(where=SEND, name="hanging", what="no answer within the timeout, twice", fault=proxy.delay(0.6), times=2,
                timeout_seconds=0.2, patience_seconds=3),
        Planted(where=RECEIPT, name="hanging", what="no answer within the timeout, twice", fault=proxy.delay(0.6),
                times=2, timeout_seconds=0.2, patience_seconds=3),
    )  # fmt: skip


def _passing() -> list[Planted]:
    return [
        Planted(where=where, name=name, what=what, fault=fault)
        for where in (SEND, RECEIPT, BLOCK, LOGS, CODE)
        for name, what, fault in _PASSING
    ]


def _lasting() -> list[Planted]:
    return [
        Planted(
            where=where, name=name, what=what, fault=fault, times=12, errors=_UNAVAILABLE, patience_seconds=0.05
        )
        for where in (SEND, RECEIPT, BLOCK)
        for name, what, fault in _LASTING
    ]


TABLE = (*_passing(), *_lasting(), *_node_faults())


def faults() -> str:
    """Return the table as Markdown."""
    rows = [f"| `{row.id}` | `{row.where}` | {row.what} | {row.ends} |\n" for row in TABLE]
    return "| test | request | what is done to it | how it ends |\n|---|---|---|---|\n" + "".join(rows)


def kills() -> str:
    """Return the figures of the recorded run as Markdown."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    names = ("seed", "kills", "plans", "intents", "reorganisations", "lost", "doubled", "seconds", "commit")
    head = "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|\n"
    return head + "| " + " | ".join(str(record[name])[:12] for name in names) + " |\n"


def written(document: str) -> str:
    """Return the document with both tables in their places."""
    for name, table in (("faults", faults()), ("kills", kills())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, rest = document.split(begin)
        document = before + begin + table + end + rest.split(end)[1]
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
