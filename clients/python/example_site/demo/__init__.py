"""An example site whose sessions are kept by sessiond."""
