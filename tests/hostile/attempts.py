"""What test_attack.py tries: one call for each way in which an attempt can end."""

import os

from gatelab.errors import DataError


def work() -> None:
    print("done")


def refuse() -> None:
    raise DataError("table.csv: there is no such file. Name another one.")


def fail() -> None:
    raise KeyError("label")


def exit_silently() -> None:
    raise SystemExit(1)


def run_foreign_code() -> None:
    os.system("touch canary")


def print_an_escape() -> None:
    print("\x1b[2J")


def eat_memory() -> None:
    bytearray(3 * 2**30)


def fill_the_disk() -> None:
    with open("large", "wb") as stream:
        stream.truncate(3 * 2**30)


def never_end() -> None:
    while True:
        pass


def wait_for_a_fifo() -> None:
    os.mkfifo("fifo")
    open("fifo").close()
