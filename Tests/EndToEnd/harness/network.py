"""Nodes in network namespaces of their own, whose cables can be cut."""

import os
import random
import subprocess

import pytest


class Network:
    """`count` places for nodes. Each has two interfaces: one to clients and backends, which are at `host`, and one to its peers.

    Needs root and iproute2. Addresses are from the range for benchmarks (RFC 2544).
    """

    def __init__(self, count):
        self.count = count
        while True:
            number = random.SystemRandom().randrange(1, 255)
            self.tag = f"tg{number:02x}"
            if not os.path.exists(f"/sys/class/net/{self.tag}c") and not os.path.exists(f"/run/netns/{self.tag}n0"):
                break
        self.networks = {"c": f"198.18.{number}", "p": f"198.19.{number}"}
        self.host = f"{self.networks['c']}.1"

    def name(self, number):
        return f"{self.tag}n{number}"

    def client_address(self, number):
        return f"{self.networks['c']}.{10 + number}"

    def peer_address(self, number):
        return f"{self.networks['p']}.{10 + number}"

    def launcher(self, number):
        """The command that runs another in a node's place."""
        return ("ip", "netns", "exec", self.name(number))

    # --- cables ---

    def cut(self, number):
        """Nothing passes between a node and its peers; clients and backends reach it as before."""
        run("ip", "link", "set", f"{self.tag}p{number}", "nomaster")

    def heal(self, number):
        run("ip", "link", "set", f"{self.tag}p{number}", "master", f"{self.tag}p")

    def lose(self, number, other):
        """What a node sends to that peer gets lost; what the peer sends arrives."""
        self.neighbor("replace", number, other, "lladdr", "02:00:00:00:00:01", "nud", "permanent")

    def find(self, number, other):
        self.neighbor("del", number, other)

    def neighbor(self, change, number, other, *more):
        run("ip", "-n", self.name(number), "neighbor", change, self.peer_address(other), *more, "dev", "p")

    # --- life ---

    def __enter__(self):
        try:
            for kind, network in self.networks.items():
                run("ip", "link", "add", f"{self.tag}{kind}", "type", "bridge")
                run("ip", "link", "set", f"{self.tag}{kind}", "up")
            run("ip", "address", "add", f"{self.host}/24", "dev", f"{self.tag}c")
            for number in range(self.count):
                name = self.name(number)
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
                for kind, network in self.networks.items():
                    outer = f"{self.tag}{kind}{number}"
                    run("ip", "link", "add", outer, "type", "veth", "peer", "name", kind, "netns", name)
                    run("ip", "link", "set", outer, "master", f"{self.tag}{kind}", "up")
                    run("ip", "-n", name, "address", "add", f"{network}.{10 + number}/24", "dev", kind)
                    run("ip", "-n", name, "link", "set", kind, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in range(self.count):
            run("ip", "netns", "del", self.name(number), check=False)
        for kind in self.networks:
            run("ip", "link", "del", f"{self.tag}{kind}", check=False)


def run(*command, check=True):
    result = subprocess.run(command, capture_output=True, text=True)
    if check and result.returncode:
        raise OSError(f"{' '.join(command)}: {result.stderr.strip()}")


def network_or_skip(count):
    """A network that is not entered yet; skips the test where the machine forbids one."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    probe = Network(1)
    try:
        with probe:
            run("ip", "netns", "exec", probe.name(0), "true")
    except OSError as problem:
        pytest.skip(f"this machine makes no network namespaces: {problem}")
    return Network(count)
