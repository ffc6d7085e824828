"""Bring a table from a URL to a local file whose sha256 is known. Files are written atomically after they are checked."""

import os
import stat
import sys
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from gatelab.data.formats.compression import table_in_zip
from gatelab.digest import sha256_of
from gatelab.errors import DataError
from gatelab.files import replacing
from gatelab.screen import errors

if TYPE_CHECKING:
    import requests

MIB = 2**20
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
CACHE_NAME = ".sha256.json"


def fetch_table(url: str, sha256: str, folder: Path, *, hint: str = "") -> Path:
    """The table inside the zip at url, as a file in folder; sha256 is that of the table, not of the zip.

    A table already in folder, under any name, is found by its sha256 without the network. Raises DataError, which ends with
    hint, when it cannot be downloaded or has another sha256; the files in folder are unchanged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            is_table = path.suffix.lower() in TABLE_SUFFIXES and path.is_file()
            if is_table and sha256_of(path, folder / CACHE_NAME) == sha256.lower():
                return path
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
            staging = Path(name)
            archive = download(url, staging / "archive.zip", hint=hint)
            try:
                table = extract_table(archive, staging)
                check_sha256(table, sha256)
            except DataError as error:  # the staged files are about to go: name the URL instead
                text = str(error).replace(f"{staging}{os.sep}", "").replace(str(staging), str(folder))
                raise DataError(with_hint(f"{url}: {text}", hint)) from None
            target = folder / table.name
            os.replace(table, target)
    except OSError as error:
        raise DataError(with_hint(f"{folder}: cannot hold the table ({error}). Name another folder.", hint)) from None
    return target


def download(url: str, target: Path, *, max_bytes: int = 500 * MIB, timeout: float = 30, hint: str = "") -> Path:
    """Download an http or https URL to target, which is replaced atomically at the end.

    timeout is in seconds, for the connection and for each wait for data. Raises DataError, which ends with hint.
    """
    import requests

    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(with_hint(f"{url}: is no http or https URL. Give one, or the path of a local file.", hint))
    try:
        # identity: bytes as they are stored, so that they can be counted against Content-Length
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as file:
                receive(response, file, url, max_bytes)
    except DataError as error:
        raise DataError(with_hint(str(error), hint)) from None
    except requests.RequestException as error:
        reason = why_it_failed(error, timeout)
        raise DataError(with_hint(f"{url}: could not be downloaded: {reason}.", hint)) from None
    except OSError as error:
        raise DataError(with_hint(f"{target}: cannot be written ({error}).", hint)) from None
    return target


def extract_table(archive: Path, folder: Path, *, max_bytes: int = 1024 * MIB) -> Path:
    """Unpack the one table of a zip into folder, under its own name without folders.

    Raises DataError for an archive that has any member which would leave folder, and for a table of more than
    max_bytes, counted while unpacking.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                refuse_unsafe(archive, member)
            entry = table_in_zip(archive, opened)
            target = folder / PureWindowsPath(entry.filename).name
            folder.mkdir(parents=True, exist_ok=True)
            with opened.open(entry) as source, replacing(target) as file:
                num_bytes = 0
                while chunk := source.read(MIB):
                    num_bytes += len(chunk)
                    if num_bytes > max_bytes:
                        raise DataError(
                            f"{archive}: '{entry.filename}' unpacks to more than the {max_bytes:,} bytes allowed. "
                            "If the archive is to be trusted, unpack it and give the file."
                        )
                    file.write(chunk)
    except DataError:
        raise
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive}: is no zip archive, or a damaged one ({error}). Fetch it again.") from None
    except Exception as error:  # a broken or encrypted archive makes zipfile raise nearly anything
        raise DataError(
            f"{archive}: cannot be unpacked into {folder} ({error}). Unpack it and give the file."
        ) from error
    return target


def check_sha256(path: Path, expected: str) -> None:
    """Raise DataError if the file has another sha256; the file is kept."""
    found = sha256_of(path)
    if found != expected.lower():
        raise DataError(
            f"{path}: has sha256 {found[:16]}…, and {expected[:16].lower()}… was expected. It is another version, or "
            "was damaged on the way: fetch it again, or pin the new sha256 if the change is meant."
        )


def receive(response: "requests.Response", file: IO[bytes], url: str, max_bytes: int) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    if response.status_code != 200:
        raise DataError(
            f"{url}: the server answered {response.status_code} {response.reason}. Check the URL in a browser."
        )
    header = response.headers.get("Content-Length", "")
    expected = int(header) if header.isdecimal() else None
    too_large = DataError(
        f"{url}: is larger than the {max_bytes:,} bytes allowed. Download it yourself, give the file."
    )
    if expected is not None and expected > max_bytes:
        raise too_large
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("downloading", total=expected)
        num_bytes = 0
        for chunk in response.iter_content(MIB // 4):
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                raise too_large
            file.write(chunk)
            progress.update(task, completed=num_bytes)
    received = response.raw.tell()  # as sent: a server may compress against our wish
    if expected is not None and received != expected:
        raise DataError(f"{url}: broke off after {received:,} of {expected:,} bytes. Try again.")


def why_it_failed(error: "requests.RequestException", timeout: float) -> str:
    import requests

    if isinstance(error, requests.exceptions.InvalidSchema):
        return "it leads on to an address that is neither http nor https, which is not followed; check the URL"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"the server was silent for {timeout:g} s; try again later"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"the connection broke off half-way ({error}); try again"
    return f"there was no connection ({error}); check the URL and the network"


def refuse_unsafe(archive: Path, member: zipfile.ZipInfo) -> None:
    path = PureWindowsPath(member.filename)  # knows both separators, and drives
    if path.anchor or ".." in path.parts:
        problem = "has a path that leads out of the folder"
    elif stat.S_ISLNK(member.external_attr >> 16):
        problem = "is a symbolic link"
    else:
        return
    raise DataError(
        f"{archive}: refused, because its member '{member.filename}' {problem}, and no honest table needs that. "
        "If you trust its source, unpack it yourself and give the file."
    )


def with_hint(text: str, hint: str) -> str:
    return f"{text} {hint}".rstrip()
