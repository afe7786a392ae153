# SPDX-License-Identifier: ISC
"""
Nodes of a farm behind etcd's grpc-proxy, which is not quite an etcd.

Never here: how fast.
"""
import os
import shutil
import sys
import time
from types import SimpleNamespace

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in (".", "../farm", "../servers"):
    sys.path.insert(0, os.path.join(HERE, folder))

# pylint: disable=wrong-import-position
from farm import Farm                           # noqa: E402
from scale_etcd import PREFIX, Cluster          # noqa: E402
from scale_nodes import Nodes                   # noqa: E402

NODES = 3
LEASE = 15      # seconds


@pytest.fixture(name="farm")
def _farm():
    for program in ("etcd", "etcdctl", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with Farm() as farm:
        yield farm


def live(cluster):
    """How many nodes have an entry under a lease."""
    return len(cluster.ctl("get", "--prefix", "--keys-only",
                           PREFIX + "nodes/").stdout.split())


@pytest.mark.parametrize("auth", ["none", "password"])
def test_a_node_stays_in_the_farm_through_a_proxy(farm, auth):
    options = SimpleNamespace(members=1, proxy=True, auth=auth)
    cluster = Cluster(farm, options)
    cluster.start()
    with Nodes(cluster, NODES) as nodes:
        assert nodes.do("open")["settled"]
        failures = nodes.do("size")["failures"]
        time.sleep(LEASE + 8)
        assert live(cluster) == NODES
        assert nodes.do("size")["failures"] == failures
        assert nodes.do("mint 1")["rounds"] == 1
