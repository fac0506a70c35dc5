"""Notes the calls that the site makes."""

from contextlib import contextmanager

import sessiond


@contextmanager
def noted():
    """The methods that are called meanwhile, in order; those of streams are left out."""
    methods: list[str] = []
    blocking, awaited = sessiond.Client.plain, sessiond.AsyncClient.plain

    def plain(self, method, request, **options):
        methods.append(method)
        return blocking(self, method, request, **options)

    async def aplain(self, method, request, **options):
        methods.append(f"await {method}")
        return await awaited(self, method, request, **options)

    sessiond.Client.plain, sessiond.AsyncClient.plain = plain, aplain
    try:
        yield methods
    finally:
        sessiond.Client.plain, sessiond.AsyncClient.plain = blocking, awaited
