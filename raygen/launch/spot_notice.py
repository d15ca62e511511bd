"""Is this machine, lent by a cloud for as long as nobody pays more, about to go? Then Ray is told.

``python -m raygen.launch.spot_notice aws`` (or gcp, azure) runs beside ``ray start`` on such a
machine. What trains there then saves, and goes on elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException

_LOOK_S = 2.0
_AGAIN_S = 30.0
"""Pause when the cloud does not answer."""
_ANSWER_S = 5.0
_GCP_S = 30.0
"""Google says only that a machine is about to go; this is what it promises."""
_LINK_LOCAL = "http://169.254.169.254"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy can know of this machine."""


def seconds_left_aws(metadata: str) -> float | None:
    """Seconds until Amazon takes this machine, two minutes at first; None while it does not.

    Args:
        metadata: Address of the service that tells a machine of itself.
    """
    token = _ask(f"{metadata}/latest/api/token", {_AWS_TTL: "60"}, method="PUT")
    try:
        action = _ask(f"{metadata}/latest/meta-data/spot/instance-action", {_AWS: token})
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None
    return _until(datetime.fromisoformat(json.loads(action)["time"].replace("Z", "+00:00")))


def seconds_left_gcp(metadata: str) -> float | None:
    """As of Google: half a minute."""
    url = f"{metadata}/computeMetadata/v1/instance/preempted"
    return _GCP_S if _ask(url, {"Metadata-Flavor": "Google"}) == "TRUE" else None


def seconds_left_azure(metadata: str) -> float | None:
    """As of Azure, which tells all machines of a group of each that goes: half a minute or more."""
    about_me, header = "instance/compute/name?api-version=2021-02-01&format=text", _AZURE
    own = _ask(f"{metadata}/metadata/{about_me}", header)
    events = _ask(f"{metadata}/metadata/scheduledevents?api-version=2020-07-01", header)
    for event in json.loads(events).get("Events", ()):
        if event["EventType"] == "Preempt" and own in event.get("Resources", ()):
            begins = event.get("NotBefore")  # empty once it has begun
            return _until(parsedate_to_datetime(begins)) if begins else 0.0
    return None


_AWS, _AWS_TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
_AZURE = {"Metadata": "true"}
CLOUDS: Mapping[str, tuple[Callable[[str], float | None], str]] = {
    "aws": (seconds_left_aws, _LINK_LOCAL),
    "gcp": (seconds_left_gcp, "http://metadata.google.internal"),
    "azure": (seconds_left_azure, _LINK_LOCAL),
}
"""How each is asked, and where."""


def watch(cloud: str, metadata: str = "") -> float:
    """Wait until this machine is about to be taken away; gives the seconds that are left.

    Args:
        cloud: A key of ``CLOUDS``.
        metadata: Address to ask in the place of the cloud's own.
    """
    ask, where = CLOUDS[cloud]
    is_told = False
    while True:
        try:
            left = ask(metadata or where)
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            if not is_told:
                print(f"{cloud} does not answer: {error}; it is asked again", flush=True)
            is_told = True
            time.sleep(_AGAIN_S)
            continue
        if left is not None:
            return left
        is_told = False
        time.sleep(_LOOK_S)


def drain_words(reason: str, seconds: float) -> list[str]:
    """What tells Ray that the node of this machine goes, and when."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "drain-node"]
    words += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", reason]
    return [*words, "--deadline-remaining-seconds", str(max(round(seconds), 1))]


def _ask(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=dict(headers), method=method)
    with _DIRECT.open(request, timeout=_ANSWER_S) as answer:
        text: str = answer.read().decode()
    return text.strip()


def _until(when: datetime) -> float:
    return (when - datetime.now(timezone.utc)).total_seconds()


def main() -> None:
    """Watch, and tell Ray once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cloud", choices=CLOUDS)
    parser.add_argument("--metadata", default="", help="address to ask instead of the cloud's own")
    args = parser.parse_args()
    left = watch(args.cloud, args.metadata)
    print(f"{args.cloud} takes this machine away in {left:.0f} s; Ray is told", flush=True)
    sys.exit(subprocess.run(drain_words(f"{args.cloud} takes it", left), check=False).returncode)


if __name__ == "__main__":
    main()
