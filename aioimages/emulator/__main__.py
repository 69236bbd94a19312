"""Serve the embedded cloud until it is interrupted."""

import argparse
import asyncio
import signal

from aioimages.emulator.server import Emulator


def _said(cloud: Emulator) -> str:
    users = "\n".join(
        f"  {account.username:<10} tenant {account.tenant_id}  API key {account.api_key}  password {account.password}"
        for account in cloud.accounts
    )
    return (
        f"Rackspace Identity v2.0: {cloud.rackspace_auth_url}   (regions DFW, ORD, IAD)\n"
        f"Keystone v3:             {cloud.keystone_auth_url}   (regions RegionOne, RegionTwo)\n"
        f"Users:\n{users}\n"
        f"  the second factor of {cloud.mfa.username} is {cloud.mfa.passcode}\n"
        f'Use: RackspaceApiKey("producer", "{cloud.producer.api_key}", auth_url="{cloud.rackspace_auth_url}")\n'
        "Ctrl-C ends it."
    )


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    shortest, longest = arguments.task_seconds
    cloud = Emulator(
        host=arguments.host,
        port=arguments.port,
        task_seconds=(shortest, longest),
        requests_per_second=arguments.requests_per_second,
        seed=arguments.seed,
    )
    async with cloud:
        print(_said(cloud), flush=True)  # noqa: T201  # what a person needs to begin
        await stopped.wait()


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m aioimages.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to serve on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="the port to serve on (default: a free one)")
    parser.add_argument(
        "--task-seconds",
        type=float,
        nargs=2,
        default=(2.0, 6.0),
        metavar=("FROM", "TO"),
        help="how long tasks take (default: 2 to 6)",
    )
    parser.add_argument("--requests-per-second", type=float, help="refuse more requests than this")
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
