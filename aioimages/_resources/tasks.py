"""`client.tasks`."""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aioimages._asking import Asker
from aioimages._calls import tasks as calls
from aioimages._listing import Listing
from aioimages._models import Outcome, Task
from aioimages._outcomes import AsyncOutcomes
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._session import Session
from aioimages._waiting import Waiter

__all__ = ["Tasks"]


class Tasks:
    """Imports and exports, which the service works on by itself (Images v2, "Tasks")."""

    def __init__(self, session: Session, waiter: Waiter, asker: Asker) -> None:
        self._session = session
        self._waiter = waiter
        self._asker = asker

    def list(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
        page_size: int | None = None,
        max_items: int | None = None,
        sort: str | Sequence[str] | None = None,
    ) -> Listing[Task]:
        """List tasks (Images v2, "List tasks"). They come without `input`, `result` and `message`.

        Args:
            type: `import`, `export`, or another that the service knows.
            status: `pending`, `processing`, `success` or `failure`.
            page_size: How many tasks to fetch at a time. A server may send fewer.
            max_items: How many tasks to list at the most.
            sort: `"created_at:desc"`, or several.
        """
        dialect = self._session.dialect
        return Listing(
            self._session.run,
            calls.list_page(dialect, type=type, status=status, sort=sort),
            key=lambda task: task.id,
            page_size=dialect.page_size if page_size is None else page_size,
            max_items=max_items,
        )

    async def get(self, task_id: str) -> Task:
        """Return a task (Images v2, "Show task details").

        Raises:
            NotFoundError: There is none, or it has expired.
        """
        return await self._session.run(calls.get(task_id))

    async def create(self, type: str, input: Mapping[str, Any]) -> Task:
        """Ask for a task of any type (Images v2, "Create task"). The answer comes at once, the work takes its time.

        Raises:
            AmbiguousOutcomeError: The answer was lost, and whether there is a task cannot be told: `candidates` are
                those that it may be.
        """
        return self._waiter.promised(await self._asker.task(type, input))

    async def import_image(
        self,
        import_from: str,
        *,
        name: str,
        properties: Mapping[str, str] | None = None,
        import_from_format: str | None = None,
    ) -> Task:
        """Ask the service to make an image of a disk that it can reach (Cloud Images, "Task to import image").

        Args:
            import_from: `container/object.vhd` in Cloud Files (Rackspace), or an http URL (OpenStack).
            name: The image's name.
            properties: What else the image is to have, its `disk_format` and `container_format` included (OpenStack).
            import_from_format: The format of the disk (OpenStack); Rackspace takes VHD only.

        Raises:
            ValueError: The service is known to refuse this.
            AmbiguousOutcomeError: The answer was lost, and whether there is a task cannot be told: `candidates` are
                those that it may be. At Rackspace it is never asked for twice.
        """
        details = calls.import_input(
            self._session.dialect,
            import_from,
            name=name,
            import_from_format=import_from_format,
            properties=properties,
        )
        return self._waiter.promised(await self._asker.task("import", details))

    async def export_image(self, image_id: str, *, container: str) -> Task:
        """Ask the service to write an image to Cloud Files as `{container}/{image_id}.vhd` (Rackspace).

        Args:
            image_id: The image, which must be this account's own.
            container: A container that exists. Its name has none of `/ ? .`.

        Raises:
            ValueError: The container's name is not allowed.
            UnsupportedOperationError: The cloud has no export.
            AmbiguousOutcomeError: The answer was lost, and there was no telling whether there is a task.
        """
        details = calls.export_input(self._session.dialect, image_id, container)
        return self._waiter.promised(await self._asker.task("export", details))

    async def wait(self, task_id: str, *, timeout: float | Unset | None = UNSET) -> Task:
        """Wait until a task has succeeded, and return it.

        Args:
            task_id: The task.
            timeout: Seconds to wait at the most; `None` is for ever. Otherwise `PollPolicy.timeout` holds.

        Raises:
            TaskFailedError: It failed; `code` and `reason` say why.
            TaskTimeoutError: The time is over. It is a `TimeoutError` too. Nothing was changed: wait again to go on.
            TaskExpiredError: The service deleted the task while it was being watched.
            ProtocolError: It has succeeded, and does not say what it has made.
            NotFoundError: There is no such task.
        """
        calls.get(task_id)
        return await self._waiter.task(task_id, self._waiter.timeout(timeout))

    async def wait_all(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
    ) -> "builtins.list[Outcome[str, Task]]":
        """Wait for many tasks, and return an outcome for each, in the order of the ids.

        A task that fails is an outcome with an error, not an exception.

        Args:
            task_ids: The tasks.
            timeout: Seconds to wait at the most; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
            progress: Who wants to know how many are done.
        """
        wanted = task_ids if isinstance(task_ids, str) else builtins.list(task_ids)
        async with self.as_completed(wanted, timeout=timeout, progress=progress) as outcomes:
            by_id = {outcome.key: outcome async for outcome in outcomes}
        return [by_id[task_id] for task_id in wanted]

    def as_completed(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[str, Task]]:
        """Wait for many tasks, and iterate over their outcomes as they come; repeated ids are one.

        Leaving the block ends the waiting; the service goes on with its work. The arguments are those of `wait_all`.

            async with client.tasks.as_completed(task_ids) as outcomes:
                async for outcome in outcomes:
                    print(outcome.key, outcome.value or outcome.error)
        """
        return self._waiter.tasks(task_ids, self._waiter.timeout(timeout), progress)
