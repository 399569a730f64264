"""`python -m encas`."""

from .cli import main

main()
