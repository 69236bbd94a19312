"""Bulk runs over the workers of a Dask cluster, where one machine is not enough (`pip install 'aioimages[dask]'`).

The submitter keeps the journal and takes every decision, exactly as `client.bulk` does on one machine; the workers send
the requests and fetch the data. They are not Dask tasks: Dask does those of a dead worker again by itself, and a second
`POST /tasks` is a second image. Dask knows which workers there are, starts a plugin in each, and tells when one is
gone. Over one connection to each worker the calls go out and the answers come back. What was handed to a worker that
died is lost to the submitter as an answer is lost on the wire: what is harmless twice is handed to another one; a task
that was being asked for is looked for first, by what the journal knows of it.

Credentials go over those connections alone, so that neither the scheduler nor its dashboard, logs and task names ever
have them. Each worker signs in by itself, and keeps its token.
"""

try:
    import distributed as _distributed
except ModuleNotFoundError as error:
    if error.name not in {"distributed", "dask"}:
        raise
    raise ImportError("aioimages.distributed needs Dask: pip install 'aioimages[dask]'") from None

from aioimages.distributed._cluster import Cluster

__all__ = ["Cluster"]

del _distributed
