"""python -m gatelab: the console script."""

from gatelab.cli import main

main()
