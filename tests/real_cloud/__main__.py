"""Start a real cloud and keep it until Ctrl-C or SIGTERM; prints how to reach it."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from real_cloud import RealCloud, RealCloudError

_ROOT = Path(__file__).resolve().parents[2] / ".real-cloud"


def _describe(cloud: RealCloud) -> str:
    lines = [f"OS_AUTH_URL={cloud.auth_url}", f"OS_REGION_NAME={cloud.region}"]
    lines += [f"# images in {region}: {url}" for region, url in cloud.image_urls.items()]
    lines += [f"# objects: {cloud.object_url}"]
    for account in (cloud.producer, cloud.consumer, cloud.admin):
        lines += [
            f"# {account.username}, project {account.project_id}",
            f"OS_USERNAME={account.username} OS_PASSWORD={account.password} OS_USER_DOMAIN_NAME=Default",
            f"OS_PROJECT_NAME={account.project_name} OS_PROJECT_DOMAIN_NAME=Default",
        ]
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m real_cloud", description=__doc__)
    parser.add_argument("--root", type=Path, default=_ROOT, help="where the virtual environments are kept")
    parser.add_argument("--serve", action="append", type=Path, default=[], metavar="FILE", help="offer it for import")
    options = parser.parse_args()
    done = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: done.set())
    try:
        with RealCloud.start(options.root) as cloud:
            print(_describe(cloud))  # noqa: T201
            for path in options.serve:
                print(f"# {cloud.put_file(path.name, path.read_bytes())}", flush=True)  # noqa: T201
            print("# Ctrl-C ends it", flush=True)  # noqa: T201
            done.wait()
    except RealCloudError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
