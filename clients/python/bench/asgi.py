"""The site under uvicorn; SESSIOND_BENCH_SITE says over what."""

import shop  # noqa: F401  # Configures Django.
from django.core.asgi import get_asgi_application

application = get_asgi_application()
