"""Several nodes on loopback that form a cluster."""

import json

from .gateway import Gateway, check_ledger, merge
from .ports import free_port, release
from .wait import until


class Cluster:
    """Nodes with one member list: `static`, or a `file` that `write_members` changes.

    `addresses`, of nodes that have to be at certain ones. `place`, by number: where a node runs, as options of `Gateway`.
    Use as a context manager: a clean exit stops what still runs, and looks at the books of all.
    """

    def __init__(
        self, directory, exporters, count=3, *, resolver=None, workers=2, cluster=None, changes=None, addresses=None,
        place=lambda number: {}, **options
    ):
        self.directory = directory
        self.exporters = exporters
        self.resolver = resolver
        self.settings = cluster or {}
        self.changes = changes or {}
        self.options = {"decision_wait": "2s", "arguments": ("--workers", str(workers))} | options
        directory.mkdir(parents=True, exist_ok=True)
        self.members_path = directory / "members.txt"
        self.addresses = []
        self.nodes = []
        self.place = place
        for address in addresses or []:
            self.addresses.append(address)
            self.nodes.append(None)
        while len(self.nodes) < count:
            self.add()

    def add(self):
        """One more node, not started."""
        port = free_port()
        self.addresses.append(f"127.0.0.1:{port}")
        self.nodes.append(None)
        return len(self.nodes) - 1

    def write_members(self, *numbers):
        """Says who is a member, atomically."""
        fresh = self.members_path.with_suffix(".new")
        fresh.write_text("".join(f"{self.addresses[n]}\n" for n in numbers))
        fresh.replace(self.members_path)

    def make(self, number, **options):
        """A process for a node; one that ran before gets its ports."""
        resolver = self.resolver or {"static": {"members": self.addresses}}
        if resolver == "file":
            resolver = {"file": {"path": str(self.members_path), "interval": "200ms"}}
        address = self.addresses[number]
        settings = merge({"listen": address, "advertise": address, "resolver": resolver}, self.settings)
        extension = {"extensions": {"cluster": settings}, "service": {"extensions": ["cluster"]}}
        node = Gateway(
            self.directory / f"node{number}",
            self.exporters,
            **(self.options | self.place(number) | options | {"changes": merge(extension, self.changes)}),
        )
        before = self.nodes[number]
        if before:
            release(node.port, node.http_port, node.admin_port)
            node.port, node.http_port, node.admin_port = before.port, before.http_port, before.admin_port
            node.config = before.config
        self.nodes[number] = node
        return node

    def start(self, *numbers, timeout=30):
        """Starts nodes (all of them unless told otherwise) and waits until they are ready."""
        numbers = numbers or range(len(self.nodes))
        for number in numbers:
            self.make(number).launch()
        for number in numbers:
            self.nodes[number].wait_until_ready(timeout)
        return self

    @property
    def running(self):
        return [n for n in self.nodes if n and n.process and n.process.poll() is None]

    def see(self, number, **query):
        """`/v1/cluster` of a node."""
        text = "&".join(f"{k}={v}" for k, v in query.items())
        status, body, _ = self.nodes[number].http("/v1/cluster" + (f"?{text}" if text else ""))
        assert status == 200, (status, body)
        return json.loads(body)

    def members(self, number):
        """Whom a node sees in its ring."""
        return {m["address"] for m in self.see(number)["members"] if m["in_ring"]}

    def wait_for_ring(self, *numbers, timeout=20):
        """Waits until these nodes have a ring of themselves, and agree on it."""
        wanted = {self.addresses[n] for n in numbers}
        seen = {}

        def agreed():
            for number in numbers:
                if self.nodes[number].http("/v1/cluster")[0] != 200:
                    return False
                seen[number] = self.see(number)
            versions = {s["ring_version"] for s in seen.values()}
            return len(versions) == 1 and all(
                s["agreed"] and {m["address"] for m in s["members"] if m["in_ring"]} == wanted for s in seen.values()
            )

        until(agreed, timeout, lambda: f"a ring of {sorted(wanted)}: {json.dumps(seen)}")

    def ledgers(self):
        return [node.ledger() for node in self.running]

    def settle(self, timeout=60):
        """Waits until no node holds anything, and checks all books. Returns the ledgers."""
        ledgers = [node.settle(timeout) for node in self.running]
        ledgers = self.ledgers()
        for ledger in ledgers:
            check_ledger(ledger)
        return ledgers

    def stop_all(self):
        for node in self.running:
            node.signal()
        for node in self.nodes:
            if node and node.process:
                assert node.wait(60) == 0, node.log()[-4000:]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop_all()
        finally:
            for node in self.nodes:
                if node:
                    node.kill()
                    release(node.port, node.http_port, node.admin_port)
            release(*(int(a.rsplit(":", 1)[1]) for a in self.addresses))
