"""What does a machine let somebody do who has no token? Run against a machine that a test made.

``python scan.py ADDRESS`` prints one line of JSON: each open port, and what was let through there.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc

PATHS = ("/", "/api/version", "/api/jobs/", "/api/cluster_status", "/nodes?view=summary")
METHODS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "InternalKVGcsService/InternalKVKeys",
    "JobInfoGcsService/GetAllJobInfo",
    "ActorInfoGcsService/GetAllActorInfo",
    "NodeManagerService/GetNodeStats",
    "NodeManagerService/RequestWorkerLease",
    "CoreWorkerService/PushTask",
    "ObjectManagerService/Pull",
    "LogService/ListLogs",
    "ReporterService/GetTraceback",
    "RayletDriver/Init",
    "RayletDriver/ClusterInfo",
)
ADDRESS = sys.argv[1]


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as tried:
        tried.settimeout(2)
        return tried.connect_ex((ADDRESS, port)) == 0


def let_through(port: int) -> dict[str, str]:
    """What is answered in spite of the missing token, by what was asked."""
    found = {}
    for path in PATHS:
        try:
            with urllib.request.urlopen(f"http://{ADDRESS}:{port}{path}", timeout=5) as answer:
                found[path] = answer.read(200).decode(errors="replace")
        except OSError:  # refused, or asked for a token
            continue
        except http.client.HTTPException:  # no HTTP is spoken there
            break
    for method in METHODS:
        with grpc.insecure_channel(f"{ADDRESS}:{port}") as channel:
            call = channel.unary_unary(f"/ray.rpc.{method}", lambda _: b"", lambda text: text)
            try:
                found[method] = repr(call(None, timeout=5)[:200])
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED):
                    continue
                if error.code() == grpc.StatusCode.UNAVAILABLE:  # no gRPC is spoken there
                    break
                found[method] = str(error.code())
    return found


with ThreadPoolExecutor(32) as threads:
    ports = [
        port
        for port, there in zip(range(1, 65536), threads.map(is_open, range(1, 65536)), strict=True)
        if there
    ]
print(json.dumps({port: let_through(port) for port in ports}))
